import type { CacheUse } from "./cache.ts";
import type { ErrorClass } from "./failure.ts";
import type { Json } from "./json.ts";
import type { RuntimeLabels } from "./labels.ts";
import type { Address } from "./names.ts";
import type { ObservedNetwork } from "./network.ts";
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
  /** A keeper only keeps it open for commands, and has nothing to end in order; absent where the backend does not tell. */
  readonly main?: "keeper" | "program";
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
      /** Networks of our fleet; absent where the backend has none. */
      readonly networks?: readonly ObservedNetwork[];
      /** Of a worker that keeps one. */
      readonly cache?: CacheUse;
    }
  | {
      readonly status: "unobserved";
      readonly backend: string;
      readonly host: string;
      readonly kind: ErrorClass;
      readonly message: string;
      readonly hint: string | undefined;
    };

/** How many paths are told of what a removal would destroy. */
export const MOST_CHANGED_PATHS = 20;

/**
 * What goes with a runtime when it is removed: what was written inside since its image, by setup as well as by its
 * users, and the volumes of its own. Mounted folders, memory file systems and what the engine makes are not among it.
 */
export interface RuntimeChanges {
  /** Bytes of it; with `more`, at least so many. */
  readonly bytes: number;
  /** Files, links and empty folders that were added or changed. */
  readonly files: number;
  /** Paths of the image that were deleted: a successor has them again. */
  readonly deleted: number;
  /** Added or changed paths, sorted; one that ends in `/` stands for all that is below. At most `MOST_CHANGED_PATHS`. */
  readonly paths: readonly string[];
  /** True when not all of it was looked at. */
  readonly more: boolean;
}
