/**
 * Networks that a fleet owns. In: a listing of the engine, or what to bring about. Out: those with our labels, who
 * uses them, and one idempotent effect a call. A network that sandkeep did not make is never changed and never removed.
 */
import { SandkeepError } from "../../errors.ts";
import type { ForeignObject } from "../../model/observed.ts";
import type { ObservedNetwork } from "../../model/network.ts";
import { isNetworkKey, ownerOfNetwork } from "../../model/network.ts";
import { ADDRESS_LABEL } from "../../model/labels.ts";
import { foreignBecause, ownerIn } from "../../model/ownership.ts";
import type { NetworkRequest, ObserveScope } from "../driver.ts";
import type { Engine } from "./client.ts";
import { isDenied } from "./errors.ts";
import type { GatedRequest } from "./gates.ts";
import {
  awaitGate,
  ensureGate,
  gatedNetwork,
  gateOf,
  isGate,
  NETWORK_LABEL,
  removeGateAlone,
  removeGates,
} from "./gates.ts";
import { createNetwork, deleteNetwork, listNetworks, proveNetwork, specOf } from "./network-calls.ts";
import type { Container, ListedContainer } from "./wire-container.ts";
import type { ListedNetwork } from "./wire.ts";
import { readContainers } from "./wire-container.ts";

/** Where only some calls get through, a fleet without networks does without this one; one with any says what it lacks. */
export async function networksFor(
  engine: Engine,
  scope: ObserveScope,
  containers: Promise<readonly ListedContainer[]>,
): Promise<readonly ListedNetwork[]> {
  if (!engine.dialect.networks) return [];
  try {
    return await listNetworks(engine);
  } catch (thrown) {
    const wanted =
      (scope.networks ?? []).length > 0 || (await containers).some((each) => isOwnGate(each, scope));
    if (wanted || !isDenied(thrown)) throw thrown;
    return [];
  }
}

/** Ids of all networks, asked only where a container may be left with one that is gone. */
export async function liveNetworks(
  engine: Engine,
  container: Container,
): Promise<ReadonlySet<string> | undefined> {
  const idle = engine.dialect.networks && container.State.Status !== "running";
  const named = container.NetworkSettings.some(({ name }) => name !== "none" && name !== "bridge");
  if (!idle || !named) return undefined;
  try {
    return new Set((await listNetworks(engine)).map(({ Id }) => Id));
  } catch (thrown) {
    if (isDenied(thrown)) return undefined;
    throw thrown;
  }
}

/** The fleet's networks that matter to the scope, and what stands in the way of those it wants. */
export function fleetNetworks(
  listed: readonly ListedNetwork[],
  containers: readonly ListedContainer[],
  scope: ObserveScope,
): { readonly ours: ObservedNetwork[]; readonly foreign: ForeignObject[] } {
  const ours: ObservedNetwork[] = [];
  const foreign: ForeignObject[] = [];
  for (const network of listed) {
    const key = network.Labels[NETWORK_LABEL];
    const why = foreignReason(network, scope);
    if (why !== undefined) {
      if (scope.networks?.includes(network.Name) === true)
        foreign.push({ name: network.Name, object_id: network.Id, why });
      continue;
    }
    if (key === undefined || !isNetworkKey(key)) continue;
    const owner = ownerOfNetwork(key);
    if (owner !== undefined && scope.addresses?.includes(owner) === false) continue;
    ours.push(describe(network, key, containers));
  }
  const names = new Set(listed.map(({ Name }) => Name));
  const left = containers.filter((each) => isOwnGate(each, scope) && !names.has(gatedNetwork(each)));
  return { ours: [...ours, ...left.flatMap((each) => withoutNetwork(each, scope))], foreign };
}

function isOwnGate({ Labels }: ListedContainer, scope: ObserveScope): boolean {
  return isGate(Labels) && foreignBecause(scope, ownerIn(Labels)) === undefined;
}

/** A gate whose network somebody removed: it is told as that network, so that it goes when nobody wants it back. */
function withoutNetwork({ Id, Labels, ...gate }: ListedContainer, scope: ObserveScope): ObservedNetwork[] {
  const name = gatedNetwork({ Labels });
  const address = Labels[ADDRESS_LABEL];
  const known = Labels[NETWORK_LABEL] ?? (address === undefined ? `network/${name}` : `egress/${address}`);
  if (!isNetworkKey(known)) return [];
  const owner = ownerOfNetwork(known);
  if (owner !== undefined && scope.addresses?.includes(owner) === false) return [];
  const seen = gateOf({ id: "", name }, [{ ...gate, Id, Labels }]);
  const spec = { driver: "bridge", internal: true, reaches_host: false, options: {} } as const;
  const shown = seen === undefined ? {} : { gate: seen };
  return [{ object_id: Id, name, network: known, spec, ...shown, users: [], gone: true }];
}

