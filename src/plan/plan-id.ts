import { createHash } from "node:crypto";
import type { Change, Plan, Reason } from "../model/plan.ts";
import { canonicalJson } from "../util/canonical.ts";
import { effectOf } from "./node-effect.ts";

/** Ages and idle times differ at every look; that they were passed is the decision. */
const MEASURED: ReadonlySet<string> = new Set(["age", "idle"]);

/**
 * `sha256:<hex>` over decisions, specs, images, preconditions and graph, but not over times, ages, impact, wording that
 * holds them, or the tool's version. Changes are hashed one by one: a fleet of thousands never becomes one long text.
 */
export function planId(plan: Plan): string {
  const hash = createHash("sha256");
  const { format_version, mode, complete, source } = plan;
  const line = (text: string): void => void hash.update(text).update("\n");
  line(canonicalJson({ format_version, mode, complete, fleet: source.fleet, fleet_id: source.fleet_id }));
  line(canonicalJson({ files: source.files, images: plan.images, specs: plan.specs }));
  for (const change of plan.changes) line(changeText(change));
  for (const each of plan.networks ?? [])
    line(canonicalJson([each.network, each.name, each.object_id, each.action, each.spec ?? null]));
  for (const each of plan.caches ?? [])
    line(canonicalJson(["cache", each.backend, each.host, each.action, each.max_age_ms, each.max_bytes]));
  for (const each of plan.orphans)
    line(JSON.stringify([each.address, each.backend, each.host, each.object_id]));
  for (const each of plan.foreign) line(JSON.stringify([each.backend, each.host, each.name, each.object_id]));
  for (const each of plan.blocked) line(JSON.stringify([each.address, each.rule, each.deferred]));
  for (const each of plan.held) line(JSON.stringify(["held", each.address]));
  for (const each of plan.dormant) line(JSON.stringify(["dormant", each.address]));
  for (const node of plan.graph) line(effectOf(node));
  return `sha256:${hash.digest("hex")}`;
}

function changeText(change: Change): string {
  const { address, backend, host, name, actions, spec_key, precondition } = change;
  const reasons = change.reasons.map((reason) => reasonText(reason));
  const { object_id, spec_hash, observed_digest } = precondition;
  const before = [object_id, spec_hash, observed_digest];
  return JSON.stringify([
    address,
    backend,
    host,
    name,
    actions,
    change.hashes.after,
    spec_key,
    before,
    reasons,
  ]);
}

function reasonText(reason: Reason): string {
  const { path, before, after } = reason;
  return MEASURED.has(path) ? path : canonicalJson({ path, class: reason.class, before, after });
}
