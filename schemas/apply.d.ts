// Generated from apply.schema.json by schemas/generate.ts.

/**
 * Answer of `sandkeep apply`, `recreate`, `prune` and `destroy` with --json.
 */
export interface SandkeepApply {
  plan_id: string;
  outcomes: Outcome[];
  caches?: {
    backend: string;
    host: string;
    status: "done" | "failed";
    error: string | null;
  }[];
  calls: {
    read: number;
    write: number;
  };
  summary: {
    done: number;
    failed: number;
    skipped: number;
    stale: number;
    rolled_back: number;
  };
  exit_code: number;
}
export interface Outcome {
  address: string;
  action: string;
  status: "done" | "failed" | "skipped" | "stale" | "rolled_back";
  duration_ms: number;
  error: {
    code: string;
    message: string;
    hint: string | null;
  } | null;
  reason: string;
}
