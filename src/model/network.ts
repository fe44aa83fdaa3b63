import type { Json } from "./json.ts";
import type { Address } from "./names.ts";
import { isAddress } from "./names.ts";

/** What a sandbox may reach beside its own network: everything else is denied. */
export interface GateSpec {
  /** Sorted: `pypi.org`, `*.npmjs.org`, `10.0.0.5:5432`. Without a port, 80 and 443. */
  readonly allow: readonly string[];
  /** Image that the gate runs in; it holds `node`. */
  readonly image: string;
}

/** A network as the engine makes it. With a gate it is internal, and the gate is the only way out. */
export interface NetworkSpec {
  readonly driver: "bridge";
  readonly internal: boolean;
  readonly subnet?: string;
  readonly gateway?: string;
  /** Driver options, as `docker network create --opt` takes them. */
  readonly options: Readonly<Record<string, string>>;
  readonly gate?: GateSpec;
}

/** `network/build` for a declared one, `egress/agent/work` for the one that a runtime with `egress` has to itself. */
export type NetworkKey = `network/${string}` | `egress/${Address}`;

/** What the section of a spec says in the place of a network's name when the runtime has one to itself. */
export const OWN_NETWORK = "egress";

/** Option of the bridge driver by which the engine's machine has no address on the bridge. */
export const NO_HOST_ADDRESS = "com.docker.network.bridge.inhibit_ipv4";

/** Where inside its network a gate listens. */
export const GATE_URL = "http://egress-gate:3128";

export function ownNetworkKey(address: Address): NetworkKey {
  return `egress/${address}`;
}

/** The runtime that a network belongs to; undefined for declared ones, which runtimes share. */
export function ownerOfNetwork(key: NetworkKey): Address | undefined {
  const address = key.startsWith("egress/") ? key.slice("egress/".length) : "";
  return isAddress(address) ? address : undefined;
}

const DECLARED = /^network\/[A-Za-z0-9._-]{1,64}$/;

export function isNetworkKey(text: string): text is NetworkKey {
  return DECLARED.test(text) || (text.startsWith("egress/") && isAddress(text.slice("egress/".length)));
}

/** What an engine shows of a network; the driver may be one that nobody asked for. */
export type SeenNetworkSpec = Omit<NetworkSpec, "gate" | "driver"> & {
  readonly driver: string;
  /** True where the engine's machine has an address on it. Behind a gate it must have none. */
  readonly reaches_host: boolean;
};

/** One thing in which a network is not as it should be. */
export interface NetworkDifference {
  readonly path: string;
  readonly before: Json;
  readonly after: Json;
}

/** What an engine shows otherwise than the spec asks for, the gate apart; what the spec leaves open may be anything. */
export function networkDifferences(spec: NetworkSpec, seen: SeenNetworkSpec): NetworkDifference[] {
  const options = Object.entries(spec.options).map(
    ([name, value]) => [`options.${name}`, seen.options[name] ?? null, value] as const,
  );
  const rows = [
    ["driver", seen.driver, spec.driver],
    ["internal", seen.internal, spec.internal || spec.gate !== undefined],
    ["subnet", seen.subnet ?? null, spec.subnet],
    ["gateway", seen.gateway ?? null, spec.gateway],
    ["reaches_host", seen.reaches_host, spec.gate === undefined ? undefined : false],
    ...options,
  ] as const;
  return rows.flatMap(([path, before, after]) =>
    after === undefined || before === after ? [] : [{ path, before, after }],
  );
}

/** `internal (asked true, found false)`, of all of them. */
export function tellDifferences(found: readonly NetworkDifference[]): string {
  return found
    .map(({ path, before, after }) => `${path} (asked ${word(after)}, found ${word(before)})`)
    .join("; ");
}

function word(value: Json): string {
  if (value === null) return "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** What a person does about one that is there and is not as it should be. */
export const REMAKE_NETWORK =
  "remove what is attached to it and the network itself (`docker network rm`), then apply again";

/** A network of our fleet as the engine shows it. */
export interface ObservedNetwork {
  /** Immutable id the engine gave; removal is by this. */
  readonly object_id: string;
  readonly name: string;
  readonly network: NetworkKey;
  readonly spec: SeenNetworkSpec;
  readonly gate?: ObservedGate;
  /** What is attached, stopped or not, without the gate. */
  readonly users: readonly { readonly object_id: string; readonly name: string }[];
  /** Somebody removed it: only its gate is left, whose id stands in `object_id`. */
  readonly gone?: true;
}

export interface ObservedGate {
  readonly object_id: string;
  /** `broken` runs, but is not connected as a gate must be. */
  readonly state: "running" | "stopped" | "broken";
  /** As `gateHash` gave it when the gate was made. */
  readonly hash: string;
}

/** A network to be made, and how its gate is known again. */
export interface NetworkRequest {
  /** Engine name. */
  readonly name: string;
  readonly network: NetworkKey;
  readonly fleet: string;
  readonly fleet_id?: string;
  readonly spec: NetworkSpec;
  /** What tells this gate from one with other rules; absent without a gate. */
  readonly gate_hash?: string;
}
