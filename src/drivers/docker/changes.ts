/**
 * In: a container. Out: what its removal would destroy, told or handed out: its writable layer, the volumes of its own,
 * and its canonical workspace volume where that goes too. It changes nothing.
 */
import { opendir } from "node:fs/promises";
import { posix } from "node:path";
import { decodeLabels } from "../../model/labels.ts";
import type { RuntimeChanges } from "../../model/observed.ts";
import { MOST_CHANGED_PATHS } from "../../model/observed.ts";
import type { SalvageSource, WorkspaceFate } from "../driver.ts";
import type { Engine } from "./client.ts";
import { dockerError, isGone } from "./errors.ts";
import { archive } from "./files.ts";
import type { Layer } from "./layer.ts";
import { isBelow, mountTargets, readLayer } from "./layer.ts";
import { workspaceVolume } from "./mounts.ts";
import { findContainer } from "./find-container.ts";
import type { MadeContainer } from "./wire-container.ts";
import { readLayerChanges, readLayerSize } from "./wire.ts";

/** Walking a large layer takes the engine its time. */
const MEASURE_TIMEOUT_MS = 120_000;
/** How much of a volume is read to tell what is in it: enough for a list, nothing for the engine. */
const GLANCE_BYTES = 4 * 1024 * 1024;

export async function changes(
  engine: Engine,
  objectId: string,
  workspace: WorkspaceFate,
  signal?: AbortSignal,
): Promise<RuntimeChanges | undefined> {
  // Of one that went since it was seen, this tells what its removal would have destroyed.
  const made = engine.known.made.get(objectId) ?? (await findContainer(engine, objectId));
  const found = made === undefined ? undefined : await look(engine, made, signal);
  if (found === undefined) return undefined;
  const { container, layer } = found;
  const volumes = doomedVolumes(container, workspace);
  const [size, ...glances] = await Promise.all([
    layer.files === 0 ? 0 : sizeOf(engine, objectId, signal),
    ...volumes.map(async (target) =>
      (await isSeenEmpty(engine, container, target))
        ? EMPTY
        : await engine.reads.add(() => glance(engine, container, target, signal)),
    ),
  ]);
  const inVolumes = glances.flatMap((each) => each.paths);
  return {
    bytes: glances.reduce((sum, each) => sum + each.bytes, size),
    files: glances.reduce((sum, each) => sum + each.files, layer.files),
    deleted: layer.deleted.length,
    paths: [...layer.paths, ...inVolumes].toSorted().slice(0, MOST_CHANGED_PATHS),
    more: glances.some((each) => each.more),
  };
}

export async function salvage(
  engine: Engine,
  objectId: string,
  workspace: WorkspaceFate,
): Promise<SalvageSource | undefined> {
  const now = await findContainer(engine, objectId);
  const found = now === undefined ? undefined : await look(engine, now);
  if (found === undefined) return undefined;
  const { container, layer } = found;
  const mounts = mountTargets(container);
  const volumes = doomedVolumes(container, workspace).map((path) => ({
    path,
    take: "below" as const,
    without: mounts.filter((mount) => isBelow(mount, path)),
  }));
  return {
    parts: [...layer.pieces, ...volumes],
    deleted: layer.deleted,
    open: (path) => archive(engine, objectId, path),
  };
}

async function look(
  engine: Engine,
  container: MadeContainer,
  signal?: AbortSignal,
): Promise<{ readonly container: MadeContainer; readonly layer: Layer } | undefined> {
  const { Id: objectId } = container;
  // What cannot be written, from inside or by the engine's own copying, need not be walked through.
  if (container.HostConfig.ReadonlyRootfs)
    return { container, layer: readLayer([], mountTargets(container)) };
  const call = {
    what: `list changes of container ${objectId.slice(0, 12)}`,
    method: "GET",
    path: `/containers/${encodeURIComponent(objectId)}/changes`,
    timeout: MEASURE_TIMEOUT_MS,
    ...until(signal),
  } as const;
  try {
    const listed = await engine.reads.add(() => engine.json(call, readLayerChanges));
    return { container, layer: readLayer(listed, mountTargets(container)) };
  } catch (thrown) {
    if (isGone(thrown)) return undefined;
    throw thrown;
  }
}

