/**
 * The driver contract: what a backend must be able to do, and what it says of itself.
 * Each method is one idempotent effect. NotFound on remove and NotModified on stop or start are success.
 * Every failure is a SandkeepError whose `kind` says how to handle it.
 */
import type { Readable, Writable } from "node:stream";
import type { Check } from "../model/attestation.ts";
import type { Capabilities } from "../model/capabilities.ts";
import type { FetchedImage, HeldImages, ImageQuery, ImageState } from "../model/engine-images.ts";
import type { EngineInventory, HostContainer } from "../model/host.ts";
import type { FieldRow } from "../model/fields.ts";
import type { HealthReport } from "../model/health.ts";
import type { JsonObject } from "../model/json.ts";
import type { NetworkRequest } from "../model/network.ts";
import type { RuntimeLabels } from "../model/labels.ts";
import { slotNames } from "../model/names.ts";
import type { DormancyMark, Observation, ObservedRuntime, RuntimeChanges } from "../model/observed.ts";
import type { Probe, ProbeReason } from "../model/posture.ts";
import type { Host, SecretRef, Settings } from "../model/settings.ts";
import type { ImageIdentity, Spec, WorkspaceProvider } from "../model/spec.ts";
import type { CacheBounds } from "../model/cache.ts";
import type { LaneBounds } from "../model/lanes.ts";
import type { OpenWorkspace } from "../util/open-workspace.ts";
import type { PathFacts } from "../util/path-facts.ts";
import type { ReturnedChanges } from "../util/returned-changes.ts";
import type { SalvageSource, WorkspaceFate } from "../util/salvage-source.ts";

export { THIS_HOST } from "../model/names.ts";

/** Everything a driver needs from outside, so that tests can hand in their own. */
export interface DriverDeps {
  /** Base of sandkeep's state; directory runtimes live below it. */
  readonly stateDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => number;
  /** Random lowercase hex, 16 characters. */
  readonly randomId: () => string;
  /** A secret's value, read now; rejects with what is the matter. `folder` is where its program starts. Only for hosts. */
  readonly secret?: (ref: SecretRef, folder: string) => Promise<string>;
}

export type { FetchedImage, HeldImage, HeldImages, ImageQuery, ImageState } from "../model/engine-images.ts";
export type { HealthReport, NetworkRequest, PathFacts };
export type { SalvagePart, SalvageSource, WorkspaceFate } from "../util/salvage-source.ts";

