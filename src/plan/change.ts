import type { DesiredRuntime } from "../desire/desire.ts";
import type { Decision } from "../diff/diff.ts";
import type { Impact } from "../model/impact.ts";
import type { Action, Change, Reason } from "../model/plan.ts";
import type { RolloutPlace } from "../model/rollout.ts";
import type { ObservedRuntime, RuntimeChanges } from "../model/observed.ts";
import { MOST_CHANGED_PATHS } from "../model/observed.ts";
import type { SalvageSettings } from "../model/salvage.ts";
import type { Spec } from "../model/spec.ts";
import { canonicalJson, sha256 } from "../util/canonical.ts";
import { getPath } from "../util/json-path.ts";
import type { Losses } from "./doomed.ts";
import { doomedBy } from "./doomed.ts";
import { deletesAsleep } from "./salvage.ts";

/** sha256 over the field-table values and the run state: what a saved plan must find again. */
export function observedDigest(runtime: ObservedRuntime): string {
  const { fields, state, health } = runtime;
  // A health check still starting is the same runtime as one that passed.
  const sick = health === "unhealthy";
  return `sha256:${sha256(canonicalJson({ fields, state, sick }))}`;
}

export interface ChangeInput {
  readonly decision: Decision;
  readonly actions: readonly Action[];
  readonly spec_key: string | null;
  readonly secrets: Readonly<Record<string, string>>;
  /** True when the runtime is a process, which a removal stops. */
  readonly process: boolean;
  /** When it is begun; null for what is no replacement. */
  readonly rollout: RolloutPlace | null;
  readonly losses: Losses;
  /** How what the change destroys is kept. */
  readonly salvage: SalvageSettings | undefined;
}

/** A decision worded for the plan. Digests are taken only where something will be done. */
export function buildChange(input: ChangeInput): Change {
  const { situation, verdict } = input.decision;
  const { desired, current } = situation;
  const acts = input.actions.some((action) => action !== "no-op");
  const reasons = verdict.action === "none" ? [] : verdict.reasons.map((each) => reasonOf(each));
  return {
    address: situation.address,
    kind: desired?.kind ?? current?.labels.kind ?? "sandbox",
    backend: situation.backend,
    host: situation.host,
    name: situation.name,
    agent: desired?.agent ?? current?.labels.agent ?? null,
    session: desired?.session ?? current?.labels.session ?? null,
    object_id: current?.object_id ?? null,
    actions: [...input.actions],
    origin:
      verdict.action === "create" ||
      verdict.action === "recreate" ||
      verdict.action === "update" ||
      verdict.action === "start"
        ? verdict.origin
        : null,
    why: whyOf(input.decision),
    reasons,
    replace_paths: reasons.filter((each) => each.class === "recreate").map((each) => each.path),
    spec_key: input.spec_key,
    hashes: { before: current?.labels.spec_hash ?? null, after: desired?.spec_hash ?? null },
    precondition: {
      object_id: current?.object_id ?? null,
      spec_hash: current?.labels.spec_hash ?? null,
      observed_digest: acts && current !== undefined ? observedDigest(current) : null,
    },
    impact: impactOf(input),
    protection: { protected: situation.protected, rule: situation.protected ? "protect" : null },
    salvage: input.spec_key === null ? null : ownSalvage(desired),
    secrets: { ...input.secrets },
    rollout: input.rollout,
    ...(input.spec_key === null || desired?.passing === undefined ? {} : { passing: desired.passing }),
  };
}

function ownSalvage(desired: DesiredRuntime | undefined): Change["salvage"] {
  if (desired === undefined || desired.settings.salvage.when === "off") return null;
  const { include, exclude, ...rest } = desired.settings.salvage;
  return { ...rest, include: [...include], exclude: [...exclude] };
}

function whyOf({ situation, verdict }: Decision): string {
  if (verdict.action !== "none" || situation.repairs.length === 0) return verdict.why;
  return situation.repairs.map((repair) => repair.why).join("; ");
}

function reasonOf(difference: Reason): Reason {
  const { path, before, after, source, key, why } = difference;
  return { path, class: difference.class, before, after, source, key, why };
}

