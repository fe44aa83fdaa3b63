import { posix } from "node:path";
import { formatKeyPath, type KeyPath } from "../../model/source.ts";
import { type Draft, type Item, isList } from "./draft.ts";

/** sandkeep's own, where nobody says otherwise. */
const TARGET = "/workspace";
const TMPFS = ["/tmp", "/var/tmp", "/run"] as const;

/**
 * Two mounts of one sandbox at one place: no engine does that, and which one was meant is not for us to guess.
 * The later one is refused; a bind loses against a memory-backed folder and the workspace.
 */
export function refuseDoubleMounts(draft: Draft): void {
  for (const table of [["sandbox"], ...[...draft.agents].map((name) => ["agents", name, "sandbox"])]) {
    const target =
      textAt(draft, table, ["workspace", "target"]) ?? textAt(draft, ["sandbox"], ["workspace", "target"]);
    const taken = new Set([folder(target ?? TARGET)]);
    const tmpfs = itemsAt(draft, table, "tmpfs") ?? itemsAt(draft, ["sandbox"], "tmpfs");
    if (tmpfs === undefined) for (const path of TMPFS) taken.add(path);
    for (const item of tmpfs ?? []) {
      const path = folder(item.value.split(":")[0] ?? "");
      if (taken.has(path)) item.refused ??= `another mount has the target ${path}`;
      taken.add(path);
    }
    // Binds of one target are no conflict: the last one wins, there and here.
    for (const item of [
      ...(itemsAt(draft, ["sandbox"], "binds") ?? []),
      ...(itemsAt(draft, table, "binds") ?? []),
    ]) {
      const path = folder(item.value.split(":")[1] ?? "");
      if (taken.has(path)) item.refused ??= `another mount has the target ${path}`;
    }
  }
}

/** A root that was to be allowed only for binds that are refused need not be allowed. */
export function narrowRoots(draft: Draft): void {
  const lists = (name: string): readonly Item[] =>
    [...draft.lines.values()].flatMap(({ path, value }) =>
      path.at(-1) === name && isList(value) ? value : [],
    );
  const used = new Set<string>();
  for (const { value, refused } of lists("binds"))
    if (refused === undefined) used.add(value.split(":")[0] ?? "");
  for (const root of lists("allowed_roots"))
    if (!used.has(root.value)) root.refused ??= "no bind that is left needs it";
}

function folder(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 ? normal.replace(/\/$/, "") : normal;
}

function textAt(draft: Draft, table: KeyPath, path: readonly string[]): string | undefined {
  const value = draft.lines.get(formatKeyPath([...table, ...path]))?.value;
  return typeof value === "string" ? value : undefined;
}

function itemsAt(draft: Draft, table: KeyPath, name: string): readonly Item[] | undefined {
  const value = draft.lines.get(formatKeyPath([...table, "docker", name]))?.value;
  return value !== undefined && isList(value) ? value : undefined;
}
