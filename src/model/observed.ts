import type { ErrorClass } from "./failure.ts";
import type { Json } from "./json.ts";
import type { RuntimeLabels } from "./labels.ts";
import type { Address } from "./names.ts";
import type { ImageIdentity } from "./spec.ts";

/** `created` exists but never ran; `broken` has our labels but an invalid manifest or a dead engine state. */
export type RuntimeState = "running" | "stopped" | "created" | "paused" | "restarting" | "broken";

/** One runtime of our fleet as the engine shows it. Times are milliseconds since the epoch. */
export interface ObservedRuntime {
  /** Immutable id the engine gave; removal is by this. */
  readonly object_id: string;
  /** Name in the engine as found, slot suffix included. */
  readonly name: string;
  readonly labels: RuntimeLabels;
  readonly state: RuntimeState;
  readonly health: "healthy" | "unhealthy" | "starting" | "none";
  readonly created_at: number;
  readonly started_at?: number;
  /** Exit code of the last stop, when the engine knows one. */
  readonly exit_code?: number;
  /**
   * Field-table values by path; null where the engine shows that there is none. A path that is absent could not be
   * observed and is never compared.
   */
  readonly fields: Readonly<Record<string, Json>>;
  /** Field path → why, for what the engine says it cannot enforce, whatever it is asked. */
  readonly unsupported?: Readonly<Record<string, string>>;
  readonly image?: ImageIdentity;
  /** Execs that the engine reports, without health checks and probes of ours. */
  readonly execs: number;
}

/** Lives on our host or holds our name, but is not of this fleet. Reported, never touched. */
export interface ForeignObject {
  readonly name: string;
  readonly object_id: string;
  readonly why: string;
  /** What a person may do about it. */
  readonly hint?: string;
}

/** "This address was pruned and waits for its next use", kept where every machine sees it. */
export interface DormancyMark {
  readonly address: Address;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly reason: string;
}

/** One engine's runtimes, or why they could not be seen. *Could not observe* never causes a change. */
export type Observation =
  | {
      readonly status: "complete";
      readonly backend: string;
      readonly host: string;
      readonly runtimes: readonly ObservedRuntime[];
      readonly foreign: readonly ForeignObject[];
      readonly dormant: readonly DormancyMark[];
    }
  | {
      readonly status: "unobserved";
      readonly backend: string;
      readonly host: string;
      readonly kind: ErrorClass;
      readonly message: string;
      readonly hint: string | undefined;
    };

/** Whether a backend on a host could take work now, found out without starting anything. */
export type Probe =
  | { readonly status: "ready" }
  | { readonly status: "degraded" | "unavailable"; readonly reasons: readonly ProbeReason[] };

export interface ProbeReason {
  /** Closed set per driver, kebab-case. */
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}
