import { runCommand } from "../../runs/run.ts";
import { commandRequest } from "../command-request.ts";
import { makeEngine } from "../engine.ts";
import { usageError } from "../exit-codes.ts";
import { forwardSignals } from "../forwarding.ts";
import { openHost } from "../hosts/host.ts";
import type { Input, Invocation, Output } from "../invocation.ts";
import { answer, answerInvalid } from "../print.ts";

const DEFAULT_SHELL = ["/bin/sh", "-i"] as const;

function sizeOf(output: Output): { columns: number; rows: number } {
  return { columns: output.columns || 80, rows: output.rows || 24 };
}

interface Resizable {
  resize(size: { columns: number; rows: number }): Promise<void>;
}

/** Owns the terminal while a command has it: keys reach the command unchanged, and the size follows the window. */
class Screen implements Disposable {
  readonly #stdin: Input;
  readonly #output: Output;
  #resize: (() => void) | undefined;

  constructor(stdin: Input, output: Output) {
    this.#stdin = stdin;
    this.#output = output;
  }

  hand(control: Resizable): void {
    this.#resize = () => {
      control.resize(sizeOf(this.#output)).catch(() => undefined);
    };
    // Also when something calls process.exit: a terminal left raw is unusable.
    process.once("exit", this.restore);
    process.on("SIGWINCH", this.#resize);
    this.#stdin.setRawMode?.(true);
    // The window may have changed while the runtime was woken.
    this.#resize();
  }

  readonly restore = (): void => {
    if (this.#resize === undefined) return;
    process.off("SIGWINCH", this.#resize);
    process.off("exit", this.restore);
    this.#resize = undefined;
    this.#stdin.setRawMode?.(false);
    this.#stdin.pause();
  };

  [Symbol.dispose](): void {
    this.restore();
  }
}

export async function run(invocation: Invocation): Promise<number> {
  const { stdin, stdout, stderr } = invocation.streams;
  if (stdin.isTTY !== true) {
    throw usageError("shell needs a terminal on stdin", "Use `sandkeep run -- CMD…` where there is none.");
  }
  const argv = invocation.args.length === 0 ? DEFAULT_SHELL : invocation.args;
  const terminal = invocation.globals.json ? stderr : stdout;
  await using host = await openHost(invocation);
  using signals = forwardSignals((code) => process.exit(code));
  using screen = new Screen(stdin, terminal);
  const outcome = await runCommand(
    makeEngine(invocation, host),
    { ...commandRequest(invocation, argv), tty: sizeOf(terminal) },
    {
      stdin,
      stdout: terminal,
      stderr,
      onStart: (control) => {
        host.clear();
        signals.started(control);
        screen.hand(control);
      },
      onHostTerminal: () => {
        host.clear();
        signals.sharesTerminal();
      },
    },
  );
  screen.restore();
  if (outcome.status === "invalid") return await answerInvalid(invocation, outcome.diagnostics);
  if (invocation.globals.json) await answer(invocation, outcome.manifest, () => "");
  return outcome.manifest.exit_code;
}
