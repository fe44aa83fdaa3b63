// Generated from events.schema.json by schemas/generate.ts.

/**
 * One line of `sandkeep events --json`.
 */
export type SandkeepEvents =
  | {
      type: "run.started";
      v: 1;
      at: number;
      run: string;
      workspace: string;
      sandboxed: boolean;
      tty: boolean;
      source: "cli" | "task" | "canary" | "other";
    }
  | {
      type: "run.ended";
      v: 1;
      at: number;
      run: string;
      workspace: string;
      status: "running" | "ok" | "failed" | "interrupted";
      exit_class:
        | "refused"
        | "not-started"
        | "backend-lost"
        | "timeout"
        | "cancelled"
        | "out-of-memory"
        | "success"
        | "not-found"
        | "not-executable"
        | "signal"
        | "error"
        | "interrupted";
      duration_ms: number;
    }
  | {
      type: "change.ended";
      v: 1;
      at: number;
      workspace: string;
      action:
        "create" | "start" | "update" | "recreate" | "remove" | "adopt" | "repair" | "no-op" | "several";
      status: "done" | "failed" | "skipped" | "stale" | "rolled_back";
      duration_ms: number;
    }
  | {
      type: "apply.ended";
      v: 1;
      at: number;
      mode: "apply" | "recreate" | "prune" | "destroy";
      done: number;
      failed: number;
      skipped: number;
      stale: number;
      rolled_back: number;
      exit_code: 0 | 1 | 2 | 3 | 4 | 5 | 69 | 70 | 75 | 77 | 78;
      duration_ms: number;
    }
  | {
      type: "watch.started";
      v: 1;
      at: number;
      resync_ms: number;
    }
  | {
      type: "watch.cycle";
      v: 1;
      at: number;
      whole: boolean;
      changes: number;
      exit_code: 0 | 1 | 2 | 3 | 4 | 5 | 69 | 70 | 75 | 77 | 78;
      duration_ms: number;
    }
  | {
      type: "watch.config";
      v: 1;
      at: number;
      status: "loaded" | "invalid";
      errors: number;
    }
  | {
      type: "watch.backoff";
      v: 1;
      at: number;
      workspace: string;
      attempt: number;
      retry_in_ms: number;
    }
  | {
      type: "watch.stalled";
      v: 1;
      at: number;
      workspace: string;
    }
  | {
      type: "watch.stopped";
      v: 1;
      at: number;
      drained: boolean;
    }
  | {
      type: "cleanup.ended";
      v: 1;
      at: number;
      removed: number;
      kept: number;
      failed: number;
      bytes: number;
    }
  | {
      type: "canary.ended";
      v: 1;
      at: number;
      verdict: "passed" | "failed";
      duration_ms: number;
    }
  | {
      type: "host.standing";
      v: 1;
      at: number;
      by: "canary" | "headroom";
      status: "degraded" | "recovered";
      blocks: boolean;
    }
  | {
      type: "doctor.ended";
      v: 1;
      at: number;
      found: number;
      fixed: number;
      failed: number;
    };
