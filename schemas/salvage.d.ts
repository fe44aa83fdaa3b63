// Generated from salvage.schema.json by schemas/generate.ts.

/**
 * Answers of `sandkeep salvage list`, `extract` and `prune` with --json, in this order.
 */
export type SandkeepSalvage =
  | {
      bundles: ListedBundle[];
      damaged: string[];
      exit_code: number;
    }
  | {
      id: string;
      address: string;
      output: string;
      files: number;
      bytes: number;
      relinked: string[];
      deleted: string[];
      exit_code: number;
    }
  | {
      dry_run: boolean;
      bundles: {
        id: string;
        address: string;
        bytes: number;
        age_s: number;
        status: "removed" | "would_remove" | "kept";
      }[];
      exit_code: number;
    };

export interface ListedBundle {
  id: string;
  created_at: string;
  fleet: string;
  fleet_id: string | null;
  address: string;
  agent: string | null;
  session: string | null;
  backend: string;
  host: string;
  name: string;
  object_id: string;
  spec_hash: string | null;
  why: string;
  files: number;
  bytes: number;
  age_s: number;
  deleted: number;
  skipped: number;
  path: string;
}
