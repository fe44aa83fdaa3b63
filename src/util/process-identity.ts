import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { errnoOf } from "./errno.ts";

/** Which process began something, precisely enough that a reused pid is never taken for it. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, from /proc; empty where the system has none. */
  readonly start_time: string;
  readonly boot_id: string;
  /** Containers share a boot id, but not their pids. */
  readonly pid_namespace: string;
  readonly host: string;
}

/** `unknown`: it ran under another kernel or pid namespace, so only what it does can tell. */
export type Liveness = "alive" | "dead" | "unknown";

/** It does not change as long as the process lives. */
let own: ProcessIdentity | undefined;

export function ownIdentity(): ProcessIdentity {
  own ??= {
    pid: process.pid,
    start_time: processStat(process.pid)?.startTime ?? "",
    boot_id: procText("/proc/sys/kernel/random/boot_id"),
    pid_namespace: pidNamespace(),
    host: hostname(),
  };
  return own;
}

export function liveness(other: ProcessIdentity): Liveness {
  const mine = ownIdentity();
  // Host names repeat among machines and containers; a boot id does not, so a differing one proves nothing dead.
  if (other.boot_id !== mine.boot_id || other.pid_namespace !== mine.pid_namespace) return "unknown";
  if (mine.boot_id === "" && other.host !== mine.host) return "unknown";
  if (mine.start_time === "") return signalable(other.pid) ? "alive" : "dead";
  const stat = processStat(other.pid);
  if (stat === undefined || stat.startTime !== other.start_time) return "dead";
  // A zombie keeps its entry until its parent reaps it, but acts no more.
  return stat.state === "Z" || stat.state === "X" ? "dead" : "alive";
}

/** State letter and start time from /proc/<pid>/stat; the command name before them may hold spaces and parentheses. */
export function processStat(
  pid: number,
  proc = "/proc",
): { readonly state: string; readonly startTime: string } | undefined {
  const stat = procText(`${proc}/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, startTime] = [fields[0], fields[19]];
  return state === undefined || startTime === undefined ? undefined : { state, startTime };
}

/** The text of a file below /proc, trimmed; empty where there is none, or none to be looked at. */
export function procText(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

function pidNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "";
  }
}

function signalable(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === "EPERM";
  }
}
