import { posix } from "node:path";
import type { FileTree } from "./file-tree.ts";
import type { Machine, MemoryObject } from "./machine.ts";
import { textAt } from "./spec.ts";
import type { MemoryWorld } from "./world.ts";

/** Which tree holds a path of the runtime: its workspace, wherever that lives, or its own files. */
export function locate(
  world: MemoryWorld,
  machine: Machine,
  object: MemoryObject,
  path: string,
): { readonly tree: FileTree; readonly path: string } {
  const below = posix.relative(targetOf(object), path);
  if (below.startsWith("..") || object.spec === undefined) return { tree: object.files, path };
  const provider = textAt(object.spec, "workspace.provider");
  const source = textAt(object.spec, "workspace.source");
  if ((provider === "bind" || provider === "link") && source !== undefined) {
    const staged = textAt(object.spec, "writes") === "staged";
    return { tree: staged ? stageOf(world, object, source) : world.source(source), path: below };
  }
  const volume = provider === "volume" ? machine.volumes.get(volumeKey(object)) : undefined;
  return volume === undefined ? { tree: object.files, path } : { tree: volume.files, path: below };
}

/** A copy of the source from the first use on, the same for every runtime of the address. */
function stageOf(world: MemoryWorld, object: MemoryObject, source: string): FileTree {
  const key = `stage of ${volumeKey(object)}`;
  const tree = world.source(key);
  if (tree.entries.size === 0)
    for (const [path, entry] of world.source(source).entries) tree.entries.set(path, entry);
  return tree;
}

export function targetOf(object: MemoryObject): string {
  return (object.spec && textAt(object.spec, "workspace.target")) ?? "/workspace";
}

/** One workspace an address, so that a recreated runtime finds what its predecessor left. */
export function volumeKey(object: MemoryObject): string {
  return `${object.decoded?.fleet} ${object.decoded?.fleet_id} ${object.decoded?.address}`;
}

/** The canonical workspace of a runtime that has one. */
export function volumeOf(machine: Machine, object: MemoryObject): FileTree | undefined {
  return usesVolume(object) ? machine.volumes.get(volumeKey(object))?.files : undefined;
}

export function usesVolume({ spec }: MemoryObject): boolean {
  return spec !== undefined && textAt(spec, "workspace.provider") === "volume";
}
