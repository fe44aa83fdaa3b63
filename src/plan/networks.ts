/** In: decisions about networks. Out: how a plan tells them, and the steps that carry them out. Pure. */
import type { DesiredRuntime } from "../desire/desire.ts";
import type { DesiredNetwork } from "../desire/networks.ts";
import { desireNetworks } from "../desire/networks.ts";
import type { Decision } from "../diff/diff.ts";
import type { NetworkDecision } from "../diff/networks.ts";
import { diffNetworks } from "../diff/networks.ts";
import type { Intent } from "../model/intent.ts";
import type { GateSpec, NetworkSpec } from "../model/network.ts";
import { ownerOfNetwork } from "../model/network.ts";
import type { NetworkChange } from "../model/network-change.ts";
import type { Blocked, GraphNode } from "../model/plan.ts";
import { engineKey } from "../observe/engines.ts";
import { keyOfEffect } from "./node-effect.ts";
import { TIMEOUT_S } from "./chain.ts";
import type { Survey } from "./survey.ts";

/** What is to be done about the fleet's networks, given what is to be done about its runtimes. */
export function decideNetworks(
  seen: Pick<Survey, "config" | "desired" | "observations">,
  decisions: readonly Decision[],
  intent: Intent,
): NetworkDecision[] {
  return diffNetworks({
    desired: desireNetworks(seen.config?.fleet, seen.desired),
    observations: seen.observations,
    decisions,
    intent,
    configless: seen.config === undefined,
  });
}

/** A runtime that cannot have its network is not made: without it, it would have none, or another. */
export function blockOnNetworks(
  decisions: readonly Decision[],
  networks: readonly NetworkDecision[],
): Decision[] {
  const blocked = new Map(
    networks.flatMap(({ network, verdict, ...place }) =>
      verdict.action === "blocked" ? [[`${engineKey(place)} ${network}`, verdict] as const] : [],
    ),
  );
  if (blocked.size === 0) return [...decisions];
  return decisions.map((decision) => {
    const { situation, verdict } = decision;
    const key = situation.desired?.network;
    const obstacle = key === undefined ? undefined : blocked.get(`${engineKey(situation)} ${key}`);
    const makes = verdict.action === "create" || verdict.action === "recreate" || verdict.action === "start";
    if (obstacle === undefined || !makes) return decision;
    const { rule, fix } = obstacle;
    const why = `${verdict.why}, but its network ${key ?? ""} cannot be had: ${obstacle.why}`;
    const { reasons } = verdict;
    return {
      situation,
      verdict: { action: "blocked", rule, why, fix, until: null, deferred: false, reasons },
    };
  });
}

export interface GateImage {
  readonly ref: string;
  readonly policy: string;
  readonly backend: string;
  readonly host: string;
}

/** Images of gates, which have to be there before a gate is made. */
export function gateImages(networks: readonly DesiredNetwork[]): GateImage[] {
  return networks.flatMap(({ spec, image_policy, backend, host }) =>
    spec.gate === undefined ? [] : [{ ref: spec.gate.image, policy: image_policy, backend, host }],
  );
}

function networkNodeId(place: { network: string; backend: string; host: string }): string {
  return `${place.network}@${place.backend}@${place.host}#network`;
}

export function countPending(networks: readonly NetworkChange[]): number {
  return networks.filter((each) => each.action !== "no-op").length;
}

function networkChange(decision: NetworkDecision): NetworkChange {
  const { network, backend, host, name, desired, observed, verdict } = decision;
  const spec = desired?.spec;
  const shown = "differences" in verdict ? verdict.differences : [];
  return {
    network,
    backend,
    host,
    name,
    object_id: observed?.object_id ?? null,
    action: verdict.action === "none" || verdict.action === "blocked" ? "no-op" : verdict.action,
    why: verdict.why,
    differences: shown.map((each) => ({ ...each })),
    spec: spec === undefined || verdict.action === "remove" ? null : specText(spec),
    users: [...(desired?.users ?? [ownerOfNetwork(network)].filter((each) => each !== undefined))],
    enforced: spec === undefined ? null : enforcement(spec),
  };
}

