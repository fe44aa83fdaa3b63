import type { JsonObject } from "./json.ts";
import type { RolloutSettings } from "./rollout.ts";
import type { SalvageSettings } from "./salvage.ts";
import type { KeyPath, Source } from "./source.ts";
import type { StageSettings } from "./stage.ts";

export type Mode = "off" | "non-main" | "all";
export type Scope = "session" | "agent" | "shared";
export type Access = "none" | "ro" | "rw";
/** Milliseconds, or `"off"` where the check is disabled. */
export type DurationSetting = number | "off";

/** Where a secret's value comes from; the value itself is read at the last moment and never stored. */
export type SecretRef =
  { readonly env: string } | { readonly file: string } | { readonly command: readonly string[] };

/** Who consumes a secret: commands, the setup of a new runtime, or the main program of a container. */
export type SecretUse = "run" | "setup" | "command";

export type SecretSetting = SecretRef & { readonly for?: readonly SecretUse[] };

export interface WorkspaceSettings {
  /** Absolute path on this machine. */
  readonly source: string;
  readonly access: Access;
  /** Absolute path inside the runtime; also a run's working directory. */
  readonly target: string;
  /** When a copy on another machine is brought up to date; absent means once, when it is made. */
  readonly sync?: "seed" | "before-run";
  /** What a copy leaves out beside what is named in `.sandkeepignore`; absent means nothing. */
  readonly ignore?: "off" | "gitignore";
}

export interface PruneSettings {
  readonly idle: DurationSetting;
  readonly max_age: DurationSetting;
}

export interface DisruptionSettings {
  readonly when: "now" | "idle" | "never";
  readonly max_wait: DurationSetting;
}

/** How a runtime proves that it is ready; without it, going on running is the proof (two seconds for a program). */
export interface ReadySettings {
  readonly command: readonly string[];
  /** Milliseconds. */
  readonly timeout: number;
  /** Milliseconds. */
  readonly interval: number;
}

/** What may leave a sandbox; everything else is denied. */
export interface EgressSettings {
  /** `pypi.org`, `*.npmjs.org`, `10.0.0.5:5432`. */
  readonly allow: readonly string[];
  /** Image the gate runs in; absent means the sandbox's own. */
  readonly image?: string;
}

/** `[networks.NAME]`: a network that the fleet makes and removes. */
export interface NetworkSettings {
  readonly name: string;
  readonly driver: "bridge";
  readonly internal: boolean;
  readonly subnet?: string;
  readonly gateway?: string;
  readonly options: Readonly<Record<string, string>>;
  readonly egress?: Required<EgressSettings>;
}

/** Milliseconds after which a step is given up. */
export interface TimeoutSettings {
  readonly fetch: number;
  readonly seed: number;
  readonly setup: number;
}

/** One agent's `[sandbox]` with every default filled in. Key names are those of the config file. */
export interface Settings {
  readonly mode: Mode;
  readonly scope: Scope;
  readonly backend: string;
  /** Name of a `[hosts.<name>]` table; absent means this machine's own engine. */
  readonly host?: string;
  readonly writes: "direct" | "staged";
  readonly provision: "eager" | "on-use";
  readonly protect: boolean;
  /** What is asked for is also looked at from inside each runtime that is made or mended. */
  readonly attest: boolean;
  readonly setup: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, SecretSetting>>;
  readonly workspace: WorkspaceSettings;
  readonly ready?: ReadySettings;
  readonly timeouts: TimeoutSettings;
  readonly egress?: EgressSettings;
  readonly prune: PruneSettings;
  readonly disruption: DisruptionSettings;
  readonly salvage: SalvageSettings;
  /** The section named after `backend` (`[sandbox.docker]`), defaults filled. */
  readonly options: JsonObject;
}

/** Who said a value: the agent's own table, the fleet's `[sandbox]`, or sandkeep's built-in default. */
export type Layer = "agent" | "default" | "built-in";

export interface Provenance {
  readonly layer: Layer;
  /** The key in the config that holds the value, or that would hold it: `agents.work.sandbox.mode`. */
  readonly key: KeyPath;
  /** Absent for built-in values. */
  readonly source?: Source;
}

export interface ElevatedPolicy {
  readonly enabled: { readonly fleet: boolean | undefined; readonly agent: boolean | undefined };
  readonly allow_from: {
    readonly fleet: Readonly<Record<string, readonly string[]>> | undefined;
    readonly agent: Readonly<Record<string, readonly string[]>> | undefined;
  };
}

