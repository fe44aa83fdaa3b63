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

/** A network of our fleet as the engine shows it. */
export interface ObservedNetwork {
  /** Immutable id the engine gave; removal is by this. */
  readonly object_id: string;
  readonly name: string;
  readonly network: NetworkKey;
  readonly spec: Omit<NetworkSpec, "gate">;
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
