/** The mutating half, but for exec and files: each function is one idempotent effect on the state directory. */
import { lstat, mkdir, rename, stat, symlink, unlink } from "node:fs/promises";
import { join } from "node:path";
import { SandkeepError } from "../../errors.ts";
import type { DormancyMark } from "../../model/observed.ts";
import { syncDirectory } from "../../util/durable-file.ts";
import { unlessMissing } from "../../util/errno.ts";
import { ownIdentity } from "../../util/process-identity.ts";
import { stageTree } from "../../util/stage-place.ts";
import type { CreateRequest, Created, ObserveScope, UpdateRequest } from "../driver.ts";
import { requireBubblewrap } from "./bubblewrap.ts";
import type { LocalContext } from "./context.ts";
import { locate, mustLocate } from "./context.ts";
import { creatorText } from "./creator.ts";
import { nameTaken, notFound } from "./errors.ts";
import type { FleetLayout } from "./layout.ts";
import { fleetLayout } from "./layout.ts";
import { fieldsOf, readManifest, writeJson, writeManifest } from "./manifest.ts";
import { dropName, namesOf, stagingName, takeName } from "./names.ts";
import { readLocalSpec, valueAt } from "./spec.ts";
import { discard, sweep } from "./trash.ts";

const SWEEP_EVERY_MS = 600_000;
const lastSweep = new WeakMap<LocalContext, Map<string, number>>();

export async function createRuntime(context: LocalContext, request: CreateRequest): Promise<Created> {
  const { deps } = context;
  const layout = fleetLayout(deps.stateDir, request.labels.fleet);
  const spec = readLocalSpec((path) => valueAt(request.spec.values, path));
  if (spec.isolation === "bubblewrap") await requireBubblewrap(deps.env);
  const workspace = spec.staged ? stageTree(deps.stateDir, request.labels) : spec.workspace.source;
  await requireFolder(workspace);
  await mkdir(layout.objects, { recursive: true, mode: 0o700 });
  await sweepNowAndThen(context, layout);

  const objectId = deps.randomId();
  const staging = stagingName(objectId, creatorText(ownIdentity()));
  try {
    await fill(context, join(layout.objects, staging), objectId, request, workspace);
    if (!(await takeName(layout, request.name, objectId, deps.randomId))) throw nameTaken(request.name);
    // Until this rename the name leads nowhere: an observer sees no runtime, and a racer sees that we are alive.
    await rename(join(layout.objects, staging), layout.object(objectId));
    await syncDirectory(layout.objects);
    await syncDirectory(layout.dir);
  } catch (thrown) {
    await dropName(layout, request.name, objectId);
    await discard(layout, staging, deps.randomId);
    await discard(layout, objectId, deps.randomId);
    throw thrown;
  }
  context.seen.set(objectId, layout.dir);
  return { objectId, needsSeed: false };
}

async function fill(
  context: LocalContext,
  dir: string,
  objectId: string,
  request: CreateRequest,
  source: string | undefined,
): Promise<void> {
  await mkdir(dir, { mode: 0o700 });
  await mkdir(join(dir, "home"), { mode: 0o700 });
  await mkdir(join(dir, "tmp"), { mode: 0o700 });
  const workspace = join(dir, "workspace");
  if (source === undefined) await mkdir(workspace, { mode: 0o700 });
  else await symlink(source, workspace);
  await writeManifest(dir, {
    object_id: objectId,
    created_at: context.deps.now(),
    labels: request.labels,
    fields: fieldsOf(request.spec),
  });
}

async function requireFolder(source: string | undefined): Promise<void> {
  if (source === undefined || (await unlessMissing(stat(source)))?.isDirectory()) return;
  throw new SandkeepError(`the workspace source ${source} is not a folder`, {
    code: "LOCAL_WORKSPACE_MISSING",
    hint: "create it, or set `workspace.source` to a folder that exists",
  });
}

async function sweepNowAndThen(context: LocalContext, layout: FleetLayout): Promise<void> {
  const times = lastSweep.get(context) ?? new Map<string, number>();
  lastSweep.set(context, times);
  const now = context.deps.now();
  const last = times.get(layout.dir);
  if (last !== undefined && now - last < SWEEP_EVERY_MS) return;
  times.set(layout.dir, now);
  // Left-overs that cannot be cleared cost space, never correctness; they must not stop a creation.
  await sweep(layout, context.deps.randomId).catch(() => undefined);
}

export async function updateRuntime(context: LocalContext, request: UpdateRequest): Promise<void> {
  const { dir } = await mustLocate(context, request.objectId);
  const manifest = await readManifest(dir, request.objectId);
  if (manifest === undefined) throw broken(request.objectId);
  const wanted = fieldsOf(request.spec);
  if (wanted["local.isolation"] === "bubblewrap") await requireBubblewrap(context.deps.env);
  const fields = { ...manifest.fields };
  for (const path of request.paths) {
    const value = wanted[path];
    if (value === undefined) delete fields[path];
    else fields[path] = value;
  }
  for (const folder of ["home", "tmp"]) await mkdir(join(dir, folder), { recursive: true, mode: 0o700 });
  await writeManifest(dir, { ...manifest, labels: request.labels, fields });
}

export async function renameRuntime(context: LocalContext, objectId: string, to: string): Promise<void> {
  const { layout } = await mustLocate(context, objectId);
  const names = await namesOf(layout, objectId);
  if (names.length === 0) throw notFound(objectId);
  // Exclusive link first, old name dropped after: at every moment the object has a name and nothing is overwritten.
  if (!names.includes(to) && !(await takeName(layout, to, objectId, context.deps.randomId))) {
    throw nameTaken(to);
  }
  for (const name of names) {
    if (name !== to) await dropName(layout, name, objectId);
  }
  await syncDirectory(layout.dir);
}

export async function removeRuntime(context: LocalContext, objectId: string): Promise<void> {
  const found = await locate(context, objectId);
  if (found === undefined) return;
  for (const name of await namesOf(found.layout, objectId)) await dropName(found.layout, name, objectId);
  await discard(found.layout, objectId, context.deps.randomId);
  await syncDirectory(found.layout.dir);
  context.seen.delete(objectId);
  await sweepNowAndThen(context, found.layout);
}

export async function markDormant(
  context: LocalContext,
  scope: ObserveScope,
  address: string,
  mark: Omit<DormancyMark, "address"> | undefined,
): Promise<void> {
  const layout = fleetLayout(context.deps.stateDir, scope.fleet);
  if (mark === undefined) {
    await unlessMissing(unlink(layout.mark(address)));
    return;
  }
  await mkdir(layout.dormant, { recursive: true, mode: 0o700 });
  await writeJson(layout.mark(address), {
    format_version: 1,
    fleet: scope.fleet,
    ...(scope.fleet_id === undefined ? {} : { fleet_id: scope.fleet_id }),
    address,
    since: mark.since,
    reason: mark.reason,
  });
}

/** Start and stop: a directory has no process, so both only prove that it is there. */
export async function proveExists(context: LocalContext, objectId: string): Promise<void> {
  const { dir } = await mustLocate(context, objectId);
  await lstat(dir);
}

export function broken(objectId: string): SandkeepError {
  return new SandkeepError(`the manifest of the local runtime ${objectId} is missing or damaged`, {
    code: "LOCAL_BROKEN",
    blame: "backend",
    hint: "run `sandkeep recreate` for its address",
  });
}
