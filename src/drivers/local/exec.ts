/** Runs one command in a runtime: streams with backpressure, signals, a terminal, and the exact exit code. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable, Writable } from "node:stream";
import { SandkeepError } from "../../errors.ts";
import type { ExecHandle, ExecRequest, ExecResult } from "../driver.ts";
import type { Command } from "./command.ts";
import { ARGUMENTS_FD, prepareCommand, STATUS_FD } from "./command.ts";
import type { LocalContext } from "./context.ts";
import { errnoOf } from "../../util/errno.ts";
import { latest } from "../../util/latest.ts";
import { closeWhenQuiet, pump } from "../../util/pump.ts";
import { signalExit } from "../../util/signal-exit.ts";
import { toLocalError } from "./errors.ts";
import { signalBelow, signalGroup } from "./process-tree.ts";
import { resizeTerminal } from "./terminal.ts";

/** What shells answer when a command could not be started. */
const START_FAILURES: Readonly<Record<string, { readonly code: number; readonly why: string }>> = {
  ENOENT: { code: 127, why: "command not found" },
  ENOTDIR: { code: 127, why: "command not found" },
  EACCES: { code: 126, why: "not executable" },
  ENOEXEC: { code: 126, why: "not executable" },
  EISDIR: { code: 126, why: "not executable" },
};

export async function execute(context: LocalContext, request: ExecRequest): Promise<ExecHandle> {
  const command = await prepareCommand(context, request);
  const sandboxed = command.sandboxInput !== undefined;
  const child = spawn(command.program, command.args, {
    cwd: command.cwd,
    env: { ...command.env },
    // A session of its own, so that one signal reaches the command and its children.
    detached: true,
    stdio: [
      request.stdin === undefined ? "ignore" : "pipe",
      "pipe",
      "pipe",
      ...(sandboxed ? (["pipe", "pipe"] as const) : []),
    ],
  });
  const started = await Promise.race([
    once(child, "spawn").then(() => undefined),
    once(child, "error").then(([thrown]: unknown[]) => thrown),
  ]).catch((thrown: unknown) => thrown);
  if (started !== undefined) return notStarted(request, command, started);
  return runningHandle(child, command, request);
}

function notStarted(request: ExecRequest, command: Command, thrown: unknown): ExecHandle {
  const failure = command.depth === 0 ? START_FAILURES[errnoOf(thrown) ?? ""] : undefined;
  if (failure === undefined) throw toLocalError(thrown, "start the command");
  request.stderr.write(`sandkeep: ${command.program}: ${failure.why}\n`);
  return {
    result: Promise.resolve({ exitCode: failure.code }),
    signal: async () => {},
    resize: async () => {},
  };
}

function runningHandle(child: ChildProcess, command: Command, request: ExecRequest): ExecHandle {
  const { pid } = child;
  if (pid === undefined) throw toLocalError(new Error("it has no process id"), "start the command");
  let ended = false;
  child.once("exit", () => {
    ended = true;
  });
  const result = collect(child, command, request);
  // A caller may look at the result late; until then a failure must not count as unhandled.
  result.catch(() => undefined);
  return {
    result,
    signal: async (name) => {
      if (ended) return;
      if (command.depth === 0) signalGroup(pid, name);
      else await signalBelow({ root: pid, depth: command.depth, ended: () => ended }, name);
    },
    resize: latest(async (size) => {
      if (request.tty === undefined) return;
      await resizeTerminal({ root: pid, depth: command.depth, ended: () => ended }, size);
    }),
  };
}

async function collect(child: ChildProcess, command: Command, request: ExecRequest): Promise<ExecResult> {
  const exited = exitOf(child);
  const status = statusOf(child, command);
  const activity = { at: 0, waiting: 0 };
  const pumps = Promise.all([
    pump(child.stdout, request.stdout, activity),
    pump(child.stderr, request.stderr, activity),
  ]);
  if (child.stdin !== null && request.stdin !== undefined) {
    // A command may end without reading its input; that is its right and no failure.
    child.stdin.on("error", () => undefined);
    // Input that breaks off is input that has ended; otherwise the command would wait for ever.
    request.stdin.once("error", () => child.stdin?.end());
    request.stdin.pipe(child.stdin);
  }
  const exitCode = await exited;
  if (child.stdin !== null) request.stdin?.unpipe(child.stdin);
  const stopWaiting = closeWhenQuiet([child.stdout, child.stderr], activity, request.stderr);
  await pumps;
  stopWaiting();
  return { exitCode: await confirmed(exitCode, status) };
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => {
      resolve(code ?? signalExit(signal));
    });
  });
}

/** Text of the sandbox's status pipe; undefined for a command without a sandbox. */
async function statusOf(child: ChildProcess, command: Command): Promise<string | undefined> {
  if (command.sandboxInput === undefined) return undefined;
  const status = child.stdio[STATUS_FD];
  const input = child.stdio[ARGUMENTS_FD];
  if (input instanceof Writable) {
    input.on("error", () => undefined);
    input.end(command.sandboxInput);
  }
  let text = "";
  if (status instanceof Readable) {
    for await (const chunk of status) text += String(chunk);
  }
  return text;
}

const SIGNALLED = 128;

/** A sandbox that could not be set up also exits with 1; only the status tells that the command itself ended. */
async function confirmed(exitCode: number, status: Promise<string | undefined>): Promise<number> {
  const text = await status;
  if (text === undefined) return exitCode;
  const told = /"exit-code"\s*:\s*(\d+)/.exec(text)?.[1];
  if (told !== undefined) return Number(told);
  // It fails with 1 by itself; a higher code is a signal that ended it.
  if (exitCode < SIGNALLED) {
    throw new SandkeepError("the sandbox could not be set up", {
      code: "LOCAL_SANDBOX_FAILED",
      kind: "denied",
      blame: "backend",
      exitCode: 1,
      hint: "the lines on stderr that begin with `bwrap:` say why; `sandkeep status` tells what bubblewrap needs",
    });
  }
  throw new SandkeepError("the sandbox was killed from outside before its command ended", {
    code: "LOCAL_SANDBOX_KILLED",
    blame: "backend",
    hint: "see who killed it; the command's output is kept as far as it came",
  });
}
