import { foreignBecause } from "../../model/ownership.ts";
import type { Json } from "../../model/json.ts";
import type { RuntimeLabels } from "../../model/labels.ts";
import { FLEET_LABEL, decodeLabels, encodeLabels } from "../../model/labels.ts";
import { isAddress } from "../../model/names.ts";
import type { DormancyMark, ForeignObject, ObservedRuntime, RuntimeState } from "../../model/observed.ts";
import type { NetworkKey, ObservedGate, ObservedNetwork } from "../../model/network.ts";
import { ownerOfNetwork } from "../../model/network.ts";
import type { ImageIdentity, Spec } from "../../model/spec.ts";
import { getPath } from "../../util/json-path.ts";
import type { DriverEvent, ObserveScope } from "../driver.ts";
import { reservedNames } from "../driver.ts";
import { memoryError } from "./errors.ts";
import type { FileTree } from "./file-tree.ts";
import type { Running } from "./exec.ts";
import { isKeeper, networkOf } from "./spec.ts";

/** One object of an engine. Mutable: it is the world that tests change behind the driver's back. */
export interface MemoryObject {
  readonly id: string;
  name: string;
  labels: Readonly<Record<string, string>>;
  /** Undefined for objects that are not ours. */
  decoded: RuntimeLabels | undefined;
  readonly spec: Spec | undefined;
  state: RuntimeState;
  readonly createdAt: number;
  startedAt: number | undefined;
  exitCode: number | undefined;
  readonly fields: Record<string, Json>;
  readonly image: ImageIdentity | undefined;
  readonly files: FileTree;
  readonly running: Set<Running>;
  /** How it looks; undefined after every change, so that listing many unchanged ones costs nothing. */
  seen: ObservedRuntime | undefined;
}

/** Absent while a runtime is not running; an empty list while its main program waits. */
export const SECRETS = "memory.command_secrets";

interface StoredMark extends DormancyMark {
  readonly fleet: string;
  readonly fleet_id: string | undefined;
}

interface Volume {
  readonly fleet: string;
  readonly fleet_id: string | undefined;
  readonly address: string;
  readonly files: FileTree;
}

/** A network of some fleet. Mutable: tests take its gate away behind the driver's back. */
export interface MemoryNetwork {
  readonly id: string;
  readonly name: string;
  /** Undefined for one that sandkeep did not make. */
  readonly owner: { readonly fleet: string; readonly fleet_id: string | undefined } | undefined;
  readonly network: NetworkKey | undefined;
  readonly spec: ObservedNetwork["spec"];
  gate: ObservedGate | undefined;
}

interface Subscriber {
  readonly scope: ObserveScope;
  readonly notify: (event: DriverEvent) => void;
}

/** What an engine would list at one moment. */
export interface MachineView {
  readonly objects: readonly {
    readonly name: string;
    readonly id: string;
    readonly seen: ObservedRuntime | undefined;
  }[];
  readonly labels: readonly Readonly<Record<string, string>>[];
  readonly marks: readonly StoredMark[];
  readonly networks: readonly SeenNetwork[];
}

type SeenNetwork = Pick<MemoryNetwork, "id" | "name" | "owner" | "network" | "spec" | "gate"> & {
  readonly users: ObservedNetwork["users"];
};

function owns(scope: ObserveScope, fleet: string | undefined, fleetId: string | undefined): boolean {
  return fleet !== undefined && foreignBecause(scope, { fleet, fleet_id: fleetId }) === undefined;
}

/** One host's engine: objects by id and by name, images, volumes, marks and subscribers. */
export class Machine {
  readonly host: string;
  readonly objects = new Map<string, MemoryObject>();
  readonly names = new Map<string, MemoryObject>();
  /** Ref → digest, as this engine holds them. */
  readonly images = new Map<string, string>();
  readonly volumes = new Map<string, Volume>();
  readonly networks = new Map<string, MemoryNetwork>();
  reachable = true;
  #marks: readonly StoredMark[] = [];
  readonly #subscribers = new Set<Subscriber>();

