import type { Decision } from "../diff/diff.ts";
import { diff } from "../diff/diff.ts";
import type { PlanRequest } from "../model/intent.ts";
import type { Plan } from "../model/plan.ts";
import type { PausedRollout } from "../model/rollout.ts";
import { ROLLOUT } from "../resolve/defaults.ts";
import { engineKey } from "../observe/engines.ts";
import { decideCaches } from "./caches.ts";
import { blockOnHosts } from "./degraded-hosts.ts";
import { blockOnFullHosts } from "./full-hosts.ts";
import { blockOnLacks } from "./lacking.ts";
import { blockOnNetworks, decideNetworks } from "./networks.ts";
import { buildPlan } from "./plan.ts";
import { blockOnSalvage } from "./salvage.ts";
import type { Survey } from "./survey.ts";

const NO_GUARDS = { max_destroy: "off", allow_empty: true } as const;

/** What is to be done about each address, from what was surveyed. Pure. */
export function decideAll(
  seen: Survey,
  request: PlanRequest,
  skip: ReadonlySet<string> = new Set(),
  paused: readonly PausedRollout[] = [],
): Decision[] {
  const guards = seen.config?.fleet.guards ?? NO_GUARDS;
  const decisions = diff({
    desired: seen.desired,
    observations: seen.observations,
    modules: seen.modules,
    images: seen.images,
    fingerprints: seen.fingerprints.of,
    facts: seen.facts,
    now: seen.now,
    intent: request.intent,
    configless: seen.config === undefined,
    skip,
    paused,
    guards: request.max_destroy === undefined ? guards : { ...guards, max_destroy: request.max_destroy },
  });
  const willing = blockOnLacks(blockOnHosts(decisions, seen.facts.hosts), seen.lacking);
  const possible = blockOnFullHosts(willing, seen.observations, seen.config?.fleet.hosts ?? {});
  const kept = blockOnSalvage(possible, request, seen.config?.fleet.salvage);
  return blockOnNetworks(kept, decideNetworks(seen, kept, request.intent));
}

export function planFrom(
  seen: Survey,
  decisions: readonly Decision[],
  request: PlanRequest,
  toolVersion: string,
): Plan {
  return buildPlan({
    request,
    tool_version: toolVersion,
    now: seen.now,
    source: {
      fleet: seen.fleet,
      fleet_id: seen.config?.fleet.fleet_id ?? null,
      file: seen.config?.loaded.rootFile ?? null,
      files: [...(seen.config?.loaded.files ?? [])],
    },
    decisions,
    networks: decideNetworks(seen, decisions, request.intent),
    caches: decideCaches(seen, request),
    observations: seen.observations,
    declared: new Set(seen.engines.filter((each) => each.declared).map((each) => engineKey(each))),
    modules: seen.modules,
    images: seen.images,
    fingerprints: seen.fingerprints.of,
    losses: seen.losses,
    salvage: seen.config?.fleet.salvage,
    holds: seen.facts.holds,
    rollout: seen.config?.fleet.rollout ?? ROLLOUT,
    diagnostics: seen.diagnostics,
  });
}
