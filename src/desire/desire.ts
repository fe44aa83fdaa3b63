/**
 * In: a resolved fleet, the drivers' data, and the sessions that already have runtimes or are about to be used.
 * Out: every runtime the fleet wants, with its name, spec and hash. No I/O; file facts are handed in.
 */
import type { DriverModule, PathFacts } from "../drivers/driver.ts";
import { THIS_HOST } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import type { EphemeralWish, PassingRole } from "../model/ephemeral.ts";
import type { NetworkKey } from "../model/network.ts";
import { ownNetworkKey } from "../model/network.ts";
import type { Address, RuntimeKind } from "../model/names.ts";
import { parseAddress } from "../model/names.ts";
import type { Provenance, ResolvedAgent, ResolvedFleet, Settings } from "../model/settings.ts";
import type { Spec, SpecHash } from "../model/spec.ts";
import { getPath } from "../util/json-path.ts";
import { specHash } from "./hash.ts";
import { runtimeName } from "./identity.ts";
import type { NetworkPlacement } from "./networks.ts";
import { placeNetwork } from "./networks.ts";
import { normaliseSpec } from "./normalise.ts";
import { placeSession } from "./sessions.ts";

export interface DesiredRuntime {
  readonly address: Address;
  readonly kind: RuntimeKind;
  readonly backend: string;
  readonly host: string;
  /** Canonical engine name. */
  readonly name: string;
  /** The agent that owns it; the first one, by name, of a shared runtime. */
  readonly agent: string;
  /** Set for a runtime that serves one session. */
  readonly session?: string;
  readonly spec: Spec;
  readonly spec_hash: SpecHash;
  readonly settings: Settings;
  /** `on-use` ones are created by their first use, not by apply. */
  readonly provision: "eager" | "on-use";
  readonly image?: { readonly ref: string; readonly policy: string };
  /** The network of the fleet's own that it is on. */
  readonly network?: NetworkKey;
  /** Of one that no declaration yields: made for a single run, and gone after it. */
  readonly passing?: PassingRole;
  provenance(path: string): Provenance;
}

export type Modules = Readonly<Record<string, DriverModule>>;

export interface DesireInput {
  readonly fleet: ResolvedFleet;
  readonly modules: Modules;
  readonly paths: PathFacts;
  /** Addresses that exist, are dormant, or are about to be used: on-demand sessions are found through them. */
  readonly known: Iterable<string>;
  /** A one-off runtime that is wanted beside what is declared. */
  readonly ephemeral?: EphemeralWish | undefined;
}

interface Shape {
  readonly spec: Spec;
  readonly hash: SpecHash;
  readonly image: DesiredRuntime["image"];
  readonly placement: NetworkPlacement | undefined;
}

export function desire(input: DesireInput): DesiredRuntime[] {
  const shapeOf = memoShapes(input);
  const wanted = new Map<Address, DesiredRuntime>();
  const agents = new Map(input.fleet.agents.map((agent) => [agent.name, agent]));
  const add = (agent: ResolvedAgent, session: string, declared: boolean): void => {
    const placement = placeSession(agent.settings, agent.name, session);
    if (!placement.sandboxed || wanted.has(placement.address)) return;
    const { address } = placement;
    wanted.set(address, {
      ...runtimeOf(input.fleet, address, agent, shapeOf(agent.settings)),
      ...(agent.settings.scope === "session" ? { session } : {}),
      provision: declared ? agent.settings.provision : "on-use",
    });
  };
  for (const agent of [...agents.values()].toSorted((a, b) => compareText(a.name, b.name))) {
    for (const session of agent.sessions) add(agent, session, true);
  }
  for (const address of input.known) {
    for (const { agent, session } of candidates(address, agents)) {
      const placement = placeSession(agent.settings, agent.name, session);
      if (placement.sandboxed && placement.address === address) add(agent, session, false);
    }
  }
  const { ephemeral } = input;
  const agent = ephemeral === undefined ? undefined : agents.get(ephemeral.agent);
  if (ephemeral !== undefined && agent !== undefined) {
    const { address, expires_at, keep, role = "ephemeral" } = ephemeral;
    wanted.set(address, {
      ...runtimeOf(input.fleet, address, agent, shapeOf(agent.settings)),
      provision: "on-use",
      passing: { role, expires_at, keep },
    });
  }
  return [...wanted.values()].toSorted((a, b) => compareText(a.address, b.address));
}

function runtimeOf(
  { name_prefix, fleet }: ResolvedFleet,
  address: Address,
  agent: ResolvedAgent,
  shape: Shape,
): Omit<DesiredRuntime, "session" | "provision" | "passing"> {
  const { settings } = agent;
  return {
    address,
    kind: "sandbox",
    backend: settings.backend,
    host: settings.host ?? THIS_HOST,
    name: runtimeName(name_prefix, fleet, address),
    agent: agent.name,
    spec: shape.spec,
    spec_hash: shape.hash,
    settings,
    ...(shape.image === undefined ? {} : { image: shape.image }),
    ...networkOf(address, shape),
    provenance: (path) => agent.provenance(path),
  };
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** Stands for "any session that is not main", which no declared name can be mistaken for. */
const ANY_SESSION = "";

/** Who could be meant by an address that no declared session yields: a declared agent with a session of its own making. */
function candidates(
  address: string,
  agents: ReadonlyMap<string, ResolvedAgent>,
): { agent: ResolvedAgent; session: string }[] {
  const parts = parseAddress(address);
  if (parts === undefined || parts.kind !== "sandbox" || parts.scope === "ephemeral") return [];
  if (parts.scope === "shared") return [...agents.values()].map((agent) => ({ agent, session: ANY_SESSION }));
  const agent = agents.get(parts.agent);
  if (agent === undefined) return [];
  return [{ agent, session: parts.scope === "session" ? parts.session : ANY_SESSION }];
}

/** Agents that resolve alike share one settings object; their spec and hash are computed once. */
function memoShapes(input: DesireInput): (settings: Settings) => Shape {
  const shapes = new Map<Settings, Shape>();
  return (settings) => {
    const known = shapes.get(settings);
    if (known !== undefined) return known;
    const module = input.modules[settings.backend];
    if (module === undefined) {
      throw new SandkeepError(`no driver is loaded for backend ${settings.backend}`, {
        code: "INTERNAL",
        blame: "tool",
      });
    }
    const host = settings.host === undefined ? undefined : input.fleet.hosts[settings.host];
    const placement = placeNetwork(settings, module, input.fleet);
    const spec = normaliseSpec("sandbox", settings, module, host, input.paths, placement);
    const shape = { spec, hash: specHash(spec, module.fields), image: imageOf(spec, module), placement };
    shapes.set(settings, shape);
    return shape;
  };
}

function networkOf(address: Address, { placement }: Shape): Pick<DesiredRuntime, "network"> {
  return placement === undefined ? {} : { network: placement.key ?? ownNetworkKey(address) };
}

function imageOf(spec: Spec, module: DriverModule): DesiredRuntime["image"] {
  if (!module.capabilities.images) return undefined;
  const ref = getPath(spec.values, `${spec.backend}.image`);
  const policy = getPath(spec.values, `${spec.backend}.image_policy`);
  return typeof ref === "string"
    ? { ref, policy: typeof policy === "string" ? policy : "missing" }
    : undefined;
}
