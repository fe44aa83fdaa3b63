/**
 * In: a resolved fleet and the runtimes it wants. Out: the networks those runtimes need, each with its engine name and
 * spec. A declared network's name holds a hash of what cannot be changed in place, so another shape is another network.
 */
import type { DriverModule } from "../drivers/driver.ts";
import type { GateSpec, NetworkKey, NetworkSpec } from "../model/network.ts";
import { OWN_NETWORK } from "../model/network.ts";
import type { Address } from "../model/names.ts";
import type { NetworkSettings, ResolvedFleet, Settings } from "../model/settings.ts";
import { canonicalJson, sha256 } from "../util/canonical.ts";
import { getPath } from "../util/json-path.ts";
import type { DesiredRuntime } from "./desire.ts";

export interface DesiredNetwork {
  readonly network: NetworkKey;
  readonly backend: string;
  readonly host: string;
  /** Engine name. */
  readonly name: string;
  readonly spec: NetworkSpec;
  /** Declared runtimes that belong on it, sorted. */
  readonly users: readonly Address[];
  /** Policy by which the gate's image is fetched. */
  readonly image_policy: string;
}

/** What a spec says of the network it is on; `key` is absent for a network of the runtime's own. */
export interface NetworkPlacement {
  readonly network: string;
  readonly gated: boolean;
  readonly key?: NetworkKey;
}

/** Undefined where the runtime joins a network that is not the fleet's, or none. */
export function placeNetwork(
  settings: Settings,
  module: DriverModule,
  fleet: Pick<ResolvedFleet, "fleet" | "name_prefix" | "networks">,
): NetworkPlacement | undefined {
  if (module.capabilities.networks !== true) return undefined;
  if (settings.egress !== undefined) return { network: OWN_NETWORK, gated: true };
  const name = settings.options["network"];
  const declared = typeof name === "string" ? declaredNetwork(name, fleet) : undefined;
  if (declared === undefined) return undefined;
  return {
    network: declaredName(declared, fleet),
    gated: declared.egress !== undefined,
    key: `network/${declared.name}`,
  };
}

export function desireNetworks(
  fleet: ResolvedFleet | undefined,
  runtimes: readonly DesiredRuntime[],
): DesiredNetwork[] {
  if (fleet === undefined) return [];
  const found = new Map<string, DesiredNetwork>();
  for (const runtime of runtimes) {
    const { network, backend, host } = runtime;
    if (network === undefined) continue;
    const id = `${backend}@${host} ${network}`;
    const known = found.get(id);
    const users = [...(known?.users ?? []), runtime.address].toSorted();
    const made = known ?? describe(runtime, network, fleet);
    if (made !== undefined) found.set(id, { ...made, users });
  }
  return [...found.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

function describe(
  runtime: DesiredRuntime,
  network: NetworkKey,
  fleet: ResolvedFleet,
): DesiredNetwork | undefined {
  const { backend, host, image } = runtime;
  const base = { network, backend, host, users: [], image_policy: helperPolicy(image?.policy) };
  const declared = declaredNetwork(network.slice("network/".length), fleet);
  if (network.startsWith("network/")) {
    if (declared === undefined) return undefined;
    return { ...base, name: declaredName(declared, fleet), spec: specOf(declared) };
  }
  const { egress } = runtime.settings;
  const own = getPath(runtime.spec.values, `${backend}.image`);
  const gateImage = egress?.image ?? (typeof own === "string" ? own : "");
  const gate = gateSpec(egress?.allow ?? [], gateImage);
  const name = `${runtime.name}-${OWN_NETWORK}`;
  return { ...base, name, spec: { driver: "bridge", internal: true, options: {}, gate } };
}

/** A gate's image is a tool and no runtime's content: no lock holds it, and no moved tag replaces it. */
function helperPolicy(policy: string | undefined): string {
  return policy === "never" ? "never" : "missing";
}

function declaredNetwork(name: string, fleet: Pick<ResolvedFleet, "networks">): NetworkSettings | undefined {
  const networks = fleet.networks ?? {};
  return Object.hasOwn(networks, name) ? networks[name] : undefined;
}

function specOf({ driver, internal, subnet, gateway, options, egress }: NetworkSettings): NetworkSpec {
  return {
    driver,
    internal,
    ...(subnet === undefined ? {} : { subnet }),
    ...(gateway === undefined ? {} : { gateway }),
    options,
    ...(egress === undefined ? {} : { gate: gateSpec(egress.allow, egress.image) }),
  };
}

function gateSpec(allow: readonly string[], image: string): GateSpec {
  const rules = allow.map((rule) => rule.toLowerCase().replace(/\.$/, ""));
  return { allow: [...new Set(rules)].toSorted(), image };
}

const SLUG_LENGTH = 24;

function declaredName(
  declared: NetworkSettings,
  fleet: Pick<ResolvedFleet, "fleet" | "name_prefix">,
): string {
  const { gate, ...fixed } = specOf(declared);
  const shape = canonicalJson({ ...fixed, gated: gate !== undefined });
  const slug = declared.name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, SLUG_LENGTH)
    .replace(/^-|-$/g, "");
  const hash = sha256(`${fleet.fleet}\0${declared.name}\0${shape}`).slice(0, 8);
  return `${fleet.name_prefix}-${fleet.fleet}-net-${slug}-${hash}`;
}

/** Raised when gates must be made anew, because the program in them changed in a way that matters. */
const GATE_VERSION = 2;

/** Equal for gates that let the same through in the same way. */
export function gateHash(gate: GateSpec): string {
  const { allow, image } = gate;
  return sha256(canonicalJson({ version: GATE_VERSION, allow: [...allow], image }));
}
