import type { CreateRequest, NetworkRequest } from "../driver.ts";
import { memoryError } from "./errors.ts";
import type { Machine } from "./machine.ts";
import { strangeNetwork } from "./machine.ts";
import { networkOf } from "./spec.ts";
import type { MemoryWorld } from "./world.ts";

/** What is there and right stays as it is; a gate with other rules, or one that does not run, is made anew. */
export function ensureNetwork(world: MemoryWorld, machine: Machine, request: NetworkRequest): void {
  const { name, network, fleet, fleet_id, spec, gate_hash } = request;
  const { gate, ...shape } = spec;
  if (gate !== undefined && !machine.images.has(gate.image))
    throw memoryError("not-found", `there is no image ${gate.image}`);
  const found = [...machine.networks.values()].find((each) => each.name === name);
  if (found !== undefined && strangeNetwork(found, request) !== undefined)
    throw memoryError("conflict", `the network ${name} is not this fleet's`);
  const internal = shape.internal || gate !== undefined;
  const made = found ?? {
    id: world.nextId(),
    name,
    owner: { fleet, fleet_id },
    network,
    spec: { ...shape, internal, reaches_host: gate === undefined },
    gate: undefined,
  };
  machine.networks.set(made.id, made);
  if (gate === undefined || (made.gate?.state === "running" && made.gate.hash === gate_hash)) return;
  made.gate = { object_id: world.nextId(), state: "running", hash: gate_hash ?? "" };
}

export function removeNetwork(machine: Machine, id: string): void {
  const found = machine.networks.get(id);
  if (found?.owner === undefined) return;
  if (machine.usersOf(found).length > 0) throw memoryError("conflict", `the network ${found.name} is in use`);
  machine.networks.delete(id);
}

/** As on a real engine: nothing can be made for a network that is not there. */
export function requireNetwork(machine: Machine, { spec, labels }: CreateRequest): void {
  const name = networkOf({ spec, decoded: labels });
  if (![...machine.networks.values()].some((each) => each.name === name))
    throw memoryError("terminal", `network ${name ?? ""} not found`);
}
