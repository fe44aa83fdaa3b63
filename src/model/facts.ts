import type { Json } from "./json.ts";

/** A run that is going on: it keeps its runtime busy. */
export interface OpenRun {
  readonly run_id: string;
  readonly address: string;
  readonly agent: string;
  readonly session: string;
  /** Milliseconds since the epoch. */
  readonly started_at: number;
}

/** A person's "leave this alone until …". `fleet` holds every address. */
export interface Hold {
  readonly address: string;
  readonly reason: string;
  /** Milliseconds since the epoch; absent means until released. */
  readonly until?: number;
  readonly by: string;
  readonly since: number;
}

/** An address that a running watch leaves alone, and why. */
export interface LeftAlone {
  readonly address: string;
  /** Started too often, failed lately, or waiting for another's success. */
  readonly state: "stalled" | "back-off" | "paused";
  readonly why: string;
  /** Milliseconds since the epoch at which it is tried again; null when no time alone changes it. */
  readonly until: number | null;
}

/** What is the matter with a host, by who found out. */
export interface HostStanding {
  readonly host: string;
  readonly by: "canary" | "headroom";
  readonly why: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Whether nothing new is made there. */
  readonly blocks: boolean;
}

/** What the state directory knows; losing it loses history, never safety. */
export interface Facts {
  /** Id of this state directory, written on what it creates. */
  readonly owner: string;
  /** Another live process is changing the fleet from this state directory right now. */
  readonly changing: boolean;
  readonly open_runs: readonly OpenRun[];
  readonly holds: readonly Hold[];
  /** Address → time of the last `run` or `shell`, milliseconds since the epoch. */
  readonly activity: Readonly<Record<string, number>>;
  /** Object id → when this state directory first saw it. */
  readonly sightings: Readonly<Record<string, number>>;
  /** Object id → field path → the value that was last set in place, where the labels tell another; null for none. */
  readonly updates: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  /** `<address> <spec hash>` → since when a disruption has been put off. */
  readonly deferred: Readonly<Record<string, number>>;
  /** Told to people; what `apply` does never depends on it. */
  readonly left_alone: readonly LeftAlone[];
  /** Hosts with which something is the matter. */
  readonly hosts: readonly HostStanding[];
}
