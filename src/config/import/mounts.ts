import { posix } from "node:path";
import { formatKeyPath, type KeyPath } from "../../model/source.ts";
import { type Draft, type Item, type Line, isList, whyOff } from "./draft.ts";
import { ENGINES, type Engine, engineNamed } from "./engines.ts";

/** sandkeep's own, where nobody says otherwise. */
const TARGET = "/workspace";
const TMPFS: readonly string[] = ["/tmp", "/var/tmp", "/run"];

/**
 * Two mounts of one sandbox at one place: no engine does that, and which one was meant is not for us to guess.
 * The later one is refused; a bind loses against a memory-backed folder, and both against the workspace.
 */
export function refuseDoubleMounts(draft: Draft): void {
  for (const name of draft.agents) {
    const table = ["agents", name, ...FLEET];
    const engine = engineAt(draft, table);
    if (engine !== undefined) refuseIn(draft, table, engine);
  }
}

const FLEET: KeyPath = ["sandbox"];

/** Whose section says what is mounted for an agent; none where its sandboxes are no containers. */
function engineAt(draft: Draft, table: KeyPath): Engine | undefined {
  const lines = [table, FLEET].map((each) => draft.lines.get(formatKeyPath([...each, "backend"])));
  return engineNamed(lines.find((line) => line !== undefined && line.refused === undefined)?.value);
}

function refuseIn(draft: Draft, table: KeyPath, engine: Engine): void {
  const items = (at: KeyPath, name: string) => itemsAt(draft, [...at, engine, name]);
  const target = targetLine(draft, table) ?? targetLine(draft, FLEET);
  const workspace = folder(typeof target?.value === "string" ? target.value : TARGET);
  const tmpfs = items(table, "tmpfs") ?? items(FLEET, "tmpfs");
  const taken = new Set([workspace]);
  if (tmpfs === undefined && target !== undefined && TMPFS.includes(workspace))
    target.refused = `a memory-backed folder has the target ${workspace}`;
  if (tmpfs === undefined) for (const path of TMPFS) taken.add(path);
  for (const item of tmpfs ?? []) takeTarget(item, 0, taken);
  // Binds of one target are no conflict: the last one wins, there and here.
  const binds = new Set([...(items(FLEET, "binds") ?? []), ...(items(table, "binds") ?? [])]);
  for (const item of binds) takeTarget(item, 1, new Set(taken));
}

/** Refuses an element whose target is taken; `part` says where between its colons the target stands. */
function takeTarget(item: Item, part: 0 | 1, taken: Set<string>): void {
  if (item.refused !== undefined) return;
  const path = folder(item.value.split(":")[part] ?? "");
  if (taken.has(path)) item.refused = `another mount has the target ${path}`;
  taken.add(path);
}

/** A root that was to be allowed only for binds that are refused need not be allowed. */
export function narrowRoots(draft: Draft): void {
  for (const engine of ENGINES) {
    const lists = (name: string): readonly Item[] =>
      [...draft.lines.values()].flatMap(({ path, value }) =>
        path.at(-1) === name && path.at(-2) === engine && isList(value) ? value : [],
      );
    const used = new Set<string>();
    for (const { value, refused } of lists("binds"))
      if (refused === undefined) used.add(value.split(":")[0] ?? "");
    for (const root of lists("allowed_roots"))
      if (!used.has(root.value)) root.refused ??= "no bind that is left needs it";
  }
}

function folder(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 ? normal.replace(/\/$/, "") : normal;
}

function targetLine(draft: Draft, table: KeyPath): Line | undefined {
  return lineInForce(draft, [...table, "workspace", "target"]);
}

function itemsAt(draft: Draft, path: KeyPath): readonly Item[] | undefined {
  const value = lineInForce(draft, path)?.value;
  return value !== undefined && isList(value) ? value : undefined;
}

function lineInForce(draft: Draft, path: KeyPath): Line | undefined {
  const line = draft.lines.get(formatKeyPath(path));
  return line === undefined || whyOff(draft, line) !== undefined ? undefined : line;
}