function impactOf(input: ChangeInput): Impact {
  const { decision, actions, process } = input;
  const { situation, verdict } = decision;
  const { usage, current } = situation;
  const replaced = actions.includes("recreate") || actions.includes("remove");
  const provider = current === undefined ? undefined : workspaceProvider(current.labels.spec);
  const deletes = verdict.action === "remove" && verdict.workspace === "delete";
  const lost = provider === "own" || (provider === "volume" && deletes) || deletesAsleep(input.decision);
  const anew =
    (verdict.action === "recreate" || verdict.action === "create") && verdict.workspace === "delete";
  return {
    downtime: process && replaced && current?.state === "running",
    busy: usage?.busy ?? 0,
    idle_s: usage?.idle_ms === undefined ? null : Math.round(usage.idle_ms / 1000),
    ...lossOf(input),
    workspace: anew ? "reseeded" : replaced && lost ? "lost" : "kept",
  };
}

function workspaceProvider({ values }: Spec): unknown {
  return getPath(values, "workspace.provider");
}

type Loss = Omit<Impact, "downtime" | "busy" | "idle_s" | "workspace">;

const NO_LOSS: Loss = {
  rw_bytes: null,
  rw_files: null,
  rw_deleted: null,
  rw_paths: [],
  rw_more: false,
  salvage: false,
};

/** All that a change destroys; one part that could not be measured leaves the whole unknown. */
function lossOf({ decision, actions, losses, salvage }: ChangeInput): Loss {
  const doomed = actions[0] === "no-op" ? [] : doomedBy(decision);
  const told = doomed.flatMap(({ object }) => losses.get(object.object_id) ?? []);
  const found = told.flatMap((each) => ("unknown" in each ? [] : [each]));
  const kept = doomed.length > 0 && salvage !== undefined;
  const unmeasured = told.find((each) => "unknown" in each);
  if (unmeasured !== undefined) return { ...NO_LOSS, salvage: kept, rw_unknown: unmeasured.unknown };
  if (doomed.length === 0 || found.length < doomed.length) return { ...NO_LOSS, salvage: kept };
  const sum = (of: (each: RuntimeChanges) => number): number =>
    found.reduce((all, each) => all + of(each), 0);
  return {
    rw_bytes: sum((each) => each.bytes),
    rw_files: sum((each) => each.files),
    rw_deleted: sum((each) => each.deleted),
    rw_paths: [...new Set(found.flatMap((each) => each.paths))].toSorted().slice(0, MOST_CHANGED_PATHS),
    rw_more: found.some((each) => each.more),
    salvage: kept,
    ...excessOf(found, salvage),
  };
}

/** Each runtime has a bundle of its own. */
function excessOf(
  found: readonly RuntimeChanges[],
  settings: SalvageSettings | undefined,
): Pick<Loss, "salvage_excess"> {
  if (settings === undefined || settings.max_bytes === "unlimited") return {};
  const { max_bytes, oversize } = settings;
  return found.some(({ bytes }) => bytes > max_bytes) ? { salvage_excess: { max_bytes, oversize } } : {};
}

/** What will be done, in order. Repairs of leftovers come first and alone where nothing else is due. */
export function actionsOf({ situation, verdict }: Decision): Action[] {
  const { repairs } = situation;
  const settled = verdict.action === "none" && !REPAIRABLE.has(verdict.rest);
  const stray = repairs.some((each) => each.kind === "rename" && each.stray);
  const mends: Action[] =
    repairs.length === 0 || settled ? [] : [stray && repairs.length === 1 ? "adopt" : "repair"];
  switch (verdict.action) {
    case "none":
      return mends.length === 0 ? ["no-op"] : mends;
    case "blocked":
      return ["no-op"];
    case "update": {
      const stopped = verdict.reasons.some((each) => each.field === "state");
      return [...mends, "update", ...(stopped ? (["start"] as const) : [])];
    }
    default:
      return [...mends, verdict.action];
  }
}

/** Resting for one of these reasons does not forbid cleaning up leftovers. */
const REPAIRABLE: ReadonlySet<string> = new Set(["up-to-date", "dormant", "on-use", "absent", "protected"]);

const keys = new WeakMap<Spec, string>();

/** Key of a spec in a plan: over all its fields, live ones included. Specs are shared, so each is keyed once. */
export function specKey(spec: Spec): string {
  const known = keys.get(spec);
  if (known !== undefined) return known;
  const key = sha256(canonicalJson({ kind: spec.kind, backend: spec.backend, values: spec.values })).slice(
    0,
    16,
  );
  keys.set(spec, key);
  return key;
}
