import { spawn } from "node:child_process";
import type { ExecHandle } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import { signalExit } from "../util/signal-exit.ts";
import type { RunIo, RunRequest } from "./command.ts";

/**
 * Runs on the host, because the session's mode leaves it there. The caller has said so; nothing is isolated.
 * It gets the caller's environment, like any command that the caller starts.
 */
export function runOnHost(
  request: RunRequest,
  io: RunIo,
  place: { readonly cwd: string; readonly env: Readonly<Record<string, string | undefined>> },
): ExecHandle {
  const [command = "", ...args] = request.argv;
  if (command === "" || request.argv.some((each) => each.includes("\0"))) {
    throw new SandkeepError(`${JSON.stringify(command)} with these arguments is no command`, {
      code: "USAGE",
      hint: "name a program after --, without NUL bytes in it or in its arguments",
      exitCode: 64,
    });
  }
  const terminal = request.tty !== undefined;
  const child = spawn(command, args, {
    cwd: place.cwd,
    env: { ...place.env, ...request.env },
    stdio: terminal ? "inherit" : ["pipe", "pipe", "pipe"],
    // A group of its own, so that a signal reaches its children; a terminal's group is the terminal's business.
    detached: !terminal,
  });
  if (!terminal) {
    child.stdout?.pipe(io.stdout, { end: false });
    child.stderr?.pipe(io.stderr, { end: false });
    if (child.stdin !== null) {
      child.stdin.on("error", () => undefined);
      if (io.stdin === undefined) child.stdin.end();
      else io.stdin.pipe(child.stdin);
    }
  }
  return {
    result: new Promise((resolve) => {
      child.once("error", (error) => {
        io.stderr.write(`sandkeep: ${command}: ${error.message}\n`);
        resolve({ exitCode: "code" in error && error.code === "ENOENT" ? 127 : 126 });
      });
      child.once("close", (code, signal) => {
        if (child.stdin !== null) io.stdin?.unpipe(child.stdin);
        resolve({ exitCode: code ?? signalExit(signal) });
      });
    }),
    async signal(name) {
      if (child.pid !== undefined) process.kill(terminal ? child.pid : -child.pid, name);
    },
    async resize() {
      // The command has the terminal itself and sees its size.
    },
  };
}
