import type { Driver, DriverModule, EngineWarning, ObserveScope } from "../drivers/driver.ts";
import type { EventSink } from "../model/event.ts";
import type { Json, JsonObject } from "../model/json.ts";
import type { Change, GraphNode, Plan } from "../model/plan.ts";
import type { ImageIdentity, Spec } from "../model/spec.ts";
import type { StageKeeper } from "../plan/stage-keeper.ts";
import type { FleetState } from "../state/directory.ts";
import type { Journal } from "../state/journal.ts";
import type { Wait } from "../util/wait.ts";

/** Everything the executor works with. It decides nothing: what to do, and what undoes it, is in the plan. */
export interface ApplyContext {
  readonly plan: Plan;
  /** By engine key. */
  readonly drivers: ReadonlyMap<string, Driver>;
  readonly modules: Readonly<Record<string, DriverModule>>;
  readonly scope: (engine: string) => ObserveScope;
  /** What an object was made from, as its labels told when it was observed. */
  readonly observedSpec: (objectId: string) => Spec | undefined;
  readonly owner: string;
  readonly now: () => number;
  readonly wait: Wait;
  readonly sink: EventSink;
  readonly journal: Journal;
  /** Rejects when another process has taken over: the step must not happen. */
  readonly assertHeld: () => Promise<void>;
  /** Keeps `run` from starting in a runtime while it is being replaced or removed. */
  readonly lockAddress: (address: string) => Promise<AsyncDisposable>;
  /** Whether a run is open in this address, and when the last one was known; milliseconds since the epoch, -1 for never. */
  readonly useOf: (address: string) => Promise<{ readonly open: boolean; readonly last: number }>;
  /** Told before the step that takes a runtime from whoever uses it. */
  readonly disrupt: (change: Change) => Promise<void>;
  /** Why a person wants this address left alone, when one does. */
  readonly heldNow: (address: string) => Promise<string | undefined>;
  /** Values of a spec's secrets for its setup or its main program; throws when one cannot be read. */
  readonly secretsFor: (
    change: Change,
    values: JsonObject,
    use: "setup" | "command",
    /** Names of further ones to read, whatever the config has them for. */
    also?: readonly string[],
  ) => Promise<Record<string, string>>;
  /** Values of all secrets that the change's runtime may have seen, but for those that cannot be read now. */
  readonly readableSecrets: (change: Change) => Promise<readonly string[]>;
  /** Told at once of each image that was pulled, so that it is known later whose it is. */
  readonly pulled?: (image: PulledImage) => Promise<void>;
  /** Told of each runtime that was changed in place: the values that are now proved and that its labels do not tell. */
  readonly updated?: (objectId: string, values: Readonly<Record<string, Json>>) => Promise<void>;
  /** Where what is kept of removed runtimes goes. */
  readonly state: FleetState;
  /** Base of the state directory: never part of a workspace that is copied. */
  readonly stateDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stages: StageKeeper | undefined;
  /** Ids of what was created; steps add to it. */
  readonly made: Set<string>;
  /** Driver calls made so far; steps add to it. */
  readonly calls: { read: number; write: number };
  readonly parallelism: number | undefined;
  /** Once aborted, no change is begun; those under way are finished. */
  readonly signal: AbortSignal | undefined;
}

/** What the steps of one change share while they run. */
export interface ChangeRun {
  readonly change: Change;
  readonly driver: Driver;
  readonly module: DriverModule;
  readonly nodes: readonly GraphNode[];
  /** Id of the object that this change's `create` made. */
  created?: string;
  needsSeed: boolean;
  /** Values that the runtime was given: masked in whatever it says. In memory only. */
  readonly secrets: Set<string>;
  /** What main programs begin with, by name; read before the change disturbs anything. In memory only. */
  readonly commandSecrets: Map<string, string>;
  /** What the engine said at the creation. */
  warnings?: readonly EngineWarning[];
  /** Creation time on the labels of what this change creates. */
  stamp?: number;
  /** Held from the first step that disturbs an existing runtime to the end of the change. */
  lock?: AsyncDisposable;
}

/** An image that an engine did not have before sandkeep fetched it. */
export interface PulledImage {
  readonly backend: string;
  readonly host: string;
  readonly engine_id: string;
  readonly image_id: string;
  /** As the config names it. */
  readonly ref: string;
}

/** Images that this apply fetched, by image key. */
export type Fetched = Map<string, ImageIdentity>;
