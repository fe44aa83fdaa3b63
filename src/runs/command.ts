import type { Readable, Writable } from "node:stream";
import type { ExecHandle, TerminalSize } from "../drivers/driver.ts";

export interface RunRequest {
  readonly file?: string;
  readonly agent?: string;
  /** A session key or a bare session name. */
  readonly session?: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly tty?: TerminalSize;
}

export interface RunIo {
  readonly stdin?: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** The command has started; from now on signals and window sizes are its own. */
  onStart?(control: Pick<ExecHandle, "signal" | "resize">): void;
  /** A command on the host has the terminal itself: nothing is to be forwarded to it. */
  onHostTerminal?(): void;
}

export interface Ended {
  readonly exitCode: number;
  readonly timedOut: boolean;
}

/** After its time is up a command gets this long to end by itself. */
const GRACE_MS = 10_000;
const TIMED_OUT = 124;
/** What one timer can wait; a longer time would end at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The command's own exit code, or 124 when its time was up: TERM first, KILL after the grace. */
export async function awaitEnd(handle: ExecHandle, timeoutMs: number | undefined): Promise<Ended> {
  if (timeoutMs === undefined) return { ...(await handle.result), timedOut: false };
  let timedOut = false;
  const quietly = (name: NodeJS.Signals): void => void handle.signal(name).catch(() => undefined);
  let kill: NodeJS.Timeout | undefined;
  let term: NodeJS.Timeout | undefined;
  const waitFor = (ms: number): void => {
    const step = Math.min(ms, LONGEST_TIMER_MS);
    term = setTimeout(() => (ms > step ? waitFor(ms - step) : expire()), step);
  };
  const expire = (): void => {
    timedOut = true;
    quietly("SIGTERM");
    kill = setTimeout(() => quietly("SIGKILL"), GRACE_MS);
  };
  waitFor(timeoutMs);
  try {
    const { exitCode } = await handle.result;
    return { exitCode: timedOut ? TIMED_OUT : exitCode, timedOut };
  } finally {
    clearTimeout(term);
    clearTimeout(kill);
  }
}
