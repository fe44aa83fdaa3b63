/**
 * What is: labels from the manifests, field values read back from the disk. It changes nothing.
 * Damaged or hostile contents become `broken` or foreign; what may not be read makes the whole fleet unobserved.
 */
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import type { Json } from "../../model/json.ts";
import { isAddress } from "../../model/names.ts";
import { foreignBecause } from "../../model/ownership.ts";
import type { DormancyMark, ForeignObject, Observation, ObservedRuntime } from "../../model/observed.ts";
import type { HealthReport, ObserveScope } from "../driver.ts";
import { THIS_HOST, reservedNames } from "../driver.ts";
import type { LocalContext } from "./context.ts";
import { locate } from "./context.ts";
import { unlessMissing } from "../../util/errno.ts";
import { isStageTree } from "../../util/stage-place.ts";
import { toLocalError } from "./errors.ts";
import { localFields } from "./fields.ts";
import type { FleetLayout } from "./layout.ts";
import { fleetLayout, isRuntimeName } from "./layout.ts";
import type { Manifest } from "./manifest.ts";
import { readJson, readLabels, readManifest } from "./manifest.ts";
import type { NameEntry } from "./names.ts";
import { bestName, isBlank, listNames, namesOf, objectExists } from "./names.ts";

/** Runtimes read at once; more only queue in the thread pool. */
const BATCH = 16;

export async function observeFleet(context: LocalContext, scope: ObserveScope): Promise<Observation> {
  const at = { backend: "local", host: THIS_HOST };
  try {
    const layout = fleetLayout(context.deps.stateDir, scope.fleet);
    const names = await listNames(layout);
    const wanted = reservedNames(
      scope,
      names.filter(({ objectId }) => objectId !== undefined),
    );
    const look = (entry: NameEntry): Promise<Found> => lookAt(context, layout, entry, names, scope, wanted);
    const found: Found[] = [];
    for (let from = 0; from < names.length; from += BATCH) {
      const batch = names.slice(from, from + BATCH);
      found.push(...(await Promise.all(batch.map(look))));
    }
    return {
      status: "complete",
      ...at,
      runtimes: found.flatMap((each) => (each.kind === "runtime" ? [each.runtime] : [])),
      foreign: found.flatMap((each) => (each.kind === "foreign" ? [each.foreign] : [])),
      dormant: await readMarks(layout, scope),
    };
  } catch (thrown) {
    const { kind, message, hint } = toLocalError(thrown, `read the local runtimes of fleet ${scope.fleet}`);
    return { status: "unobserved", ...at, kind, message, hint };
  }
}

type Found =
  | { readonly kind: "runtime"; readonly runtime: ObservedRuntime }
  | { readonly kind: "foreign"; readonly foreign: ForeignObject }
  | { readonly kind: "nothing" };

const NOTHING: Found = { kind: "nothing" };

function foreign(name: string, objectId: string, why: string): Found {
  return { kind: "foreign", foreign: { name, object_id: objectId, why } };
}

async function lookAt(
  context: LocalContext,
  layout: FleetLayout,
  { name, objectId }: NameEntry,
  names: readonly NameEntry[],
  scope: ObserveScope,
  wanted: ReadonlySet<string>,
): Promise<Found> {
  if (objectId === undefined || !isRuntimeName(name)) {
    return wanted.has(name)
      ? foreign(name, name, "the name is held by something that sandkeep did not make")
      : NOTHING;
  }
  // A cut-short rename leaves two names; an unfinished or half-removed object is none yet, or no more.
  const own = names.filter((entry) => entry.objectId === objectId).map((entry) => entry.name);
  if (bestName(own) !== name || !(await objectExists(layout, objectId))) return NOTHING;
  const runtime = await readRuntime(layout, objectId, name);
  if (runtime === undefined) {
    return (await isBlank(layout.object(objectId)))
      ? NOTHING
      : foreign(name, objectId, "its manifest cannot be read, and so not whose it is");
  }
  context.seen.set(objectId, layout.dir);
  const why = foreignBecause(scope, runtime.labels);
  if (why !== undefined) return foreign(name, objectId, why);
  if (scope.addresses !== undefined && !scope.addresses.includes(runtime.labels.address)) return NOTHING;
  return { kind: "runtime", runtime };
}