function foreignReason({ Labels }: ListedNetwork, scope: ObserveScope): string | undefined {
  const owner = ownerIn(Labels);
  return owner.fleet === undefined ? "sandkeep did not make it" : foreignBecause(scope, owner);
}

function describe(
  network: ListedNetwork,
  key: ObservedNetwork["network"],
  containers: readonly ListedContainer[],
): ObservedNetwork {
  const attached = attachedTo(network, containers);
  const gate = gateOf({ id: network.Id, name: network.Name }, attached);
  const users = attached
    .filter((each) => !isGate(each.Labels))
    .map((each) => ({ object_id: each.Id, name: (each.Names[0] ?? "").replace(/^\//, "") }));
  return {
    object_id: network.Id,
    name: network.Name,
    network: key,
    spec: specOf(network),
    ...(gate === undefined ? {} : { gate }),
    users: users.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** One that never ran names its network, and has no id of it yet. */
function attachedTo(network: ListedNetwork, containers: readonly ListedContainer[]): ListedContainer[] {
  return containers.filter((each) =>
    each.NetworkSettings.some(({ id, name }) => (id === "" ? name === network.Name : id === network.Id)),
  );
}

/**
 * A lost answer, a killed process, or another machine that was faster: each finds what is there and goes on from it.
 * Whoever made it, it is proved to be what was asked for before a gate or a sandbox is put on it.
 */
export async function ensureNetwork(engine: Engine, request: NetworkRequest): Promise<void> {
  const { gate } = request.spec;
  const gated: GatedRequest | undefined =
    gate === undefined ? undefined : { ...request, spec: { ...request.spec, gate } };
  const id = await engine.writes.add(async () => {
    const found = await findOwn(engine, request);
    const network = found ?? (await createNetwork(engine, request));
    await proveNetwork(engine, network, request.spec, found === undefined);
    if (gated === undefined) return undefined;
    const { Id, Name, IPAM } = network;
    const guests = IPAM.map(({ Subnet }) => Subnet).filter((each) => each !== "");
    return await ensureGate(engine, gated, { id: Id, name: Name, guests });
  });
  // Others may change the engine meanwhile: its start takes a while, and costs it little.
  if (id !== undefined && gated !== undefined) await awaitGate(engine, id, gated);
}

async function findOwn(engine: Engine, request: NetworkRequest): Promise<ListedNetwork | undefined> {
  const { name, network, ...scope } = request;
  const named = (await listNetworks(engine)).filter((each) => each.Name === name);
  const reasons = named.map((each) => foreignReason(each, { ...scope, names: [] }));
  const foreign = reasons.find((why) => why !== undefined);
  if (foreign !== undefined) {
    throw new SandkeepError(`the network ${name} is not this fleet's: ${foreign}`, {
      code: "DOCKER_NETWORK_FOREIGN",
      kind: "conflict",
      hint: "remove that network, or give this fleet another name or name_prefix",
    });
  }
  return named.find((each) => each.Labels[NETWORK_LABEL] === network);
}

/** By id, after its gate. An engine lets a network go under stopped containers, which could then never start again. */
export async function removeNetwork(engine: Engine, id: string): Promise<void> {
  await engine.writes.add(async () => {
    const found = (await listNetworks(engine)).find((each) => each.Id === id);
    if (found === undefined) return await removeGateAlone(engine, id);
    if (found.Labels[NETWORK_LABEL] === undefined) return;
    const listed = await engine.json(
      {
        what: "list containers",
        method: "GET",
        path: "/containers/json",
        query: { all: true },
      },
      readContainers,
    );
    const users = attachedTo(found, listed).filter((each) => !isGate(each.Labels));
    if (users.length > 0)
      throw inUse(
        found.Name,
        users.map((each) => (each.Names[0] ?? "").replace(/^\//, "")),
      );
    await removeGates(engine, found.Name, { fleet: "", ...ownerIn(found.Labels) });
    try {
      await deleteNetwork(engine, found);
    } catch (thrown) {
      if (thrown instanceof SandkeepError && /active endpoints/i.test(thrown.message))
        throw inUse(found.Name, ["something new"]);
      throw thrown;
    }
  });
}

function inUse(name: string, users: readonly string[]): SandkeepError {
  return new SandkeepError(`the network ${name} is still used by ${users.join(", ")}`, {
    code: "DOCKER_NETWORK_IN_USE",
    kind: "conflict",
    blame: "backend",
    hint: "plan again",
  });
}
