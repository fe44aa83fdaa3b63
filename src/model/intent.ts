import type { EphemeralWish } from "./ephemeral.ts";

/** What a person or a loop asks of the reconciler. Addresses are exact; the CLI turns selectors into them. */
export type Intent =
  | {
      readonly mode: "apply";
      /** Only these addresses; absent means the whole fleet. */
      readonly targets?: readonly string[];
      /** Replaced although nothing drifted. */
      readonly replace?: readonly string[];
      /** About to be used: on-use and dormant runtimes among them are created. */
      readonly wake?: readonly string[];
    }
  | { readonly mode: "recreate"; readonly targets: readonly string[] }
  | {
      readonly mode: "prune";
      readonly targets?: readonly string[];
      /** Milliseconds; overrides every `prune.idle`. */
      readonly idle?: number;
      /** Milliseconds; overrides every `prune.max_age`. */
      readonly older_than?: number;
      /** Also remove orphans. */
      readonly orphans: boolean;
    }
  | {
      readonly mode: "destroy";
      /** Absent means everything of the fleet. */
      readonly targets?: readonly string[];
      /** Also what is protected. */
      readonly unprotect: boolean;
    };

export interface PlanRequest {
  readonly intent: Intent;
  /** A config file or folder; absent means walk up from the working directory. */
  readonly file?: string;
  /** Plan from labels alone, without a config; only `prune` and `destroy` and listing can. */
  readonly fleet?: string;
  /** Milliseconds added to the clock: "what would happen then". */
  readonly at?: number;
  /** Overrides `guards.max_destroy`. */
  readonly max_destroy?: number;
  /** A person's word that nothing is to be kept of what goes. */
  readonly no_salvage?: boolean;
  readonly detailed_exitcode?: boolean;
  /** A one-off runtime that is wanted beside what is declared. */
  readonly ephemeral?: EphemeralWish;
}
