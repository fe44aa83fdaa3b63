/**
 * In: the networks a fleet wants, those there are, and what was decided about its runtimes. Out: one decision a network
 * and engine. A network is made before who needs it and goes after its last user; what is not ours is never touched. Pure.
 */
import type { DesiredNetwork } from "../desire/networks.ts";
import { gateHash } from "../desire/networks.ts";
import type { Intent } from "../model/intent.ts";
import type { Address } from "../model/names.ts";
import type { NetworkDifference, NetworkKey, NetworkSpec, ObservedNetwork } from "../model/network.ts";
import { networkDifferences, ownerOfNetwork, REMAKE_NETWORK, tellDifferences } from "../model/network.ts";
import type { Observation } from "../model/observed.ts";
import { engineKey } from "../observe/engines.ts";
import type { Decision } from "./diff.ts";
import type { Occupancy } from "./occupancy.ts";
import { occupancyOf } from "./occupancy.ts";

export type NetworkVerdict =
  | { readonly action: "none" | "remove"; readonly why: string }
  | {
      readonly action: "create" | "update";
      readonly why: string;
      readonly differences: readonly NetworkDifference[];
    }
  | {
      readonly action: "blocked";
      readonly rule: "foreign" | "network";
      readonly why: string;
      readonly fix: string;
      readonly differences: readonly NetworkDifference[];
    };

export interface NetworkDecision {
  readonly network: NetworkKey;
  readonly backend: string;
  readonly host: string;
  readonly name: string;
  readonly desired?: DesiredNetwork;
  readonly observed?: ObservedNetwork;
  readonly verdict: NetworkVerdict;
}

export interface NetworkInput {
  readonly desired: readonly DesiredNetwork[];
  readonly observations: readonly Observation[];
  readonly decisions: readonly Decision[];
  readonly intent: Intent;
  readonly configless: boolean;
}

export function diffNetworks(input: NetworkInput): NetworkDecision[] {
  return input.observations.flatMap((observation) => {
    if (observation.status !== "complete") return [];
    const { backend, host } = observation;
    const engine = engineKey(observation);
    const desired = input.desired.filter((each) => engineKey(each) === engine);
    const sorted = (observation.networks ?? []).toSorted((a, b) => (a.object_id < b.object_id ? -1 : 1));
    // A gate without its network is made anew with the network, or goes like one.
    const observed = sorted.filter((each) => each.gone !== true);
    const gates = sorted.filter((each) => each.gone === true);
    if (desired.length === 0 && sorted.length === 0) return [];
    const here = {
      ...occupancyOf(engine, input.decisions, input.intent),
      runtimes: new Set(observation.runtimes.map((each) => each.object_id)),
      foreign: new Map(observation.foreign.map((each) => [each.name, each.why])),
      observed,
    };
    const firsts = new Set<ObservedNetwork>();
    const wanted = desired.map((each): NetworkDecision => {
      const found = observed.find((other) => other.name === each.name && other.network === each.network);
      if (found !== undefined) firsts.add(found);
      const { network, name } = each;
      const verdict = decideDesired(each, found, here, input);
      return {
        network,
        backend,
        host,
        name,
        desired: each,
        ...(found === undefined ? {} : { observed: found }),
        verdict,
      };
    });
    const rest = observed
      .filter((each) => !firsts.has(each))
      .map((each): NetworkDecision => ({
        network: each.network,
        backend,
        host,
        name: each.name,
        observed: each,
        verdict: decideRest(each, here, input),
      }));
    const left = gates.flatMap((each): NetworkDecision[] =>
      leaves(each.network, each, here, input)
        ? [
            {
              network: each.network,
              backend,
              host,
              name: each.name,
              observed: each,
              verdict: { action: "remove", why: "its network is gone, and only its gate is left" },
            },
          ]
        : [],
    );
    return [...wanted, ...rest, ...left].toSorted((a, b) => (sortText(a) < sortText(b) ? -1 : 1));
  });
}

function sortText({ network, observed }: NetworkDecision): string {
  return `${network} ${observed?.object_id ?? ""}`;
}

interface Here extends Occupancy {
  /** Ids of the fleet's runtimes that were looked at. */
  readonly runtimes: ReadonlySet<string>;
  /** Name → why it is not ours. */
  readonly foreign: ReadonlyMap<string, string>;
  readonly observed: readonly ObservedNetwork[];
}

const none = (why: string): NetworkVerdict => ({ action: "none", why });

