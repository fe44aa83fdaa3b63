// Generated from doctor.schema.json by schemas/generate.ts.

/**
 * Answer of `sandkeep doctor --json` and `runs doctor --json`.
 */
export interface SandkeepDoctor {
  ok: boolean;
  fix: boolean;
  dry_run: boolean;
  state_dir: string;
  fleet: string;
  findings: {
    code:
      | "stale-mutex"
      | "stale-lease"
      | "stale-lock"
      | "dead-open-run"
      | "dead-run"
      | "run-without-runtime"
      | "unreadable-run"
      | "half-removed-run"
      | "half-bundle"
      | "torn-file"
      | "foreign-file"
      | "orphaned-temp"
      | "tombstone"
      | "index-out-of-step";
    fleet: string | null;
    path: string;
    subject: string | null;
    why: string;
    fix: "unlock" | "release" | "remove" | "interrupt" | "set-aside" | "forget" | "rebuild-index" | "none";
    does: string;
    status: "found" | "would_fix" | "fixed" | "changed" | "failed" | "left";
    error: string | null;
  }[];
  counts: {
    [k: string]: number;
  };
  statuses: {
    [k: string]: number;
  };
  engines: {
    backend: string;
    host: string;
    status: "observed" | "unobserved";
    message: string | null;
  }[];
  skipped: string[];
  recent: number;
  kept: string[];
  reconcile: {
    interrupted: number;
    indexed: number;
    unreadable: string[];
  };
  exit_code: number;
}
