// Generated from event.schema.json by schemas/generate.ts.

/**
 * One line of `sandkeep watch --json`.
 */
export type SandkeepEvent =
  | {
      type: "diagnostic";
      at: string;
      diagnostic: Diagnostic;
    }
  | {
      type: "note";
      at: string;
      level: "debug" | "info" | "warn" | "error";
      code: string;
      message: string;
    }
  | {
      type: "apply.started";
      at: string;
      plan_id: string;
      changes: number;
      steps: number;
    }
  | {
      type: "step.started";
      at: string;
      address: string;
      step: string;
      op: string;
      cause: string;
    }
  | {
      type: "step.progress";
      at: string;
      address: string;
      step: string;
      op: string;
      message: string;
      fraction: number | null;
    }
  | {
      type: "step.finished";
      at: string;
      address: string;
      step: string;
      op: string;
      status: "done" | "failed" | "skipped";
      duration_ms: number;
      error: string | null;
    }
  | {
      type: "change.finished";
      at: string;
      address: string;
      action: string;
      status: string;
      duration_ms: number;
      error: string | null;
    }
  | {
      type: "apply.finished";
      at: string;
      plan_id: string;
      exit_code: number;
    }
  | {
      type: "watch.started";
      at: string;
      fleet: string;
      resync_s: number;
    }
  | {
      type: "watch.triggered";
      at: string;
      key: string;
      trigger: "start" | "file" | "engine" | "resync" | "retry";
    }
  | {
      type: "watch.cycle";
      at: string;
      key: string;
      plan_id: string;
      changes: number;
      exit_code: number;
      duration_ms: number;
    }
  | {
      type: "watch.config";
      at: string;
      status: "loaded" | "invalid";
      errors: number;
      message: string;
    }
  | {
      type: "watch.backoff";
      at: string;
      address: string;
      attempt: number;
      retry_in_ms: number;
      why: string;
    }
  | {
      type: "watch.stalled";
      at: string;
      address: string;
      why: string;
    }
  | {
      type: "watch.stopped";
      at: string;
      reason: string;
      drained: boolean;
    };

export interface Diagnostic {
  severity: "error" | "warning" | "info";
  code: string;
  message: string;
  path: string;
  file?: string;
  line?: number;
  column?: number;
  hint?: string;
}
