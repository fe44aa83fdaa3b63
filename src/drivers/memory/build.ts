/** The memory backend as one that makes no runtimes: a command works on a copy of its workspace, and what it changed comes back. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { SandkeepError } from "../../errors.ts";
import type { CacheBounds } from "../../model/cache.ts";
import { getPath } from "../../util/json-path.ts";
import type { BuildRequest, Driver, ExecHandle, ExecRequest } from "../driver.ts";
import type { ReturnedPath } from "../../util/returned-changes.ts";
import { refuseRuntimes } from "../ephemeral.ts";
import { memoryError } from "./errors.ts";
import type { Place } from "./exec.ts";
import { startCommand } from "./exec.ts";
import { FileTree } from "./file-tree.ts";
import { memoryReader } from "./observe.ts";
import { strings, textAt } from "./spec.ts";
import type { Connection, MemoryWorld } from "./world.ts";

export function memoryBuilder(connection: Connection): Driver {
  const { world } = connection;
  return {
    ...memoryReader(connection),
    ...refuseRuntimes("memory"),
    exec: async (request) => connection.call("exec", request.objectId, () => build(world, request)),
    prune: async (bounds) => connection.call("prune", "", () => prune(world, bounds)),
  };
}

function prune(world: MemoryWorld, { max_size = Infinity }: CacheBounds): void {
  if (world.cache === undefined) return;
  const { bytes } = world.cache.use;
  world.cache.use = { bytes: Math.min(bytes, max_size), oldest_use: world.now() };
}

function build(world: MemoryWorld, request: ExecRequest): ExecHandle {
  if (request.build === undefined) throw memoryError("terminal", "a build needs a spec");
  if (request.tty !== undefined) {
    throw new SandkeepError("a build has no terminal", { code: "MEMORY_NO_TERMINAL" });
  }
  const { spec } = request.build;
  const path = textAt(spec, "workspace.source");
  const access = textAt(spec, "workspace.access");
  const source = path === undefined || access === "none" ? new FileTree() : world.source(path);
  const before = new Map(source.entries);
  const copy = new FileTree();
  for (const [name, entry] of before) copy.set(name, entry);
  const target = textAt(spec, "workspace.target") ?? "/workspace";
  const place: Place = {
    env: strings(getPath(spec.values, "env")),
    cwd: target,
    commands: world.commands,
    files: (each) => ({
      tree: copy,
      path: each.startsWith(`${target}/`) ? each.slice(target.length + 1) : each,
    }),
  };
  const { handle } = startCommand(request, place, () => undefined);
  let signalled = false;
  return {
    ...handle,
    async signal(name) {
      signalled = true;
      await handle.signal(name);
    },
    result: handle.result.then(async (result) => {
      if (signalled) await request.build?.over?.();
      if (!signalled && access !== "none")
        await bringBack(request.build, before, access === "rw" ? copy.entries : before);
      return signalled && access === "rw" ? { ...result, changesLost: true } : result;
    }),
  };
}

async function bringBack(
  request: BuildRequest | undefined,
  before: FileTree["entries"],
  after: FileTree["entries"],
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "sandkeep-memory-"));
  try {
    const changed: ReturnedPath[] = [];
    for (const [path, entry] of [...after].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      if (before.get(path) === entry) continue;
      await mkdir(dirname(join(folder, path)), { recursive: true });
      if (entry.type === "file") await writeFile(join(folder, path), entry.content);
      else if (entry.type === "link") await symlink(entry.target, join(folder, path));
      else await mkdir(join(folder, path), { recursive: true });
      const type = entry.type === "file" || entry.type === "link" ? entry.type : "folder";
      changed.push({ path, type, mode: entry.type === "link" ? 0o777 : entry.mode });
    }
    const deleted = [...before.keys()]
      .filter((path) => !after.has(path))
      .toSorted((a, b) => (a > b ? -1 : 1));
    await request?.bringBack({ folder, changed, deleted, skipped: [] });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
