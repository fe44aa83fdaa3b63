import { SandkeepError } from "../errors.ts";
import type { RuntimeLabels } from "../model/labels.ts";
import { isAddress } from "../model/names.ts";
import type { Change, Plan } from "../model/plan.ts";
import type { ImageIdentity, Spec, SpecHash } from "../model/spec.ts";

/** A creation that takes longer than this is somebody else's to clean up. */
const CANDIDATE_MS = 20 * 60_000;

export function specOf(plan: Plan, key: string): Spec {
  const entry = plan.specs[key];
  if (entry === undefined) throw broken(`spec ${key} is not in it`);
  return { kind: entry.kind, backend: entry.backend, values: entry.values };
}

/** The hash is carried from the plan verbatim: computed once, in one place. */
export function createdLabels(input: {
  readonly plan: Plan;
  readonly change: Change;
  readonly spec: Spec;
  readonly image: ImageIdentity | undefined;
  readonly owner: string;
  readonly now: number;
}): RuntimeLabels {
  const { plan, change, spec, image, now } = input;
  if (!isAddress(change.address)) throw broken(`"${change.address}" is no address`);
  return {
    fleet: plan.source.fleet,
    ...(plan.source.fleet_id === null ? {} : { fleet_id: plan.source.fleet_id }),
    address: change.address,
    kind: change.kind,
    role: change.passing?.role ?? "primary",
    name: change.name,
    ...(change.agent === null ? {} : { agent: change.agent }),
    ...(change.session === null ? {} : { session: change.session }),
    spec_hash: hashOf(change),
    spec,
    ...(image === undefined ? {} : { image }),
    secrets: change.secrets,
    protect: change.protection.protected,
    ...(change.salvage === null ? {} : { salvage: change.salvage }),
    owner: input.owner,
    created_at: now,
    candidate_until: now + CANDIDATE_MS,
    ...(change.passing === undefined ? {} : { expires_at: change.passing.expires_at }),
    ...(change.passing?.keep === true ? { keep: true as const } : {}),
    plan_id: plan.plan_id,
  };
}

/** Where labels can change, they follow the spec, so that the next look knows what was last applied. */
export function updatedLabels(labels: RuntimeLabels, change: Change, spec: Spec): RuntimeLabels {
  const { salvage: _, ...rest } = labels;
  return {
    ...rest,
    spec,
    spec_hash: hashOf(change),
    protect: change.protection.protected,
    ...(change.salvage === null ? {} : { salvage: change.salvage }),
  };
}

function hashOf(change: Change): SpecHash {
  const hash = change.hashes.after;
  if (hash !== null && isSpecHash(hash)) return hash;
  throw broken(`${change.address} has no valid spec hash`);
}

function isSpecHash(text: string): text is SpecHash {
  return /^v\d+:sha256:[0-9a-f]{64}$/.test(text);
}

function broken(what: string): SandkeepError {
  return new SandkeepError(`the plan is damaged: ${what}`, {
    code: "PLAN_DAMAGED",
    hint: "make the plan again",
  });
}
