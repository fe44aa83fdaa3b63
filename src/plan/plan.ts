/**
 * In: decisions and everything they were made from. Out: the plan document, which is the only source of the text, the
 * JSON and the exit code. Pure and sorted; equal inputs give an equal `plan_id`.
 */
import type { DesiredRuntime, Modules } from "../desire/desire.ts";
import type { Decision } from "../diff/diff.ts";
import type { NetworkDecision } from "../diff/networks.ts";
import type { CacheChange } from "../model/cache.ts";
import { cacheCuts } from "../model/cache.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import type { Hold } from "../model/facts.ts";
import type { PlanRequest } from "../model/intent.ts";
import type { Observation } from "../model/observed.ts";
import type { Blocked, Change, GraphNode, Plan } from "../model/plan.ts";
import type { RolloutSettings } from "../model/rollout.ts";
import type { SalvageSettings } from "../model/salvage.ts";
import { PLAN_FORMAT } from "../model/plan-format.ts";
import { engineKey } from "../observe/engines.ts";
import type { ImageFact } from "../observe/images.ts";
import { imageDoubt, imageKey, planImage } from "../observe/images.ts";
import { nearestWord } from "../util/suggestion.ts";
import { getPath } from "../util/json-path.ts";
import { actionsOf, buildChange, specKey } from "./change.ts";
import type { GraphContext } from "./chain.ts";
import type { Losses } from "./doomed.ts";
import { blockedNetworks, countPending, networkNodeOf, networkSteps } from "./networks.ts";
import { fetchFor, fetchOf } from "./fetches.ts";
import { planExitCode } from "./exit-code.ts";
import { changeGraph } from "./graph.ts";
import { planId } from "./plan-id.ts";
import { linkRollout, placeRollouts } from "./rollout.ts";
import { salvageOf } from "./salvage.ts";
import { collectsStage } from "./stage-kept.ts";

export interface PlanInput {
  readonly request: PlanRequest;
  readonly tool_version: string;
  readonly now: number;
  readonly source: Plan["source"];
  readonly decisions: readonly Decision[];
  readonly networks?: readonly NetworkDecision[];
  readonly caches?: readonly CacheChange[];
  readonly observations: readonly Observation[];
  /** Engines that the config uses; others are only remembered, and their absence is a warning. */
  readonly declared: ReadonlySet<string>;
  readonly modules: Modules;
  readonly images: ReadonlyMap<string, ImageFact>;
  readonly fingerprints: (desired: DesiredRuntime) => Readonly<Record<string, string>>;
  readonly losses: Losses;
  /** What the config says of runtimes that no agent declares any more; absent without a config. */
  readonly salvage: SalvageSettings | undefined;
  readonly holds: readonly Hold[];
  readonly rollout: RolloutSettings;
  readonly diagnostics: readonly Diagnostic[];
}

export function buildPlan(input: PlanInput): Plan {
  const built = buildChanges(input);
  const { changes, networks, graph, specs } = built;
  const blocked = [...blockedOf(input.decisions), ...blockedNetworks(input.networks ?? [])];
  const complete = input.observations.every(
    (each) => each.status === "complete" || !input.declared.has(engineKey(each)),
  );
  const pending =
    changes.filter((each) => each.actions[0] !== "no-op").length +
    countPending(networks) +
    cacheCuts(input).length;
  const lists = listsOf(input);
  const plan: Plan = {
    format_version: PLAN_FORMAT,
    tool_version: input.tool_version,
    plan_id: "",
    created_at: new Date(input.now).toISOString(),
    at: input.request.at === undefined ? null : new Date(input.now).toISOString(),
    mode: input.request.intent.mode,
    complete,
    source: input.source,
    observed: input.observations.map((each) => observedOf(each)),
    images: [...input.images.values()]
      .filter((fact) => fact.state.status !== "unknown")
      .map((fact) => planImage(fact))
      .toSorted((a, b) => (imageKey(a) < imageKey(b) ? -1 : 1)),
    specs,
    changes,
    ...(networks.length === 0 ? {} : { networks }),
    ...(input.caches === undefined || input.caches.length === 0 ? {} : { caches: [...input.caches] }),
    ...lists,
    blocked,
    graph,
    summary: summarise(changes, blocked, lists),
    diagnostics: [
      ...input.diagnostics,
      ...absentEngines(input),
      ...unknownImages(input),
      ...unknownTargets(input),
    ],
    exit_code: planExitCode({
      complete,
      blocked,
      pending,
      detailed: input.request.detailed_exitcode === true,
    }),
  };
  return { ...plan, plan_id: planId(plan) };
}

