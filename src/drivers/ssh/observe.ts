/**
 * What is: everything of the fleet on the host, in one round trip however much there is. It changes nothing.
 * Damaged or hostile contents become `broken` or foreign; what may not be read makes the whole host unobserved.
 */
import * as z from "zod";
import { SandkeepError } from "../../errors.ts";
import type { Json } from "../../model/json.ts";
import { isAddress, SLOT_SUFFIX } from "../../model/names.ts";
import type { DormancyMark, ForeignObject, Observation, ObservedRuntime } from "../../model/observed.ts";
import { foreignBecause } from "../../model/ownership.ts";
import { encodeFileName } from "../../util/file-name.ts";
import { getPath } from "../../util/json-path.ts";
import type { HealthReport, ObserveScope } from "../driver.ts";
import { reservedNames } from "../driver.ts";
import type { SshContext } from "./context.ts";
import { wholeLines } from "./errors.ts";
import { sshFields } from "./fields.ts";
import { LIMIT_PATHS, readLimits } from "./limits.ts";
import type { Manifest } from "./manifest.ts";
import { parse, readLabels, readManifest } from "./manifest.ts";
import { OBSERVE } from "./scripts.ts";

/** One object folder as the script told it. */
interface Seen {
  readonly id: string;
  readonly home: boolean;
  readonly workspace: "link" | "own" | "gone";
  readonly names: string[];
  manifest?: string;
  labels?: string;
  /** What the files of its slice say, where there is one. */
  limits?: string;
}

interface Listing {
  readonly objects: ReadonlyMap<string, Seen>;
  /** Name → object id; undefined for what is no name of ours. */
  readonly names: ReadonlyMap<string, string | undefined>;
  /** Ids in whose place something else lies than a folder. */
  readonly odd: ReadonlySet<string>;
  readonly marks: readonly string[];
}

const OBJECT_ID = /^[0-9a-f]{16}$/;

async function list(context: SshContext, fleet: string, objectId: string): Promise<Listing> {
  const args = [fleet === "*" ? fleet : encodeFileName(fleet), objectId];
  const doing = `read the sandboxes on ${context.host.name}`;
  const lines = wholeLines(await context.connection.script({ script: OBSERVE, args, reads: true }), doing);
  return readListing(lines);
}

/** Lines are words of our own script, then data. Unknown ones are passed over. */
function readListing(lines: readonly string[]): Listing {
  const objects = new Map<string, Seen>();
  const names = new Map<string, string | undefined>();
  const odd = new Set<string>();
  const marks: string[] = [];
  for (const line of lines) {
    const [kind = "", first = "", second = "", third = ""] = line.split(" ", 4);
    if (kind === "O" && OBJECT_ID.test(first) && !objects.has(first)) {
      const workspace = third === "link" || third === "own" ? third : "gone";
      objects.set(first, { id: first, home: second === "home", workspace, names: [] });
    } else if (kind === "X") odd.add(first);
    else if (kind === "N") names.set(first, names.get(first));
    else if (kind === "I" && OBJECT_ID.test(second) && names.has(first)) {
      names.set(first, second);
      objects.get(second)?.names.push(first);
    } else if (kind === "S") {
      const object = objects.get(first);
      if (object !== undefined) object.limits = line.slice(`S ${first} `.length);
    } else if (kind === "K") marks.push(line.slice(2));
    else if (kind === "M") {
      const text = line.slice(`M ${first} ${second} `.length);
      const object = objects.get(first);
      if (object !== undefined && second === "manifest.json") object.manifest = text;
      if (object !== undefined && second === "labels.json") object.labels = text;
    }
  }
  return { objects, names, odd, marks };
}

export async function observeFleet(context: SshContext, scope: ObserveScope): Promise<Observation> {
  const at = { backend: "ssh", host: context.host.name };
  try {
    const listing = await list(context, scope.fleet, "");
    const runtimes: ObservedRuntime[] = [];
    const foreign: ForeignObject[] = [];
    const ours = [...listing.names].filter(([, id]) => id !== undefined);
    const wanted = reservedNames(
      scope,
      ours.map(([name]) => ({ name })),
    );
    for (const [name, id] of listing.names) {
      const object = id === undefined ? undefined : listing.objects.get(id);
      if (object === undefined) {
        const why = "the name is held by something that sandkeep did not make";
        const odd = id === undefined || listing.odd.has(id);
        if (odd && wanted.has(name)) foreign.push({ name, object_id: name, why });
        continue;
      }
      if (bestName(object.names) !== name) continue;
      const found = judge(object, name, scope);
      if (found === undefined) continue;
      if ("why" in found) foreign.push(found);
      else runtimes.push(found);
    }
    const dormant = listing.marks.flatMap((text) => markOf(text, scope));
    return { status: "complete", ...at, runtimes: byName(runtimes), foreign: byName(foreign), dormant };
  } catch (thrown) {
    if (!(thrown instanceof SandkeepError)) throw thrown;
    const { kind, message, hint } = thrown;
    return { status: "unobserved", ...at, kind, message, hint };
  }
}