function specText(spec: NetworkSpec): NonNullable<NetworkChange["spec"]> {
  const { driver, internal, subnet = null, gateway = null, options, gate } = spec;
  return {
    driver,
    internal,
    subnet,
    gateway,
    options: { ...options },
    gate: gate === undefined ? null : { allow: [...gate.allow], image: gate.image },
  };
}

/** How what leaves a network is held, in one sentence. */
export function enforcement({ gate, internal }: NetworkSpec): string {
  if (gate !== undefined) return gated(gate);
  return internal
    ? "internal: the packet filter of its engine's machine lets nothing off it; what that machine serves can be reached from it, and some engines look names up outside for it, which can carry data out; egress closes both"
    : "not limited: whatever is on it reaches everything its engine's machine reaches";
}

function gated({ allow, image }: GateSpec): string {
  const what = allow.length === 0 ? "nothing" : `only ${allow.join(", ")}`;
  return `${what} can be reached: the network is internal, and a gate (${image}) is its only way out; no other name, address or port`;
}

export function blockedNetworks(decisions: readonly NetworkDecision[]): Blocked[] {
  return decisions.flatMap(({ network, verdict }) => {
    if (verdict.action !== "blocked") return [];
    const { rule, why, fix } = verdict;
    return [{ address: network, rule, why, until: null, fix, deferred: false }];
  });
}

/** One step a network: it is made, or mended, before who needs it, and removed after its last user. */
function networkNode(change: NetworkChange, depends_on: readonly string[]): GraphNode {
  const { network, backend, host, name, object_id, why } = change;
  const id = networkNodeId(change);
  const node: GraphNode = {
    op: "network",
    effect: change.action === "remove" ? "remove" : "ensure",
    id: change.action === "remove" ? `${id}-remove-${(object_id ?? "").slice(0, 12)}` : id,
    address: network,
    backend,
    host,
    name,
    object_id,
    depends_on: [...depends_on],
    after: [],
    on_failure: [],
    compensates: false,
    idempotency_key: "",
    timeout_s: TIMEOUT_S.network,
    cause: why,
  };
  return { ...node, idempotency_key: keyOfEffect(node, change.spec) };
}

export interface NetworkSteps {
  readonly changes: NetworkChange[];
  /** By the id of the node. */
  readonly ensures: ReadonlyMap<string, GraphNode>;
  readonly removes: readonly GraphNode[];
}

/** Every network as the plan tells it, and the steps of those that change; a gate waits for its image. */
export function networkSteps(
  decisions: readonly NetworkDecision[],
  fetchOf: (image: GateImage) => GraphNode | undefined,
): NetworkSteps {
  const changes: NetworkChange[] = [];
  const ensures = new Map<string, GraphNode>();
  const removes: GraphNode[] = [];
  /** Of what goes and nobody is on, by the addresses that this sets free. */
  const freed = new Map<string, string>();
  const making: { readonly decision: NetworkDecision; readonly change: NetworkChange }[] = [];
  for (const decision of decisions) {
    const change = networkChange(decision);
    changes.push(change);
    if (change.action === "remove") {
      const node = networkNode(change, []);
      removes.push(node);
      const { observed } = decision;
      if (observed?.spec.subnet !== undefined && observed.users.length === 0)
        freed.set(`${engineKey(decision)} ${observed.spec.subnet}`, node.id);
    } else if (change.action !== "no-op") making.push({ decision, change });
  }
  for (const { decision, change } of making) {
    const { desired } = decision;
    const [image] = desired === undefined ? [] : gateImages([desired]);
    const fetch = image === undefined ? undefined : fetchOf(image);
    const before = freed.get(`${engineKey(decision)} ${desired?.spec.subnet ?? ""}`);
    const node = networkNode(
      change,
      [fetch?.id, before].filter((each) => each !== undefined),
    );
    ensures.set(node.id, node);
  }
  return { changes, ensures, removes };
}

/** The step that makes or mends the network of a runtime; undefined where that is as it should be. */
export function networkNodeOf(
  desired: DesiredRuntime | undefined,
  ensures: ReadonlyMap<string, GraphNode>,
): GraphNode | undefined {
  if (desired?.network === undefined) return undefined;
  const { network, backend, host } = desired;
  return ensures.get(networkNodeId({ network, backend, host }));
}