  constructor(host: string) {
    this.host = host;
  }

  object(id: string): MemoryObject {
    const found = this.objects.get(id);
    if (found === undefined) throw memoryError("not-found", `there is no object ${id}`);
    return found;
  }

  /** The name table is the mutex: one holder a name, decided in one turn of the event loop. */
  add(object: MemoryObject): void {
    if (this.names.has(object.name)) throw memoryError("conflict", `the name ${object.name} is taken`);
    this.names.set(object.name, object);
    this.objects.set(object.id, object);
    this.changed(object);
  }

  rename(object: MemoryObject, to: string): void {
    if (object.name === to) return;
    if (this.names.has(to)) throw memoryError("conflict", `the name ${to} is taken`);
    this.names.delete(object.name);
    object.name = to;
    this.names.set(to, object);
    this.changed(object);
  }

  remove(object: MemoryObject): void {
    for (const each of object.running) each.end(137);
    this.names.delete(object.name);
    this.objects.delete(object.id);
    this.changed(object);
  }

  /** The main program begins, or waits where it is to have secrets: memory of an earlier start is gone. */
  start(object: MemoryObject, now: number): void {
    object.state = "running";
    object.startedAt = now;
    object.exitCode = undefined;
    if (object.spec !== undefined && getPath(object.spec.values, SECRETS) !== undefined) {
      object.fields[SECRETS] = [];
    }
    this.changed(object);
  }

  stop(object: MemoryObject, exitCode: number): void {
    for (const each of object.running) each.end(137);
    object.state = "stopped";
    object.exitCode = exitCode;
    object.startedAt = undefined;
    delete object.fields[SECRETS];
    this.changed(object);
  }

  relabel(object: MemoryObject, labels: RuntimeLabels): void {
    object.labels = encodeLabels(labels);
    object.decoded = decodeLabels(object.labels);
    this.changed(object);
  }

  /** To be called after every change: drops the cached look and tells subscribers. */
  changed(object: MemoryObject): void {
    object.seen = undefined;
    const { decoded } = object;
    if (decoded === undefined) return;
    for (const { scope, notify } of this.#subscribers) {
      if (!owns(scope, decoded.fleet, decoded.fleet_id)) continue;
      if (scope.addresses !== undefined && !scope.addresses.includes(decoded.address)) continue;
      notify({ kind: "changed", address: decoded.address });
    }
  }

  gap(): void {
    for (const { notify } of this.#subscribers) notify({ kind: "gap" });
  }

  subscribe(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber);
    return () => void this.#subscribers.delete(subscriber);
  }

  mark(scope: ObserveScope, address: string, mark: Omit<DormancyMark, "address"> | undefined): void {
    const { fleet, fleet_id } = scope;
    if (!isAddress(address)) throw memoryError("terminal", `${address} is no address`);
    const others = this.#marks.filter(
      (each) => each.address !== address || !owns(scope, each.fleet, each.fleet_id),
    );
    if (mark === undefined) this.#marks = others;
    else this.#marks = [...others, { address, since: mark.since, reason: mark.reason, fleet, fleet_id }];
  }

  view(): MachineView {
    const objects = [...this.objects.values()];
    return {
      objects: objects.map((object) => ({ name: object.name, id: object.id, seen: lookOf(object) })),
      labels: objects.map((object) => object.labels),
      marks: this.#marks,
      networks: [...this.networks.values()].map((each) => ({ ...each, users: this.usersOf(each) })),
    };
  }

  /** Objects made for a network, running or not. */
  usersOf({ name }: Pick<MemoryNetwork, "name">): ObservedNetwork["users"] {
    return [...this.objects.values()]
      .filter((each) => networkOf(each) === name)
      .map((each) => ({ object_id: each.id, name: each.name }));
  }
}

