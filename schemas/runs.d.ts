// Generated from runs.schema.json by schemas/generate.ts.

/**
 * Answers of `sandkeep runs list`, `status`, `inspect`, `tail`, `open`, `rebuild-index`, `cleanup`, `rerun` and `triage` with --json, in this order.
 */
export type SandkeepRuns =
  | {
      runs: ListedRun[];
      more: boolean;
      reconcile: {
        interrupted: number;
        indexed: number;
        unreadable: string[];
      };
    }
  | {
      fleet: string;
      total: number;
      counts: {
        running: number;
        ok: number;
        failed: number;
        interrupted: number;
      };
      running: ListedRun[];
      latest: ListedRun | null;
      latest_failed: ListedRun | null;
      reconcile: {
        interrupted: number;
        indexed: number;
        unreadable: string[];
      };
    }
  | {
      run: RunManifest;
      folder: string;
      latest_log: string | null;
      lines: {
        stream: "stdout" | "stderr";
        ms: number | null;
        text: string;
      }[];
    }
  | {
      run_id: string;
      status: "running" | "ok" | "failed" | "interrupted";
      latest_log: string | null;
      lines: {
        stream: "stdout" | "stderr";
        ms: number | null;
        text: string;
      }[];
    }
  | {
      run_id: string;
      folder: string;
      latest_log: string | null;
      stdout: string | null;
      stderr: string | null;
    }
  | {
      indexed: number;
      running: number;
      interrupted: number;
      unreadable: string[];
    }
  | {
      run_id: string;
      folder: string | null;
      artifacts: {
        path: string;
        bytes: number;
      }[];
      left_out: {
        path: string;
        why: string;
      }[];
      left_out_count: number;
      error: string | null;
    }
  | {
      dry_run: boolean;
      older_than_ms: number;
      entries: {
        id: string;
        reason:
          | "would_remove"
          | "removed"
          | "running"
          | "recent"
          | "not_failed"
          | "missing_manifest"
          | "source_mismatch"
          | "held"
          | "delete_failed";
        bytes: number;
        error: string | null;
      }[];
      counts: {
        [k: string]: number;
      };
      bytes: number;
    }
  | {
      rerun_of: string;
      differences: {
        field: string;
        before: string | null;
        now: string | null;
      }[];
      run: RunManifest;
    }
  | {
      run: RunManifest;
      folder: string;
      latest_log: string | null;
      lines: {
        stream: "stdout" | "stderr";
        ms: number | null;
        text: string;
      }[];
      diagnosis: {
        exit_class:
          | (
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
              | "interrupted"
            )
          | null;
        what: string;
        next: string;
      };
      runtime: {
        address: string;
        status: string;
        config: string;
        object_id: string | null;
        same: boolean;
      } | null;
      unobserved: string | null;
      drift: {
        field: string;
        before: string | null;
        now: string | null;
      }[];
      similar: ListedRun[];
      rerun: {
        rerun_of: string;
        differences: {
          field: string;
          before: string | null;
          now: string | null;
        }[];
        run: RunManifest;
      } | null;
      bundle: {
        run_id: string;
        bundle: string;
        artifact_metadata: {
          path: string;
          kind: "file" | "directory";
          bytes: number;
          file_count: number;
          sha256?: string;
        }[];
        notes: string[];
        verification: {
          bundle: string;
          ok: boolean;
          strict: boolean;
          version_check: {
            ok: boolean;
            found: number | null;
            supported: number[];
          };
          checked: number;
          issues: {
            path: string;
            field: string;
            expected: string | null;
            found: string | null;
          }[];
          unexpected_artifacts: string[];
        } | null;
      } | null;
    };

export interface ListedRun {
  id: string;
  source: string;
  status: "running" | "ok" | "failed" | "interrupted";
  agent: string;
  session: string;
  address: string | null;
  backend: string | null;
  host: string | null;
  spec_hash: string | null;
  argv: string[];
  exit_code: number | null;
  signal: string | null;
  exit_class:
    | (
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
        | "interrupted"
      )
    | null;
  started_at: string;
  ended_at: string | null;
  duration_ms: number | null;
}
export interface RunManifest {
  format_version: 1;
  run_id: string;
  source: string;
  status: "running" | "ok" | "failed" | "interrupted";
  agent: string;
  session: string;
  sandboxed: boolean;
  address: string | null;
  backend: string | null;
  host: string | null;
  object_id: string | null;
  spec_hash: string | null;
  image: {
    ref: string;
    kind: string;
    digest: string;
    platform: string;
  } | null;
  plan_id: string | null;
  ephemeral: {
    image: string | null;
    backend: string | null;
    keep: boolean;
  } | null;
  argv: string[];
  cwd: string | null;
  env: {
    mode: "inherit" | "clean";
    names: string[];
    secrets: string[];
  };
  bin: {
    path: string;
    name: string;
    bytes: number;
    sha256: string;
  } | null;
  tty: boolean;
  config: {
    file: string | null;
    commit: string | null;
    dirty: boolean | null;
  };
  started_at: string;
  ended_at: string | null;
  duration_ms: number | null;
  timeout_ms: number | null;
  timed_out: boolean;
  cancelled: boolean;
  exit_code: number | null;
  signal: string | null;
  exit_class:
    | (
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
        | "interrupted"
      )
    | null;
  error: {
    code: string;
    message: string;
  } | null;
  disrupted: {
    at: string;
    plan_id: string;
    why: string;
  } | null;
  changes_lost: boolean;
  logs: {
    stdout: {
      bytes: number;
      dropped: number;
      lost: number;
      error: string | null;
    };
    stderr: {
      bytes: number;
      dropped: number;
      lost: number;
      error: string | null;
    };
  } | null;
  artifacts: {
    globs: string[];
    file_count: number;
    bytes: number;
    left_out: {
      path: string;
      why: string;
    }[];
    left_out_count: number;
    error: string | null;
  } | null;
  tool_version: string;
  process: {
    pid: number;
    start_time: string;
    boot_id: string;
    pid_namespace: string;
    host: string;
  };
}