function byName<T extends { readonly name: string }>(all: readonly T[]): T[] {
  return all.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** A rename that was cut short leaves two names: nothing looks further along than it was proved to be. */
function bestName(names: readonly string[]): string | undefined {
  return names.toSorted((a, b) => rank(a) - rank(b))[0];
}

function rank(name: string): number {
  if (name.endsWith(SLOT_SUFFIX.old)) return 2;
  return name.endsWith(SLOT_SUFFIX.new) ? 1 : 0;
}

function judge(object: Seen, name: string, scope: ObserveScope): ObservedRuntime | ForeignObject | undefined {
  const runtime = runtimeOf(object, name);
  if (runtime === undefined) {
    const why = "its manifest cannot be read, and so not whose it is";
    return { name, object_id: object.id, why };
  }
  const why = foreignBecause(scope, runtime.labels);
  if (why !== undefined) return { name, object_id: object.id, why };
  const asked = scope.addresses === undefined || scope.addresses.includes(runtime.labels.address);
  return asked ? runtime : undefined;
}

function runtimeOf(object: Seen, name: string): ObservedRuntime | undefined {
  const manifest = readManifest(object.manifest, object.id);
  const labels = manifest?.labels ?? readLabels(object.labels, object.id);
  if (labels === undefined) return undefined;
  const created = manifest?.created_at ?? labels.created_at;
  return {
    object_id: object.id,
    name,
    labels,
    state: manifest === undefined ? "broken" : "running",
    health: "none",
    created_at: created,
    ...(manifest === undefined ? {} : { started_at: created }),
    fields: manifest === undefined ? {} : fieldsSeen(manifest, object),
    execs: 0,
  };
}

/** Null says "looked, and it is not there". */
function fieldsSeen(manifest: Manifest, object: Seen): Record<string, Json> {
  const fields: Record<string, Json> = {};
  for (const { path } of sshFields) fields[path] = manifest.fields[path] ?? null;
  const expected = fields["workspace.provider"] === "own" ? "own" : "link";
  if (object.workspace !== expected) fields["workspace.provider"] = null;
  if (object.limits === undefined) return fields;
  const seen = readLimits(object.limits, manifest.fields["ssh.memory"]);
  for (const path of LIMIT_PATHS) {
    // An edit by hand counts from the next command on, whatever the slice still has.
    const applied = getPath(manifest.labels.spec.values, path) ?? null;
    if (fields[path] === applied) fields[path] = seen[path] ?? null;
  }
  return fields;
}

const markSchema = z.object({
  address: z.string().refine(isAddress),
  since: z.number(),
  reason: z.string(),
  fleet: z.string(),
  fleet_id: z.string().optional(),
});

function markOf(text: string, scope: ObserveScope): readonly DormancyMark[] {
  const { data } = markSchema.safeParse(parse(text));
  if (data === undefined || !isAddress(data.address)) return [];
  const { address, since, reason, fleet, fleet_id } = data;
  if (foreignBecause(scope, { fleet, fleet_id }) !== undefined) return [];
  return scope.addresses?.includes(address) === false ? [] : [{ address, since, reason }];
}

export async function inspectRuntime(
  context: SshContext,
  objectId: string,
): Promise<ObservedRuntime | undefined> {
  if (!OBJECT_ID.test(objectId)) return undefined;
  const { objects } = await list(context, "*", objectId);
  const object = objects.get(objectId);
  const name = object === undefined ? undefined : bestName(object.names);
  return object === undefined || name === undefined ? undefined : runtimeOf(object, name);
}

export async function checkHealth(context: SshContext, objectId: string): Promise<HealthReport> {
  const runtime = await inspectRuntime(context, objectId);
  if (runtime === undefined) return { state: "missing", health: "none", running_ms: 0, main: "nothing" };
  if (runtime.state !== "running") {
    const detail = "the manifest is missing or damaged";
    return { state: "exited", health: "none", running_ms: 0, main: "nothing", detail };
  }
  const running_ms = Math.max(0, context.deps.now() - runtime.created_at);
  return { state: "running", health: "none", running_ms, main: "nothing" };
}