interface Built {
  readonly changes: Change[];
  readonly networks: NonNullable<Plan["networks"]>;
  readonly graph: GraphNode[];
  readonly specs: Plan["specs"];
}

function buildChanges(input: PlanInput): Built {
  const changes: Change[] = [];
  const fetches = new Map<string, GraphNode>();
  const creates: GraphNode[] = [];
  const removes: GraphNode[] = [];
  const rolled = new Map<Decision, readonly GraphNode[]>();
  const placed = placeRollouts(input.decisions, input.rollout, input.modules);
  const specs: Plan["specs"] = {};
  const networks = networkSteps(input.networks ?? [], (image) => fetchFor(input.images, image, fetches));
  for (const decision of input.decisions) {
    const { desired } = decision.situation;
    const actions = actionsOf(decision);
    const acts = actions[0] !== "no-op";
    const leaves = desired !== undefined && decision.verdict.action !== "remove";
    const spec_key = acts && leaves ? specKey(desired.spec) : null;
    if (spec_key !== null && desired !== undefined) {
      const { kind, backend, values } = desired.spec;
      specs[spec_key] = { hash: desired.spec_hash, kind, backend, values: { ...values } };
    }
    const secrets = spec_key === null || desired === undefined ? {} : input.fingerprints(desired);
    const process = input.modules[decision.situation.backend]?.capabilities.lifecycle === "process";
    const salvage = acts ? salvageOf(decision, input) : undefined;
    const { losses } = input;
    const rollout = placed.get(decision)?.place ?? null;
    changes.push(buildChange({ decision, actions, spec_key, secrets, process, rollout, losses, salvage }));
    if (!acts) continue;
    const shared = { fetches, networks: networks.ensures };
    const nodes = graphOf(input, decision, { spec_key, salvage }, shared);
    if (placed.has(decision)) rolled.set(decision, nodes);
    else (decision.verdict.action === "remove" ? removes : creates).push(...nodes);
  }
  const made = [...fetches.values(), ...networks.ensures.values()];
  const graph = [...made, ...creates, ...linkRollout(rolled, placed), ...removes, ...networks.removes];
  return { changes, networks: networks.changes, specs: sortKeys(specs), graph };
}

function graphOf(
  input: PlanInput,
  decision: Decision,
  of: Pick<GraphContext, "spec_key" | "salvage">,
  shared: { readonly fetches: Map<string, GraphNode>; readonly networks: ReadonlyMap<string, GraphNode> },
): GraphNode[] {
  const { desired, backend } = decision.situation;
  const module = input.modules[backend];
  if (module === undefined) return [];
  const makes = decision.verdict.action === "create" || decision.verdict.action === "recreate";
  const fetch = makes && desired !== undefined ? fetchOf(input.images, desired, shared.fetches) : undefined;
  const setup = desired === undefined ? undefined : getPath(desired.spec.values, "setup");
  return changeGraph({
    decision,
    capabilities: module.capabilities,
    ...of,
    collect: collectsStage(decision, input.request),
    setup: Array.isArray(setup) && setup.length > 0,
    attest: desired?.settings.attest ?? false,
    ready: desired !== undefined && getPath(desired.spec.values, "ready") !== undefined,
    seed: desired !== undefined && getPath(desired.spec.values, "workspace.provider") === "volume",
    fetch,
    network: networkNodeOf(desired, shared.networks),
  });
}

function sortKeys<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function observedOf(observation: Observation): Plan["observed"][number] {
  const { backend, host, status } = observation;
  return observation.status === "complete"
    ? { backend, host, status, runtimes: observation.runtimes.length, message: null }
    : { backend, host, status, runtimes: 0, message: observation.message };
}