/** One missing or impossible setting, told by `validate` with the position of `path`, such as `docker.image`. */
export interface Requirement {
  readonly path: string;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

export interface ObserveScope {
  readonly fleet: string;
  readonly fleet_id?: string;
  /** Canonical names the fleet wants: a holder that is not ours is reported as foreign. */
  readonly names: readonly string[];
  /** Engine names of the networks the fleet wants: a holder that is not ours is reported as foreign. */
  readonly networks?: readonly string[];
  /** Only these addresses are of interest: a driver may look at no others. */
  readonly addresses?: readonly string[];
  /** True asks for the foreign objects of other sandbox tools as well, where a driver knows any and they cost no call. */
  readonly neighbours?: boolean;
  /**
   * Of interest is only whether runtimes are there and in use: those under `names`, and those beside them unless
   * `canonical`. A driver may look for nothing else, and leave out their `fields`.
   */
  readonly only?: "runtimes" | "canonical";
}

/**
 * Engine names in which a foreign holder stands in the fleet's way: those of what is declared, and those of what it
 * already has, since a session that no config names is kept as well.
 */
export function reservedNames(
  scope: ObserveScope,
  own: Iterable<{ readonly name: string }>,
): ReadonlySet<string> {
  const canonical = new Set(scope.names);
  for (const { name } of own) canonical.add(name);
  return new Set([...canonical].flatMap((name) => slotNames(name)));
}

export type TerminalSize = Readonly<Record<"columns" | "rows", number>>;

/** What a command of an ephemeral backend is made of: nothing of it exists before. */
export interface BuildRequest {
  readonly spec: Spec;
  /** Exactly this one, whatever the reference means by now. */
  readonly image?: ImageIdentity;
  /** Called once, after the streams and before the result, whatever the command's exit code. */
  readonly bringBack: (changes: ReturnedChanges) => Promise<void>;
  /** Called once where the command was ended and only its output is still asked for: nothing of it runs, and nothing comes back. */
  readonly over?: () => Promise<void>;
}

export interface ExecRequest {
  /** Of an ephemeral backend the address, since there is no object. */
  readonly objectId: string;
  /** Given where and only where `capabilities.lifecycle` is `ephemeral`. */
  readonly build?: BuildRequest;
  readonly argv: readonly string[];
  /** Added to the spec's own environment; may hold secrets, so it never reaches an argv or, but for PATH, what an engine keeps. */
  readonly env: Readonly<Record<string, string>>;
  /** Of a command where `/bin/sh` is: `env` comes past the engine's own records, if it has any. */
  readonly sealed?: boolean;
  /** Absolute path inside the runtime; absent means the workspace target. */
  readonly cwd?: string;
  /** Present when the command gets a terminal; stdout then carries both streams. */
  readonly tty?: TerminalSize;
  readonly stdin?: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

export interface ExecResult {
  /** The command's own code; 128 + n when signal n ended it, as shells tell it. */
  readonly exitCode: number;
  /** What the backend knows of the reason: it ended for want of memory, or the sandbox refused to run it. */
  readonly because?: "out-of-memory" | "refused" | undefined;
  /** What it changed in its workspace went with it; only of an ephemeral backend. */
  readonly changesLost?: boolean | undefined;
}

export interface ExecHandle {
  /** Settles when the command has ended and its streams are drained. Rejects when the outcome is not known. */
  readonly result: Promise<ExecResult>;
  /** Signals the command and its children. */
  signal(name: NodeJS.Signals): Promise<void>;
  resize(size: TerminalSize): Promise<void>;
}

export interface CreateRequest {
  /** Engine name; creating it is the mutex. A holder of the name is a `conflict` error. */
  readonly name: string;
  readonly labels: RuntimeLabels;
  readonly spec: Spec;
}

/** What an engine said while it did what it was told. */
export interface EngineWarning {
  /** The field that it will not enforce; undefined for what is no such thing. */
  readonly path: string | undefined;
  readonly message: string;
}

export interface Created {
  readonly objectId: string;
  /** True when a new, empty workspace was made that must be seeded from the source. */
  readonly needsSeed: boolean;
  readonly warnings?: readonly EngineWarning[];
}

export interface UpdateRequest {
  readonly objectId: string;
  readonly spec: Spec;
  /** Field-table paths to bring in line. */
  readonly paths: readonly string[];
  /** Written where the backend's labels can change. */
  readonly labels: RuntimeLabels;
}

/** A program of this machine, for a runtime. */
export interface Program {
  /** Plain letters, digits and dashes; tells it from others in the same runtime. */
  readonly id: string;
  /** What commands call it. */
  readonly name: string;
  readonly bytes: number;
  /** Its content; read once. */
  readonly content: Readable;
}

export interface PlacedProgram extends AsyncDisposable {
  /** A PATH for commands that finds it first, and then what they find without it. */
  readonly path: string;
}

export type DriverEvent =
  /** Something happened to a runtime of the fleet. */
  | { readonly kind: "changed"; readonly address: string }
  /** Events may have been lost: everything must be looked at again. */
  | { readonly kind: "gap" };

/** The half of a driver that cannot change anything. */
export interface ReadDriver extends AsyncDisposable {
  probe(): Promise<Probe>;
  /** For each of these settings, what it asks for and the host cannot have, as far as looking tells. */
  lacks?(settings: readonly Settings[]): Promise<readonly (readonly ProbeReason[])[]>;
  /** Never throws for a backend that is away: that is an `unobserved` observation. */
  observe(scope: ObserveScope): Promise<Observation>;
  /** One runtime by its immutable id; undefined when it is gone. */
  inspect(objectId: string): Promise<ObservedRuntime | undefined>;
  health(objectId: string): Promise<HealthReport>;
  /** What removing the runtime would destroy; undefined when it is gone. Only where `capabilities.changes`. */
  changes?(id: string, workspace: WorkspaceFate, signal?: AbortSignal): Promise<RuntimeChanges | undefined>;
  /** With `known` given no registry is asked for what the tag means now. */
  resolveImage(ref: string, policy: string, query?: ImageQuery): Promise<ImageState>;
  /** Everything the engine holds; only where `capabilities.images`. */
  images?(): Promise<HeldImages>;
  /** Everything the engine holds, of whomever, with these of its labels; only where `capabilities.images`. */
  inventory?(labels: readonly string[]): Promise<EngineInventory>;
  /** One of those alone, told alike; undefined where there is none of that id. */
  held?(objectId: string, labels: readonly string[]): Promise<HostContainer | undefined>;
  /** Resolves once subscribed, so that a listing made afterwards misses nothing. */
  events(scope: ObserveScope, signal: AbortSignal): Promise<AsyncIterable<DriverEvent>>;
}

export interface Driver extends ReadDriver {
  /** Exactly `wanted` when it is given, whatever the reference means by now. */
  fetch(
    ref: string,
    policy: string,
    onProgress: (message: string, fraction: number | null) => void,
    wanted?: ImageIdentity,
  ): Promise<FetchedImage>;
  /** Refused (`conflict`) while something on the engine needs it; only where `capabilities.images`. */
  removeImage?(imageId: string): Promise<void>;
  create(request: CreateRequest): Promise<Created>;
  start(objectId: string): Promise<void>;
  /** Given `graceS` seconds to end by itself; without them, as long as it was made to be given. */
  stop(objectId: string, graceS?: number): Promise<void>;
  update(request: UpdateRequest): Promise<void>;
  rename(objectId: string, to: string): Promise<void>;
  /**
   * Makes the network, and a gate that runs as asked; what is right is left. A `conflict` when the name is held by what is
   * not this fleet's. Only where `capabilities.networks`, as is `removeNetwork`.
   */
  ensureNetwork?(request: NetworkRequest): Promise<void>;
  /** By id, with its gate. A `conflict` while anything else is attached, running or not. */
  removeNetwork?(objectId: string): Promise<void>;
  remove(objectId: string, workspace: WorkspaceFate): Promise<void>;
  /** Sets or (with undefined) clears an address's dormancy mark. */
  mark(scope: ObserveScope, address: string, mark: Omit<DormancyMark, "address"> | undefined): Promise<void>;
  /**
   * Deletes the canonical workspace kept for an address without a runtime, where it is this fleet's, and no mark; nothing
   * there is success. A `conflict` while a runtime uses it.
   */
  forget(scope: ObserveScope, address: string): Promise<void>;
  exec(request: ExecRequest): Promise<ExecHandle>;
  /**
   * Hands secrets to the main program of a running runtime that waits for them, and returns when it has begun with
   * them. They are in its environment then and nowhere else. One that has begun already keeps what it has. Only where
   * `command_secrets` can be a field.
   */
  deliver?(objectId: string, secrets: Readonly<Record<string, string>>): Promise<void>;
  /**
   * Holds the spec's limits, mounts, network and privileges against what a command inside the running runtime sees.
   * Changes nothing there and is no use of it. What cannot be looked at is a check that says `unknown`.
   */
  attest(objectId: string, spec: Spec): Promise<readonly Check[]>;
  /**
   * Puts a program where commands of the running runtime can start it: outside its workspace, in a folder that nobody else
   * uses and that goes with the answer's disposal. A `denied` error where no place allows it. Only where the backend can.
   */
  placeProgram?(objectId: string, program: Program): Promise<PlacedProgram>;
  /** Removes what the engine's cache has beyond these bounds; only of an ephemeral backend. */
  prune?(bounds: CacheBounds): Promise<void>;
  /** Unpacks a tar stream below an absolute directory of the runtime. */
  putFiles(objectId: string, directory: string, tar: Readable): Promise<void>;
  /** A tar stream of a path in the runtime. */
  getFiles(objectId: string, path: string): Promise<Readable>;
  /** A running runtime's canonical workspace; `transient` while another has it open. Only where `provider` can be `volume`. */
  openWorkspace?(objectId: string): Promise<OpenWorkspace>;
  /** The contents of what `changes` tells, running or not; undefined when it is gone. Only where `capabilities.changes`. */
  salvage?(objectId: string, workspace: WorkspaceFate): Promise<SalvageSource | undefined>;
}

/** What the registry imports: data and pure functions; connecting happens only in `open`. */
export interface DriverModule {
  readonly backend: string;
  readonly capabilities: Capabilities;
  /** One row for every path the backend's specs can hold. */
  readonly fields: readonly FieldRow[];
  /** How the workspace gets in, from settings and where the engine is. */
  provider(settings: Settings, host: Host | undefined): WorkspaceProvider;
  /** What is missing or contradictory for this backend. */
  require(settings: Settings, host: Host | undefined): readonly Requirement[];
  /** Sentences a person must not miss about these settings, such as that they are no security boundary. */
  notes(settings: Settings): readonly string[];
  /** How many commands an endpoint takes at once; a backend that needs no bound leaves it out. */
  lane?(settings: Settings): LaneBounds;
  /** What these settings leave of the endpoint's cache; undefined where they say nothing of it. */
  cache?(settings: Settings): CacheBounds | undefined;
  /** Pure and frozen per hash version: units canonical, paths real, sets sorted, no nulls. Returns the backend's section. */
  normalise(options: JsonObject, facts: PathFacts): JsonObject;
  /** Whether this machine has the sockets, keys and programs that these settings need. Connects to and starts nothing. */
  preflight(settings: readonly Settings[], host: Host | undefined, deps: DriverDeps): Promise<Probe>;
  /** Sockets of this machine on which settings say that an engine listens: whoever has one owns the machine. */
  sockets?(host: Host | undefined, env: DriverDeps["env"]): readonly string[];
  /** Whether this machine could have an engine of it; a backend that needs none leaves it out. */
  installed?(env: DriverDeps["env"]): Promise<boolean>;
  openReader(host: Host | undefined, deps: DriverDeps): Promise<ReadDriver>;
  /** `seenBy`, by now closed, read the same engine: what it was told just now need not be asked for again. */
  open(host: Host | undefined, deps: DriverDeps, seenBy?: ReadDriver): Promise<Driver>;
}

/** How to find a backend's driver; each is imported only when a fleet uses it, and tests add their own. */
export type DriverRegistry = Readonly<Record<string, () => Promise<DriverModule>>>;