async function readRuntime(
  layout: FleetLayout,
  objectId: string,
  name: string,
): Promise<ObservedRuntime | undefined> {
  const dir = layout.object(objectId);
  const manifest = await readManifest(dir, objectId);
  const labels = manifest?.labels ?? (await readLabels(dir, objectId));
  if (labels === undefined) return undefined;
  const createdAt = manifest?.created_at ?? labels.created_at;
  return {
    object_id: objectId,
    name,
    labels,
    state: manifest === undefined ? "broken" : "running",
    health: "none",
    created_at: createdAt,
    ...(manifest === undefined ? {} : { started_at: createdAt }),
    fields: manifest === undefined ? {} : await readFields(dir, manifest),
    execs: 0,
  };
}

/** Values by field path. Null says "looked, and it is not there". */
async function readFields(dir: string, manifest: Manifest): Promise<Record<string, Json>> {
  const fields: Record<string, Json> = {};
  for (const row of localFields) fields[row.path] = manifest.fields[row.path] ?? null;
  if ((await unlessMissing(lstat(join(dir, "home"))))?.isDirectory() !== true) fields["local.home"] = null;

  const workspace = join(dir, "workspace");
  const stat = await unlessMissing(lstat(workspace));
  const provider = fields["workspace.provider"] ?? null;
  if (stat?.isSymbolicLink()) {
    const target = (await unlessMissing(readlink(workspace))) ?? null;
    const staged = target !== null && isStageTree(target, manifest.labels);
    fields["writes"] = staged ? "staged" : null;
    // What the stage was made from is told by the manifest alone.
    if (!staged) fields["workspace.source"] = target;
    if (provider === "own") fields["workspace.provider"] = "link";
  } else if (provider !== "own") {
    fields["workspace.source"] = stat === undefined ? null : workspace;
  } else if (stat?.isDirectory() !== true) fields["workspace.provider"] = null;
  return fields;
}

async function readMarks(layout: FleetLayout, scope: ObserveScope): Promise<readonly DormancyMark[]> {
  const files = (await unlessMissing(readdir(layout.dormant))) ?? [];
  const marks: DormancyMark[] = [];
  for (const file of files.filter((each) => each.endsWith(".json")).toSorted()) {
    const mark = await readJson(join(layout.dormant, file));
    const { address, since, reason, fleet, fleet_id: fleetId } = mark ?? {};
    if (
      typeof address !== "string" ||
      !isAddress(address) ||
      typeof since !== "number" ||
      typeof reason !== "string"
    )
      continue;
    const why = foreignBecause(scope, {
      ...(typeof fleet === "string" ? { fleet } : {}),
      ...(typeof fleetId === "string" ? { fleet_id: fleetId } : {}),
    });
    const asked = scope.addresses === undefined || scope.addresses.includes(address);
    if (why === undefined && asked) marks.push({ address, since, reason });
  }
  return marks;
}

export async function inspectRuntime(
  context: LocalContext,
  objectId: string,
): Promise<ObservedRuntime | undefined> {
  const found = await locate(context, objectId);
  if (found === undefined) return undefined;
  const name = bestName(await namesOf(found.layout, objectId));
  return name === undefined ? undefined : readRuntime(found.layout, objectId, name);
}

export async function checkHealth(context: LocalContext, objectId: string): Promise<HealthReport> {
  const runtime = await inspectRuntime(context, objectId);
  if (runtime === undefined) return { state: "missing", health: "none", running_ms: 0, main: "nothing" };
  if (runtime.state !== "running") {
    return {
      state: "exited",
      health: "none",
      running_ms: 0,
      main: "nothing",
      detail: "the manifest is missing or damaged",
    };
  }
  const runningMs = Math.max(0, context.deps.now() - runtime.created_at);
  return { state: "running", health: "none", running_ms: runningMs, main: "nothing" };
}