function absentEngines(input: PlanInput): Diagnostic[] {
  // Without a config this machine's own engines are looked at too, used by the fleet or not.
  const known =
    input.source.file === null ? "may hold some of the fleet, but" : "was used by an earlier config and";
  return input.observations.flatMap((each) =>
    each.status === "complete" || input.declared.has(engineKey(each))
      ? []
      : [
          {
            severity: "warning" as const,
            code: "remembered-engine-unobserved",
            message: `${engineKey(each)} ${known} cannot be observed: ${each.message}`,
            path: "",
            ...(each.hint === undefined ? {} : { hint: each.hint }),
          },
        ],
  );
}

/** A mistyped target would otherwise look like a fleet that needs nothing. */
function unknownTargets({ request, decisions, observations }: PlanInput): Diagnostic[] {
  if (observations.some((each) => each.status !== "complete")) return [];
  const known = new Set<string>(decisions.map(({ situation }) => situation.address));
  const { intent } = request;
  const replaced = intent.mode === "apply" ? (intent.replace ?? []) : [];
  return [...new Set([...(intent.targets ?? []), ...replaced])]
    .filter((target) => !known.has(target))
    .map((target) => {
      const near = nearestWord(target, [...known]);
      return {
        severity: "warning",
        code: "unknown-target",
        message: `${target} is no runtime of this fleet: nothing is declared or exists under that address`,
        path: "",
        hint: near === undefined ? "sandkeep list --all shows the addresses" : `did you mean ${near}?`,
      };
    });
}

/** What nobody could ask about changes nothing; on an engine that is away that goes without saying. */
function unknownImages(input: PlanInput): Diagnostic[] {
  const away = new Set(
    input.observations.filter((each) => each.status !== "complete").map((each) => engineKey(each)),
  );
  return [...input.images.values()].flatMap((fact) => {
    const told = imageDoubt(fact);
    if (told === undefined || away.has(engineKey(fact))) return [];
    return [{ severity: "warning" as const, ...told, path: "" }];
  });
}

function blockedOf(decisions: readonly Decision[]): Blocked[] {
  return decisions.flatMap(({ situation, verdict }) => {
    if (verdict.action !== "blocked") return [];
    const { rule, why, until, fix, deferred } = verdict;
    return [{ address: situation.address, rule, why, until, fix, deferred }];
  });
}

type Lists = Pick<Plan, "orphans" | "foreign" | "dormant" | "held">;

function listsOf(input: PlanInput): Lists {
  const lists: Lists = { orphans: [], foreign: [], dormant: [], held: [] };
  const hold = new Map(input.holds.map((each) => [each.address, each]));
  for (const { situation, verdict } of input.decisions) {
    const { address, backend, host, name, current, mark } = situation;
    if (verdict.action === "none" && verdict.rest === "held") {
      const until = (hold.get(address) ?? hold.get("fleet"))?.until;
      lists.held.push({
        address,
        reason: situation.hold?.reason ?? "",
        until: until === undefined ? null : new Date(until).toISOString(),
      });
    }
    if (verdict.action === "none" && verdict.rest === "dormant" && mark !== undefined) {
      lists.dormant.push({ address, since: new Date(mark.since).toISOString(), reason: mark.reason });
    }
    if (situation.desired === undefined && current?.labels.role === "primary") {
      lists.orphans.push({ address, backend, host, name, object_id: current.object_id, why: verdict.why });
    }
  }
  for (const observation of input.observations) {
    if (observation.status !== "complete") continue;
    const { backend, host } = observation;
    for (const each of observation.foreign) lists.foreign.push({ backend, host, ...each });
  }
  lists.foreign.sort((a, b) => (`${engineKey(a)} ${a.name}` < `${engineKey(b)} ${b.name}` ? -1 : 1));
  return lists;
}

function summarise(changes: readonly Change[], blocked: readonly Blocked[], lists: Lists): Plan["summary"] {
  const count = (action: Change["actions"][number]): number =>
    changes.filter((each) => each.actions.includes(action)).length;
  return {
    create: count("create"),
    start: count("start"),
    update: count("update"),
    recreate: count("recreate"),
    remove: count("remove"),
    adopt: count("adopt"),
    repair: count("repair"),
    no_op: count("no-op"),
    blocked: blocked.length,
    held: lists.held.length,
    dormant: lists.dormant.length,
    orphans: lists.orphans.length,
    foreign: lists.foreign.length,
  };
}
