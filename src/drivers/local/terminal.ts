/** A real pseudo-terminal without native code: util-linux `script` makes it, `stty` sizes it. */
import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { TerminalSize } from "../driver.ts";
import { descendants } from "./process-tree.ts";

/** One word for a POSIX shell, whatever it holds: nothing is special between single quotes but the quote itself. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The variable under which a requested SHELL travels past `script`, which would run its command with it. */
export const CARRIED_SHELL = "SANDKEEP_CARRIED_SHELL";

function count(value: number): number {
  return Math.min(65_535, Math.max(1, Math.trunc(value) || 1));
}

/** What `script` hands to /bin/sh: size the terminal, then become the command. */
function terminalCommand(argv: readonly string[], size: TerminalSize, carriesShell: boolean): string {
  const shell = carriesShell
    ? `SHELL=$${CARRIED_SHELL}; export SHELL; unset ${CARRIED_SHELL}`
    : "unset SHELL";
  return [
    `stty rows ${count(size.rows)} cols ${count(size.columns)} 2>/dev/null`,
    shell,
    `exec ${argv.map(shellWord).join(" ")}`,
  ].join("; ");
}

const SCRIPT = "script --quiet --return --flush --echo always --command".split(" ");

/** The argv that runs a command on a terminal of its own; its exit code is the command's. */
export function terminalArgv(
  argv: readonly string[],
  size: TerminalSize,
  carriesShell: boolean,
  setpriv: string | undefined,
): readonly string[] {
  return [
    // `script` would outlive a killed caller for as long as its command is silent.
    ...(setpriv === undefined ? [] : [setpriv, "--pdeathsig", "KILL"]),
    ...SCRIPT,
    terminalCommand(argv, size, carriesShell),
    "/dev/null",
  ];
}

/**
 * Tells the terminal of the command, `depth` levels below `root`, its new size; the kernel then signals whoever is
 * in the foreground. Before the command has started there is nothing to tell.
 */
export async function resizeTerminal(root: number, depth: number, size: TerminalSize): Promise<void> {
  const child = (await descendants(root)).find((each) => each.depth === depth);
  if (child === undefined) return;
  const terminal = await open(`/proc/${child.pid}/fd/0`, constants.O_RDWR | constants.O_NOCTTY);
  try {
    await new Promise<void>((resolve, reject) => {
      const stty = spawn("stty", ["rows", String(count(size.rows)), "cols", String(count(size.columns))], {
        stdio: [terminal.fd, "ignore", "ignore"],
      });
      stty.once("error", reject);
      stty.once("close", () => resolve());
    });
  } finally {
    await terminal.close();
  }
}
