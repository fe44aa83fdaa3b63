/**
 * Keeps a workspace here and its canonical copy elsewhere in step. In: both, the rules for what comes here, and which way
 * changes are to go. Out: what moved, or everything that stands against it, and then nothing did. The caller is alone with
 * the address on this machine; on the other one the open workspace is.
 */
import type { Driver } from "../../drivers/driver.ts";
import type { SyncBase } from "../../state/sync-base.ts";
import { readSyncBase, syncFolder, writeSyncBase } from "../../state/sync-base.ts";
import type { BytePath } from "../../util/byte-path.ts";
import type { LeftOut } from "../../util/file-tree.ts";
import type { OpenWorkspace, WorkspaceEntry } from "../../util/open-workspace.ts";
import type { Difference } from "../compare.ts";
import type { Refusal } from "../decide.ts";
import type { StageRules } from "../rules.ts";
import type { SyncConflict, SyncLook } from "./look.ts";
import { compareSides, readSides } from "./look.ts";
import { pull, recoverPull } from "./pull.ts";
import { push } from "./push.ts";
import { winOver } from "./win.ts";

export interface Sync {
  readonly owner: { readonly fleet: string; readonly address: string };
  readonly driver: Driver;
  readonly objectId: string;
  readonly stateDir: string;
  /** Real path of the workspace here. */
  readonly root: string;
  readonly leftOut: LeftOut;
  readonly rules: StageRules;
  /** False where the folder here is no workspace, so that whatever is there may come. */
  readonly judges: boolean;
  readonly id: string;
  readonly now: number;
  /** Bytes of contents moved so far. */
  readonly tell: (bytes: number) => void;
}

export type SyncWay = "push" | "pull" | "status";

/** Less than all of it, or more than what nothing stands against. */
export interface SyncChoice {
  readonly wanted: (path: BytePath) => boolean;
  /** The side that the changes come from wins where both did something. */
  readonly force: boolean;
  /** Everything is said, and nothing moves. */
  readonly dry: boolean;
}

const PLAIN: SyncChoice = { wanted: () => true, force: false, dry: false };

export interface Synced {
  /** `same`: nothing to move that way. `moved`: done. `differs`: looked at only. */
  readonly status: "same" | "differs" | "moved" | "conflict" | "refused";
  /** What was done here since both were alike, and what there. */
  readonly here: readonly Difference[];
  readonly there: readonly Difference[];
  readonly conflicts: readonly SyncConflict[];
  readonly refusals: readonly Refusal[];
  /** What the losing side did, which the move takes away. */
  readonly overwritten: readonly SyncConflict[];
}

/** Asked before anything moves, with what would be overwritten; it throws where that must not be. */
export type Allowed = (overwritten: readonly SyncConflict[]) => Promise<void>;

export async function syncWorkspace(
  sync: Sync,
  way: SyncWay,
  allowed: Allowed = async () => undefined,
  choice: SyncChoice = PLAIN,
): Promise<Synced> {
  const { driver, objectId, stateDir, owner, root } = sync;
  const dir = syncFolder(stateDir, owner);
  await recoverPull({ dir, root });
  if (driver.openWorkspace === undefined) throw new Error("the driver keeps no workspace of its own");
  await using open = await driver.openWorkspace(objectId);
  const base = await readSyncBase(dir, root);
  const known = { base, rules: sync.rules };
  const sides = await readSides(open, { ...sync, base });
  const { look, overwritten } =
    choice.force && way !== "status"
      ? winOver(sides, known, way, choice.wanted)
      : { look: compareSides(sides, known, choice.wanted), overwritten: [] };
  const does = choice.dry ? "status" : way;
  const told = { here: look.push, there: look.pull, conflicts: look.conflicts, refusals: look.refusals };
  const status = await carryOut(sync, { open, look, dir, way: does, allowed: () => allowed(overwritten) });
  // Where nothing said what both had, it stays so until they are alike.
  if (base !== undefined || status === "same" || status === "moved")
    await writeSyncBase(dir, root, agreed({ ...look, base }, status === "moved" ? way : "status"));
  return { status, ...told, overwritten };
}

interface Carrying {
  readonly open: OpenWorkspace;
  readonly look: SyncLook;
  readonly dir: string;
  readonly way: SyncWay;
  readonly allowed: () => Promise<void>;
}

async function carryOut(sync: Sync, { open, look, dir, way, allowed }: Carrying): Promise<Synced["status"]> {
  const differs = look.push.length + look.pull.length > 0;
  if (way === "status") return look.conflicts.length > 0 ? "conflict" : differs ? "differs" : "same";
  if (look.conflicts.length > 0) return "conflict";
  if (way === "pull" && sync.judges && look.refusals.length > 0) return "refused";
  const changes = way === "push" ? look.push : look.pull;
  if (changes.length === 0) return "same";
  await allowed();
  let moved = 0;
  const tell = (bytes: number): void => sync.tell((moved += bytes));
  if (way === "push") await push(open, sync.root, look, tell);
  else await pull(open, look, { root: sync.root, dir, id: sync.id, now: sync.now, tell });
  return "moved";
}

/** What both sides have from now on; where they differ, what they had. Signs of what just moved are not known. */
function agreed({ base, here, there, push: pushed, pull: pulled }: SyncLook, way: SyncWay): SyncBase {
  const moved = new Set<BytePath>(
    (way === "push" ? pushed : way === "pull" ? pulled : []).map(({ path }) => path),
  );
  const now: SyncBase = new Map();
  for (const path of new Set([...(base?.keys() ?? []), ...here.keys(), ...there.keys()])) {
    const [one, other] = [here.get(path), there.get(path)];
    const before = base?.get(path);
    if (moved.has(path)) {
      const entry = way === "push" ? one : other;
      if (entry !== undefined && entry.kind !== "other") {
        const signs = way === "push" ? { here: entry.sign, there: "" } : { here: "", there: entry.sign };
        now.set(path, { ...partsOf(entry, entry.kind), ...signs });
      }
    } else if (one !== undefined && other !== undefined && isSame(one, other) && one.kind !== "other") {
      now.set(path, { ...partsOf(one, one.kind), here: one.sign, there: other.sign });
    } else if (before !== undefined && (one !== undefined || other !== undefined)) now.set(path, before);
  }
  return now;
}

function partsOf<K extends string>({ mode, size, sha256, target }: WorkspaceEntry, kind: K) {
  return { kind, mode, size, sha256, ...(target === undefined ? {} : { target }) };
}

function isSame(a: WorkspaceEntry, b: WorkspaceEntry): boolean {
  const bits = a.kind === "folder" ? 0o777 : 0o7777;
  const alike = a.kind === b.kind && a.target === b.target && a.sha256 === b.sha256;
  return alike && (a.kind === "link" || (a.mode & bits) === (b.mode & bits));
}
