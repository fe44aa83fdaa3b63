/** How a plan's network steps are carried out, and what became of each. */
import { SandkeepError } from "../errors.ts";
import type { NetworkKey, NetworkSpec } from "../model/network.ts";
import { isNetworkKey } from "../model/network.ts";
import type { NetworkChange } from "../model/network-change.ts";
import type { GraphNode, Plan } from "../model/plan.ts";
import { gateHash } from "../desire/networks.ts";
import { engineKey } from "../observe/engines.ts";
import type { ApplyContext } from "./context.ts";
import { notOpen } from "./steps.ts";

export type NetworkNode = Extract<GraphNode, { op: "network" }>;

export async function applyNetwork(node: NetworkNode, context: ApplyContext): Promise<void> {
  const driver = context.drivers.get(engineKey(node));
  if (driver === undefined) throw notOpen(engineKey(node));
  if (node.effect === "remove") {
    if (node.object_id !== null) await driver.removeNetwork?.(node.object_id);
    return;
  }
  const written = changeOf(node, context)?.spec ?? null;
  if (written === null || driver.ensureNetwork === undefined)
    throw new SandkeepError(`step ${node.id} has no network to make`, { code: "INTERNAL", blame: "tool" });
  const spec = specOf(written);
  const { fleet, fleet_id } = context.scope(engineKey(node));
  await driver.ensureNetwork({
    name: node.name,
    network: keyOf(node),
    fleet,
    ...(fleet_id === undefined ? {} : { fleet_id }),
    spec,
    ...(spec.gate === undefined ? {} : { gate_hash: gateHash(spec.gate) }),
  });
}

function specOf(written: NonNullable<NetworkChange["spec"]>): NetworkSpec {
  const { driver, internal, subnet, gateway, options, gate } = written;
  return {
    driver,
    internal,
    ...(subnet === null ? {} : { subnet }),
    ...(gateway === null ? {} : { gateway }),
    options,
    ...(gate === null ? {} : { gate }),
  };
}

function keyOf(node: NetworkNode): NetworkKey {
  const key = node.address;
  if (isNetworkKey(key)) return key;
  throw new SandkeepError(`${key} names no network`, { code: "INTERNAL", blame: "tool" });
}

export function networkNodes(plan: Plan, effect: NetworkNode["effect"]): NetworkNode[] {
  return plan.graph.filter((node) => node.op === "network").filter((node) => node.effect === effect);
}

export function changeOf(node: NetworkNode, { plan }: ApplyContext): NetworkChange | undefined {
  return plan.networks?.find((each) => each.name === node.name && engineKey(each) === engineKey(node));
}
