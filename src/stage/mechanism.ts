/**
 * How an agent's copy is kept: the cheapest way that keeps it apart from a workspace that goes on changing.
 *
 * A mount that shows the workspace below it would start sooner, and is none: nobody may change what is below an overlay.
 * Where somebody does, a file that is replaced stays the old one for the agent until the kernel forgets it, and one that
 * is written in place is new at once. So the agent works on a mixture that nobody ever had, and what it adds to such a
 * file carries somebody else's edit into its own changes.
 */
import { stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { StageMechanism } from "../model/stage.ts";
import type { Cloning } from "../util/copy-entry.ts";
import { unlessMissing } from "../util/errno.ts";

export interface Mechanism {
  readonly mechanism: StageMechanism;
  readonly why: string;
}

const NO_OVERLAY =
  "an overlay mount would show the agent a mixture of old and new files while somebody works in the workspace";

const REFLINK: Mechanism = {
  mechanism: "reflink",
  why: "the file system shares contents between the workspace and its copy",
};
const COPY: Mechanism = {
  mechanism: "copy",
  why: `the file system of the workspace cannot share contents with that of the state directory, and ${NO_OVERLAY}`,
};

/** What the first file of a copy proved. */
export function mechanismOf({ clones }: Cloning): Mechanism {
  return clones === true ? REFLINK : COPY;
}

/** Numbers that file systems go by which can share contents: btrfs, xfs, bcachefs. */
const SHARING: ReadonlySet<number> = new Set([0x9123683e, 0x58465342, 0xca451a4e]);

/** The same without writing anything; only the first file of a copy proves it. */
export async function foreseeMechanism(source: string, stateDir: string): Promise<Mechanism> {
  const state = await existing(stateDir);
  const [from, to] = [await unlessMissing(stat(source)), await stat(state)];
  if (from === undefined || from.dev !== to.dev) return COPY;
  return SHARING.has((await statfs(state)).type) ? REFLINK : COPY;
}

async function existing(path: string): Promise<string> {
  const found = await unlessMissing(stat(path));
  return found !== undefined || dirname(path) === path ? path : existing(dirname(path));
}
