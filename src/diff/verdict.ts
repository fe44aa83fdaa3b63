import type { DriftOrigin, Reason } from "../model/plan.ts";

/** One field that is not as the spec says, before it is worded for a plan. */
export type Difference = Reason & {
  readonly origin: DriftOrigin;
  /** Path of the field-table row, of which `path` may be one entry; or what else differs, such as `state`. */
  readonly field: string;
};

/** Why nothing happens. */
export type Rest =
  | "ready"
  | "up-to-date"
  | "dormant"
  | "on-use"
  | "held"
  | "back-off"
  | "absent"
  | "unselected"
  | "protected"
  | "waiting";

/** What is to be done about one address on one engine. */
export type Verdict =
  | { readonly action: "none"; readonly rest: Rest; readonly why: string }
  | {
      readonly action: "create" | "recreate" | "update" | "start";
      readonly why: string;
      readonly origin: DriftOrigin | null;
      readonly reasons: readonly Difference[];
      /** Only where a person asked for a replacement by name: the canonical workspace goes, and the new one is seeded again. */
      readonly workspace?: "delete";
    }
  | {
      readonly action: "remove";
      readonly why: string;
      readonly cause: "orphan" | "idle" | "age" | "expired" | "requested";
      readonly reasons: readonly Difference[];
      /** Leaves a dormancy mark, so that its next use wakes it. */
      readonly dormant: boolean;
      /** Only a person's word deletes a canonical workspace. */
      readonly workspace: "keep" | "delete";
    }
  | {
      readonly action: "blocked";
      readonly rule:
        | "busy"
        | "protected"
        | "guard"
        | "foreign"
        | "candidate"
        | "disruption"
        | "image"
        | "rollout"
        | "network"
        | "host"
        | "salvage";
      readonly why: string;
      readonly fix: string | null;
      /** Milliseconds since the epoch. */
      readonly until: number | null;
      /** True when it happens later without a person's help. */
      readonly deferred: boolean;
      /** What would have been done, shown by plan and explain. */
      readonly reasons: readonly Difference[];
    };