export function lookOf(object: MemoryObject): ObservedRuntime | undefined {
  const { decoded } = object;
  if (decoded === undefined) return undefined;
  object.seen ??= {
    object_id: object.id,
    name: object.name,
    labels: decoded,
    state: object.state,
    health: "none",
    created_at: object.createdAt,
    ...(object.startedAt === undefined ? {} : { started_at: object.startedAt }),
    ...(object.exitCode === undefined ? {} : { exit_code: object.exitCode }),
    fields: { ...object.fields },
    ...(object.image === undefined ? {} : { image: object.image }),
    execs: object.running.size,
    ...(isKeeper(object.fields["memory.command"]) ? { main: "keeper" } : {}),
  };
  return object.seen;
}

export interface Listing {
  readonly runtimes: readonly ObservedRuntime[];
  readonly foreign: readonly ForeignObject[];
  readonly dormant: readonly DormancyMark[];
  readonly networks: readonly ObservedNetwork[];
}

/** Sorts a view into ours, foreign and of no interest. */
export function listFleet(view: MachineView, scope: ObserveScope): Listing {
  const runtimes: ObservedRuntime[] = [];
  const foreign: ForeignObject[] = [];
  const owned = ({ fleet, fleet_id }: RuntimeLabels): boolean => owns(scope, fleet, fleet_id);
  const own = view.objects.flatMap(({ seen }) =>
    seen !== undefined && owned(seen.labels) ? [seen.labels] : [],
  );
  const wanted = reservedNames(scope, own);
  const addresses = scope.addresses === undefined ? undefined : new Set<string>(scope.addresses);
  view.objects.forEach(({ name, id, seen }, index) => {
    if (seen !== undefined && owned(seen.labels)) {
      if (addresses === undefined || addresses.has(seen.labels.address)) runtimes.push(seen);
      return;
    }
    const sameFleet = view.labels[index]?.[FLEET_LABEL] === scope.fleet;
    const why = sameFleet || wanted.has(name) ? foreignReason(scope, seen?.labels, sameFleet) : undefined;
    if (why !== undefined) foreign.push({ name, object_id: id, why });
  });
  const dormant = view.marks
    .filter((mark) => owns(scope, mark.fleet, mark.fleet_id))
    .filter((mark) => addresses === undefined || addresses.has(mark.address))
    .map(({ address, since, reason }) => ({ address, since, reason }));
  const networks = view.networks.flatMap((each) => {
    const why = strangeNetwork(each, scope);
    if (why !== undefined && scope.networks?.includes(each.name) === true)
      foreign.push({ name: each.name, object_id: each.id, why });
    const owner = each.network === undefined ? undefined : ownerOfNetwork(each.network);
    const asked = owner === undefined || addresses === undefined || addresses.has(owner);
    if (why !== undefined || each.network === undefined || !asked) return [];
    const { id, name, network, spec, gate, users } = each;
    return [
      { object_id: id, name, network, spec, users, ...(gate === undefined ? {} : { gate: { ...gate } }) },
    ];
  });
  return { runtimes, foreign, dormant, networks };
}

export function strangeNetwork(
  { owner }: Pick<MemoryNetwork, "owner">,
  scope: Pick<ObserveScope, "fleet" | "fleet_id">,
): string | undefined {
  if (owner === undefined) return "sandkeep did not make it";
  const { fleet, fleet_id } = owner;
  return foreignBecause(scope, { fleet, ...(fleet_id === undefined ? {} : { fleet_id }) });
}

function foreignReason(
  scope: ObserveScope,
  labels: RuntimeLabels | undefined,
  sameFleet: boolean,
): string | undefined {
  if (labels !== undefined) return foreignBecause(scope, labels);
  return sameFleet
    ? `it has the label of fleet "${scope.fleet}", but not labels that this version reads`
    : "the name is held by something that sandkeep did not make";
}
