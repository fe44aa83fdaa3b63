/** A real pseudo-terminal without native code: util-linux `script` makes it, `stty` sizes it. */
import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { shellWord } from "../../util/shell-word.ts";
import type { TerminalSize } from "../driver.ts";
import type { Below } from "./process-tree.ts";
import { START_WAIT_MS, descendants } from "./process-tree.ts";

/** The variable under which a requested SHELL travels past `script`, which would run its command with it. */
export const CARRIED_SHELL = "SANDKEEP_CARRIED_SHELL";

function count(value: number): number {
  return Math.min(65_535, Math.max(1, Math.trunc(value) || 1));
}

const SIZING = "stty rows ";

/** What `script` hands to /bin/sh: size the terminal, then become the command. */
function terminalCommand(argv: readonly string[], size: TerminalSize, carriesShell: boolean): string {
  const shell = carriesShell
    ? `SHELL=$${CARRIED_SHELL}; export SHELL; unset ${CARRIED_SHELL}`
    : "unset SHELL";
  return [
    `${SIZING}${count(size.rows)} cols ${count(size.columns)} 2>/dev/null`,
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
 * in the foreground. Waits for the command to start, and to be past the size that it starts with.
 */
export async function resizeTerminal({ root, depth, ended }: Below, size: TerminalSize): Promise<void> {
  for (let waited = 0; !ended(); waited += 10) {
    const child = (await descendants(root)).find((each) => each.depth === depth);
    const late = waited >= START_WAIT_MS;
    if (child !== undefined && (late || !(await isSizing(child.pid)))) return await setSize(child.pid, size);
    if (late) return;
    await sleep(10);
  }
}

async function isSizing(pid: number): Promise<boolean> {
  const argv = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return argv.split("\0").some((each) => each.startsWith(SIZING));
}

async function setSize(pid: number, size: TerminalSize): Promise<void> {
  const terminal = await open(`/proc/${pid}/fd/0`, constants.O_RDWR | constants.O_NOCTTY);
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
