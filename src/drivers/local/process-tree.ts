/** Finds and signals the processes below one that we started, through /proc. */
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf } from "../../util/errno.ts";

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** Short name of what it runs. */
  readonly runs: string;
}

export interface Descendant extends Process {
  /** 1 for children, 2 for grandchildren, … */
  readonly depth: number;
}

export async function descendants(root: number): Promise<readonly Descendant[]> {
  const children = new Map<number, Process[]>();
  for (const each of await processes()) {
    const siblings = children.get(each.parent);
    if (siblings === undefined) children.set(each.parent, [each]);
    else siblings.push(each);
  }
  const found: Descendant[] = [];
  let level = [root];
  for (let depth = 1; level.length > 0; depth += 1) {
    const next = level.flatMap((pid) => children.get(pid) ?? []);
    found.push(...next.map((each) => ({ ...each, depth })));
    level = next.map((each) => each.pid);
  }
  return found;
}

async function processes(): Promise<readonly Process[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map((pid) => readProcess(Number(pid))));
  return found.filter((each) => each !== undefined);
}

async function readProcess(pid: number): Promise<Process | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "latin1");
    // The short name may itself hold spaces and brackets.
    const nameEnd = stat.lastIndexOf(")");
    const [, parent, group] = stat.slice(nameEnd + 2).split(" ");
    const runs = stat.slice(stat.indexOf("(") + 1, nameEnd);
    return { pid, parent: Number(parent), group: Number(group), runs };
  } catch {
    // Ended between the listing and the look.
    return undefined;
  }
}

/** Sends a signal to a process group; a group that is gone is fine. */
export function signalGroup(group: number, name: NodeJS.Signals): void {
  try {
    process.kill(-group, name);
  } catch (thrown) {
    if (errnoOf(thrown) !== "ESRCH") throw thrown;
  }
}

export const START_WAIT_MS = 2_000;

export interface Below {
  /** The process that we started. */
  readonly root: number;
  /** Levels of wrappers above the command. */
  readonly depth: number;
  readonly ended: () => boolean;
}

/**
 * Signals the command below some wrappers, and its children, but not the wrappers themselves: they live on to report
 * how it ended. Waits for a command that is only just starting.
 */
export async function signalBelow({ root, depth, ended }: Below, name: NodeJS.Signals): Promise<void> {
  for (let waited = 0; !ended(); waited += 10) {
    const found = (await descendants(root)).filter((each) => each.depth >= depth && each.group !== root);
    // Killed while it still is a copy of bubblewrap, a command would count as a sandbox that could not be set up.
    const begun = found.some((each) => each.runs !== "bwrap");
    if (begun || (waited >= START_WAIT_MS && found.length > 0)) {
      for (const group of new Set(found.map((each) => each.group))) signalGroup(group, name);
      return;
    }
    if (waited >= START_WAIT_MS) return;
    await sleep(10);
  }
}
