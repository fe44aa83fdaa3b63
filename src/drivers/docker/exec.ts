import { once } from "node:events";
import type { Duplex, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { SandkeepError } from "../../errors.ts";
import { elapsed } from "../../util/elapsed.ts";
import { latest } from "../../util/latest.ts";
import { signalExit } from "../../util/signal-exit.ts";
import type { DriverDeps, ExecHandle, ExecRequest, ExecResult, TerminalSize } from "../driver.ts";
import type { Engine } from "./client.ts";
import { Demux } from "./demux.ts";
import { dockerError } from "./errors.ts";
import { findExec } from "./execs.ts";
import { findContainer } from "./find-container.ts";
import { MARKER, signalExec } from "./signals.ts";
import { readCreated } from "./wire.ts";

const FIRST_POLL_MS = 5;
const SLOWEST_POLL_MS = 500;
/** A busy engine records the end of a command a moment after it ended the streams. */
const RECORDED_WITHIN_MS = 5000;
const RESIZE_TRIES = 20;

/** Engines tell on the command's stdout that there is no such program, with an exit code that varies by version. */
const REFUSAL = Buffer.from("OCI runtime exec failed: ");
const LONGEST_REFUSAL = 8192;
const MISSING = /executable file not found|no such file or directory/;
/** As shells tell it. */
const CANNOT_RUN = 126;
export const NOT_FOUND = 127;
const KILLED = signalExit("SIGKILL");
const PIPE_AGAIN_MS = 1_000;

export interface ExecOptions {
  /** Otherwise the container's own. */
  readonly user?: string;
  /** What it finds on its stdin before all else. */
  readonly first?: string;
}

/** Starts a command. Its environment travels in the request's body and is seen by no argv and no inspect. */
export async function exec(
  engine: Engine,
  deps: DriverDeps,
  request: ExecRequest,
  { user, first }: ExecOptions = {},
): Promise<ExecHandle> {
  const marker = deps.randomId();
  const tty = request.tty !== undefined;
  const { Id } = await engine.json(
    {
      what: `prepare a command in ${request.objectId.slice(0, 12)}`,
      method: "POST",
      path: `/containers/${encodeURIComponent(request.objectId)}/exec`,
      body: {
        Cmd: [...request.argv],
        Env: [...Object.entries(request.env), [MARKER, marker]].map(([name, value]) => `${name}=${value}`),
        AttachStdin: request.stdin !== undefined || first !== undefined,
        AttachStdout: true,
        AttachStderr: true,
        Tty: tty,
        ...(user === undefined ? {} : { User: user }),
        // Absent means the container's own, which is the workspace unless the config says otherwise.
        ...(request.cwd === undefined ? {} : { WorkingDir: request.cwd }),
      },
    },
    readCreated,
  );
  const socket = await engine.hijack({
    what: "run a command",
    method: "POST",
    path: `/exec/${Id}/start`,
    body: { Detach: false, Tty: tty },
  });
  let killed = false;
  const command = { objectId: request.objectId, execId: Id, marker };
  const broken = brokenPipe(() => signalExec(engine, command, "SIGPIPE"));
  const result = follow(engine, Id, socket, { ...request, first, broken }).then(
    async (ended): Promise<ExecResult> => {
      if (ended.exitCode !== KILLED || killed) return ended;
      const { ranOutOfMemory } = await import("./out-of-memory.ts");
      const out = await ranOutOfMemory(engine, request.objectId, Id);
      return out ? { ...ended, because: "out-of-memory" } : ended;
    },
  );
  const resize = latest((size: TerminalSize) => resizeExec(engine, Id, size));
  // The command runs whether or not its terminal has the right size yet.
  if (request.tty !== undefined) void resize(request.tty).catch(() => undefined);
  return {
    result,
    resize,
    signal: (name) => {
      killed ||= name === "SIGKILL";
      return signalExec(engine, command, name);
    },
  };
}

interface Following extends ExecRequest {
  readonly first: string | undefined;
  /** Hears of output that nobody takes any more. */
  readonly broken: () => void;
}

/** The kernel signals who writes to a pipe that nobody reads; here the pipe is ours, and the writer is told by us. */
function brokenPipe(signal: () => Promise<void>): () => void {
  let last = -Infinity;
  return () => {
    if (elapsed() - last < PIPE_AGAIN_MS) return;
    last = elapsed();
    // What ignores it goes on, as it would anywhere; it has ended where it cannot be told.
    void signal().catch(() => undefined);
  };
}

async function follow(engine: Engine, id: string, socket: Duplex, request: Following): Promise<ExecResult> {
  const releaseStdin = feedStdin(socket, request);
  try {
    const refusal = await pump(socket, request);
    const code = await exitCode(engine, id);
    if (refusal === undefined) return { exitCode: code };
    // A program may print the same words itself: only with the engine's own exit codes are they the engine's.
    if (code !== CANNOT_RUN && code !== NOT_FOUND) {
      await write(request.stdout, refusal);
      return { exitCode: code };
    }
    // Of a container that ends meanwhile engines tell as they do of a program, in the words of whichever step failed.
    if (((await findContainer(engine, request.objectId))?.State.Pid ?? 0) === 0)
      throw lost("DOCKER_EXEC_LOST", "the container ended as the command was to begin");
    const text = refusal.toString();
    await write(request.stderr, Buffer.from(`sandkeep: ${text.trim()}\n`));
    return MISSING.test(text) ? { exitCode: NOT_FOUND } : { exitCode: CANNOT_RUN, because: "refused" };
  } catch (thrown) {
    throw dockerError(thrown, "the outcome of the command is not known", engine.dialect.name);
  } finally {
    releaseStdin();
    socket.destroy();
  }
}

/** Copies input until the command ends; the end of input closes only our half of the connection. */
function feedStdin(socket: Duplex, { stdin, first }: Following): () => void {
  // A command that ends before it has read everything is no failure; the output side tells what happened.
  socket.on("error", () => undefined);
  if (first !== undefined) socket.write(first);
  if (stdin === undefined) {
    if (first !== undefined) socket.end();
    return () => undefined;
  }
  const abandon = (): void => {
    socket.end();
  };
  stdin.once("error", abandon);
  stdin.pipe(socket);
  return () => {
    stdin.unpipe(socket);
    stdin.off("error", abandon);
  };
}

/** Answers what the engine seems to say in place of a command that it could not start; that is not handed on. */
async function pump(socket: Duplex, request: Following): Promise<Buffer | undefined> {
  const demux = new Demux();
  const tty = request.tty !== undefined;
  let refusal: Buffer | undefined;
  let first = true;
  const handOn = async (stream: "stdout" | "stderr", data: Buffer): Promise<void> => {
    const target = request[stream];
    // Read on in any case: an engine that gets nothing rid of would hold up the command.
    if (isGone(target)) request.broken();
    else await write(target, data);
  };
  const take = async (stream: "stdout" | "stderr", data: Buffer): Promise<void> => {
    const refused = first ? data.subarray(0, REFUSAL.length).equals(REFUSAL) : refusal !== undefined;
    first = false;
    if (refused) refusal = Buffer.concat([refusal ?? Buffer.alloc(0), data]);
    else await handOn(stream, data);
    if ((refusal?.length ?? 0) <= LONGEST_REFUSAL) return;
    await handOn("stdout", refusal ?? Buffer.alloc(0));
    refusal = undefined;
  };
  for await (const chunk of socket) {
    const data = Buffer.from(chunk);
    if (tty) await take("stdout", data);
    else for (const frame of demux.push(data)) await take(frame.stream, frame.data);
  }
  if (demux.torn) throw lost("DOCKER_CONNECTION_LOST", "its output ended in the middle");
  await Promise.all([drained(request.stdout), drained(request.stderr)]);
  return refusal;
}

function isGone(target: Writable): boolean {
  return target.destroyed || target.writableEnded;
}

/** One write, waiting for the reader of a full stream, or for its leaving. */
async function write(target: Writable, data: Buffer): Promise<void> {
  if (isGone(target) || target.write(data)) return;
  const give = new AbortController();
  const wait = { signal: give.signal };
  const closed = once(target, "close", wait);
  try {
    if (!isGone(target)) await Promise.race([once(target, "drain", wait), closed]);
  } finally {
    give.abort();
    closed.catch(() => undefined);
  }
}

/** Everything written has been taken: the callback of an empty write comes after those before it. */
function drained(target: Writable): Promise<void> {
  if (target.destroyed || target.writableEnded || target.writableLength === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    target.write("", (error) => {
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}

/**
 * The exit code as the engine recorded it. The engine keeps the streams open until the command ends, even when the
 * command closed its own; streams that end before it were cut off, and then output is missing and nothing is known.
 */
async function exitCode(engine: Engine, id: string): Promise<number> {
  const deadline = elapsed() + RECORDED_WITHIN_MS;
  for (let pause = FIRST_POLL_MS; ; pause = Math.min(pause * 2, SLOWEST_POLL_MS)) {
    const state = await findExec(engine, id);
    if (state === undefined)
      throw lost("DOCKER_EXEC_LOST", "the container was removed while the command ran");
    if (!state.Running && typeof state.ExitCode === "number") return state.ExitCode;
    if (elapsed() > deadline) throw lost("DOCKER_CONNECTION_LOST", "the command may still be running");
    await sleep(pause);
  }
}

function lost(code: string, why: string): SandkeepError {
  return new SandkeepError(`the connection to the command was lost: ${why}`, {
    code,
    kind: "unreachable",
    blame: "backend",
    hint: "look at the runtime before you run the command again",
  });
}

/** The terminal exists only once the process does, a moment after the connection. */
async function resizeExec(engine: Engine, id: string, size: TerminalSize): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await engine.send({
        what: "resize a terminal",
        method: "POST",
        path: `/exec/${id}/resize`,
        query: { h: size.rows, w: size.columns },
      });
    } catch (thrown) {
      const state = await findExec(engine, id);
      if (state === undefined || (!state.Running && typeof state.ExitCode === "number")) return;
      if (attempt >= RESIZE_TRIES) throw thrown;
      await sleep(FIRST_POLL_MS * attempt);
    }
  }
}