export interface ResolvedAgent {
  readonly name: string;
  readonly sessions: readonly string[];
  /** Shared by reference between agents that resolve alike, so that later stages can work once per distinct value. */
  readonly settings: Settings;
  /** Who said the value at a settings path such as `docker.image` or `env.LANG`. */
  provenance(path: string): Provenance;
}

/** How a host is reached over SSH. Paths are absolute. */
export interface SshAccess {
  /** `user@host:port`, or an alias of the user's ssh config. */
  readonly target: string;
  readonly identity_file?: string;
  readonly identity?: SecretRef;
  readonly certificate_file?: string;
  readonly certificate?: SecretRef;
  readonly known_hosts_file?: string;
  readonly known_hosts?: string;
  readonly strict_host_key: boolean;
  readonly jump?: string;
  readonly transport: "auto" | "ssh2" | "openssh";
  /** Folder that programs of its secret references start in. */
  readonly folder: string;
}

/** What of others counts as a sandbox on a host. Globs. */
export interface AdoptSettings {
  readonly roots: readonly string[];
  readonly directories: readonly string[];
  readonly containers: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** Limits below which a host is spoken against. Bytes. */
export interface HeadroomSettings {
  readonly disk_min_free?: number;
  readonly memory_min_free?: number;
  readonly max_stale?: number;
  /** Whether nothing new is made there meanwhile. */
  readonly back_pressure: boolean;
}

/** Where reports about hosts go. Paths are absolute. */
export type TelemetrySettings =
  | { readonly export: "off" }
  | { readonly export: "file"; readonly file: string }
  | { readonly export: "http"; readonly url: string; readonly token?: SecretRef };

/** A named place a backend connects to. */
export interface Host {
  readonly name: string;
  readonly ssh?: SshAccess;
  readonly docker?: string;
  readonly podman?: string;
  readonly buildkit?: string;
  /** Of an `ssh://` worker on a machine that the config knows: its name there, and the way to it. */
  readonly behind?: { readonly host: string; readonly ssh: SshAccess };
  /** Client program to use there, instead of the first one found. */
  readonly client?: string;
  readonly tls?: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly server_name?: string;
  };
  readonly labels: Readonly<Record<string, string>>;
  readonly max_runtimes?: number;
  readonly compose?: "docker compose" | "podman-compose";
  readonly adopt?: AdoptSettings;
  readonly headroom?: HeadroomSettings;
}

/** What is recorded of runs, and how long it is kept. */
export interface RunsSettings {
  /** Most bytes kept of each stream of a run. */
  readonly max_log: number;
  /** Milliseconds for which an ephemeral sandbox may outlive whoever started it. */
  readonly ephemeral_ttl: number;
  /** Globs of what each run leaves in its workspace. */
  readonly artifacts: readonly string[];
  /** Most bytes kept of the artifacts of a run. */
  readonly max_artifacts: number;
  readonly cleanup: {
    /** Whether watch cleans up by itself. */
    readonly automatic: boolean;
    /** Milliseconds since the end of a run. */
    readonly older_than: number;
    readonly failed_only: boolean;
    /** `all`, or who asked. */
    readonly source: string;
  };
}

export interface ResolvedFleet {
  readonly fleet: string;
  readonly fleet_id?: string;
  /** First part of every runtime's engine name. */
  readonly name_prefix: string;
  /** Real path of the folder that relative paths resolve against. */
  readonly root: string;
  readonly agents: readonly ResolvedAgent[];
  /** Of `[sandbox]`: for runtimes that no agent declares any more. */
  readonly salvage: SalvageSettings;
  readonly hosts: Readonly<Record<string, Host>>;
  readonly networks?: Readonly<Record<string, NetworkSettings>>;
  readonly guards: { readonly max_destroy: number | "off"; readonly allow_empty: boolean };
  readonly rollout: RolloutSettings;
  readonly watch: { readonly resync: number; readonly workers: number; readonly debounce: number };
  readonly runs: RunsSettings;
  readonly stage: StageSettings;
  readonly telemetry: TelemetrySettings;
  readonly canary: { readonly every: DurationSetting; readonly hosts?: readonly string[] };
  /** Key of the HMAC that stands for secrets in labels, when the config gives one. */
  readonly secrets_key?: SecretRef;
}