function until(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

async function sizeOf(engine: Engine, objectId: string, signal?: AbortSignal): Promise<number> {
  const call = {
    what: `measure container ${objectId.slice(0, 12)}`,
    method: "GET",
    path: `/containers/${encodeURIComponent(objectId)}/json`,
    query: { size: true },
    timeout: MEASURE_TIMEOUT_MS,
    ...until(signal),
  } as const;
  return (await engine.reads.add(() => engine.json(call, readLayerSize))).SizeRw;
}

/** Engines name a volume that nobody named with 64 hex digits, and remove it with its container. */
const ANONYMOUS = /^[0-9a-f]{64}$/;

/** Where the volumes are mounted that a removal deletes, sorted. */
function doomedVolumes(container: MadeContainer, workspace: WorkspaceFate): string[] {
  const labels = decodeLabels(container.Config.Labels);
  const canonical = workspace === "delete" && labels !== undefined ? workspaceVolume(labels) : undefined;
  return container.Mounts.filter(
    ({ Type, Name }) => Type === "volume" && (ANONYMOUS.test(Name) || Name === canonical),
  )
    .map((mount) => mount.Destination)
    .toSorted();
}

type Glance = Pick<RuntimeChanges, "bytes" | "files" | "paths" | "more">;
const EMPTY: Glance = { bytes: 0, files: 0, paths: [], more: false };

/**
 * An engine starts a process of its own for an archive, which an empty workspace is not worth. Only a volume with a random
 * name is surely the same on this machine as on an engine that may be elsewhere behind its socket; false where it cannot be seen.
 */
async function isSeenEmpty(engine: Engine, { Mounts }: MadeContainer, target: string): Promise<boolean> {
  const mount = Mounts.find(({ Destination }) => Destination === target);
  const { kind } = await engine.endpoint();
  if (mount === undefined || !ANONYMOUS.test(mount.Name) || kind !== "unix") return false;
  try {
    await using folder = await opened(mount.Source);
    return (await folder.read()) === null;
  } catch {
    return false;
  }
}

async function opened(path: string) {
  const folder = await opendir(path);
  return { read: () => folder.read(), [Symbol.asyncDispose]: () => folder.close() };
}

/** The first of what is in a volume. The engine tells no sizes, so the head of its archive is read. */
async function glance(
  engine: Engine,
  container: MadeContainer,
  target: string,
  signal?: AbortSignal,
): Promise<Glance> {
  const { Parser } = await import("tar");
  const mounts = mountTargets(container).filter((mount) => isBelow(mount, target));
  const top = new Set<string>();
  let [bytes, files, read] = [0, 0, 0];
  const parser = new Parser({
    onReadEntry: (entry) => {
      entry.resume();
      const [, ...names] = posix.normalize(entry.path).replace(/\/$/, "").split("/");
      const path = posix.join(target, ...names);
      if (names.length === 0 || mounts.some((mount) => path === mount || isBelow(path, mount))) return;
      if (entry.type !== "Directory") {
        files += 1;
        bytes += entry.size;
      }
      const [first = ""] = names;
      top.add(posix.join(target, first) + (names.length > 1 || entry.type === "Directory" ? "/" : ""));
    },
  });
  const stream = await archive(engine, container.Id, target, signal);
  let more = false;
  try {
    for await (const chunk of stream) {
      const block = Buffer.from(chunk);
      read += block.length;
      parser.write(block);
      more = read >= GLANCE_BYTES;
      if (more) break;
    }
  } catch (thrown) {
    throw dockerError(thrown, `look into ${target}`);
  } finally {
    stream.destroy();
  }
  return { bytes, files, paths: [...top], more };
}
