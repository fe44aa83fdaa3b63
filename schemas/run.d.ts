// Generated from run.schema.json by schemas/generate.ts.

/**
 * Answer of `sandkeep run --json` and `shell --json`.
 */
export interface SandkeepRun {
  run_id: string;
  agent: string;
  session: string;
  sandboxed: boolean;
  address: string | null;
  backend: string | null;
  host: string | null;
  object_id: string | null;
  spec_hash: string | null;
  started_at: string;
  duration_ms: number;
  exit_code: number;
  timed_out: boolean;
}