function decideDesired(
  desired: DesiredNetwork,
  found: ObservedNetwork | undefined,
  here: Here,
  input: NetworkInput,
): NetworkVerdict {
  const needed = desired.users.some((address) => here.needing.has(address));
  if (found === undefined) return needed ? missing(desired, here) : none("nothing needs it");
  if (!needed && leaves(desired.network, found, here, input))
    return { action: "remove", why: "nothing is left that uses it" };
  const wrong = networkDifferences(desired.spec, found.spec);
  if (wrong.length > 0) {
    const why = `it is not as sandkeep makes it: ${tellDifferences(wrong)}`;
    return blocked("network", why, REMAKE_NETWORK, wrong);
  }
  const gate = gateDifferences(desired.spec, found);
  if (gate.length === 0) return none("as declared");
  if (!needed) return none("nothing that needs it is worked on");
  const why = gate.map(({ path }) => path).join(", ");
  return { action: "update", why: `its gate is made anew: ${why}`, differences: gate };
}

function blocked(
  rule: "foreign" | "network",
  why: string,
  fix: string,
  found: readonly NetworkDifference[] = [],
): NetworkVerdict {
  return { action: "blocked", rule, why, fix, differences: found };
}

function missing(desired: DesiredNetwork, here: Here): NetworkVerdict {
  const foreign = here.foreign.get(desired.name);
  if (foreign !== undefined) {
    const why = `its name ${desired.name} is taken by a network that is not of this fleet: ${foreign}`;
    return blocked("foreign", why, "remove that network, or give this fleet another name or name_prefix");
  }
  const { subnet } = desired.spec;
  const inWay = here.observed.find((each) => subnet !== undefined && each.spec.subnet === subnet);
  if (inWay !== undefined && inWay.users.length > 0) {
    const why = `${inWay.name} has the same subnet ${subnet ?? ""} and is still used by ${namesOf(inWay)}`;
    return blocked("network", why, "give it another subnet, or destroy those first");
  }
  return { action: "create", why: "it does not exist", differences: [] };
}

function decideRest(found: ObservedNetwork, here: Here, input: NetworkInput): NetworkVerdict {
  if (leaves(found.network, found, here, input)) return { action: "remove", why: "no longer declared" };
  const strangers = found.users.filter((each) => !here.runtimes.has(each.object_id));
  const staying = found.users.filter((each) => !here.leaving.has(each.object_id));
  if (staying.length === 0) return none("left alone by what was asked for");
  if (strangers.length < staying.length || input.intent.targets !== undefined)
    return none(`still used by ${namesOf(found)}`);
  const why = `no longer declared, but used by ${namesOf({ users: strangers })}, which sandkeep did not make`;
  return blocked("network", why, "disconnect it from this network");
}

function namesOf({ users }: Pick<ObservedNetwork, "users">): string {
  return users.map((each) => each.name).join(", ");
}

/** Whether a network goes, once what this plan takes away is gone. A declared one stays while the config has it. */
function leaves(key: NetworkKey, found: ObservedNetwork, here: Here, input: NetworkInput): boolean {
  const { intent, configless } = input;
  if (found.users.some((each) => !here.leaving.has(each.object_id))) return false;
  const owner = ownerOfNetwork(key);
  if (owner !== undefined) return ownLeaves(owner, here, input);
  if (intent.targets !== undefined) return false;
  const declared = input.desired.some((each) => each.name === found.name);
  if (intent.mode === "destroy") return true;
  return intent.mode === "apply" && !configless && !declared;
}

/** A runtime's own network goes with it, whatever took it away. */
function ownLeaves(owner: Address, here: Here, { intent, configless }: NetworkInput): boolean {
  if (here.kept.has(owner) || here.needing.has(owner)) return false;
  if (intent.targets !== undefined && !intent.targets.includes(owner)) return false;
  if (configless && intent.mode !== "destroy") return here.gone.has(owner);
  return intent.mode !== "recreate";
}

function gateDifferences(spec: NetworkSpec, { gate }: ObservedNetwork): NetworkDifference[] {
  if (spec.gate === undefined) return [];
  if (gate === undefined) return [{ path: "gate", before: "missing", after: "running" }];
  if (gate.hash !== gateHash(spec.gate))
    return [{ path: "gate", before: "another rule set", after: spec.gate.allow.join(" ") }];
  return gate.state === "running" ? [] : [{ path: "gate", before: gate.state, after: "running" }];
}
