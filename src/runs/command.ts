import type { Readable, Writable } from "node:stream";
import type { RunManifest } from "../model/run-manifest.ts";
import type { ExecHandle, ExecResult, TerminalSize } from "../drivers/driver.ts";
import { LONGEST_TIMER_MS } from "../util/timer.ts";

export interface RunRequest {
  readonly file?: string;
  readonly agent?: string;
  /** A session key or a bare session name. */
  readonly session?: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly tty?: TerminalSize;
  /** `clean` leaves out the agent's secrets, and on the host all but a few variables of the caller; else `inherit`. */
  readonly envMode?: "inherit" | "clean";
  /** Who asks, as the ledger tells it; `cli` when nobody says. */
  readonly source?: string;
  /** Given by who waits for this very run to appear; else a new one. */
  readonly runId?: string;
  /** Path of a program of this machine that its command finds before any other of that name. */
  readonly bin?: string;
  /** Globs of what it leaves in its workspace, besides those of the config. */
  readonly artifacts?: readonly string[];
  /** It gets a sandbox of its own, which goes with it. */
  readonly ephemeral?: EphemeralRequest;
  /** Address of a sandbox that an earlier run of its own kept. */
  readonly inside?: string;
}

export interface EphemeralRequest {
  readonly image?: string;
  readonly backend?: string;
  /** It stays until its time is up. */
  readonly keep: boolean;
  /** Milliseconds; otherwise `runs.ephemeral_ttl`. */
  readonly ttlMs?: number;
}

export interface RunIo {
  readonly stdin?: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** The command has started; from now on signals and window sizes are its own. */
  onStart?(control: Pick<ExecHandle, "signal" | "resize">): void;
  /** It is in the ledger, and has not begun. */
  onRecorded?(manifest: RunManifest): void;
  /** A command on the host has the terminal itself: nothing is to be forwarded to it. */
  onHostTerminal?(): void;
}

export interface Ended {
  readonly exitCode: number;
  readonly timedOut: boolean;
  readonly cancelled: boolean;
  /** What the backend knows of the reason. */
  readonly because?: ExecResult["because"];
  readonly changesLost?: ExecResult["changesLost"];
}

/** After its time is up a command gets this long to end by itself. */
const GRACE_MS = 10_000;
const TIMED_OUT = 124;

/** Somebody asks for its end; undefined when nobody will any more. */
export type Cancelled = Promise<{ readonly graceMs: number } | undefined>;

/** The command's own exit code, or 124 when its time was up: TERM first, KILL after the grace. So is one cancelled. */
export async function awaitEnd(
  handle: ExecHandle,
  timeoutMs: number | undefined,
  cancelled: Cancelled = Promise.resolve(undefined),
): Promise<Ended> {
  let reason: "timeout" | "cancelled" | undefined;
  let kill: NodeJS.Timeout | undefined;
  const quietly = (name: NodeJS.Signals): void => void handle.signal(name).catch(() => undefined);
  const end = (why: "timeout" | "cancelled", graceMs: number): void => {
    if (reason !== undefined) return;
    reason = why;
    quietly("SIGTERM");
    kill = setTimeout(() => quietly("SIGKILL"), graceMs);
  };
  const timer = timeoutMs === undefined ? undefined : longTimer(timeoutMs, () => end("timeout", GRACE_MS));
  let over = false;
  void cancelled.then((asked) => asked !== undefined && !over && end("cancelled", asked.graceMs));
  try {
    const { exitCode, because, changesLost } = await handle.result;
    const timedOut = reason === "timeout";
    return {
      exitCode: timedOut ? TIMED_OUT : exitCode,
      timedOut,
      cancelled: reason === "cancelled",
      ...(changesLost === undefined ? {} : { changesLost }),
      ...(because === undefined ? {} : { because }),
    };
  } finally {
    over = true;
    timer?.[Symbol.dispose]();
    clearTimeout(kill);
  }
}

function longTimer(ms: number, expire: () => void): Disposable {
  let timer: NodeJS.Timeout;
  const waitFor = (left: number): void => {
    const step = Math.min(left, LONGEST_TIMER_MS);
    timer = setTimeout(() => (left > step ? waitFor(left - step) : expire()), step);
  };
  waitFor(ms);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
