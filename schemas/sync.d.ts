// Generated from sync.schema.json by schemas/generate.ts.

/**
 * Answer of `sandkeep sync pull`, `push` and `status` with --json.
 */
export interface SandkeepSync {
  action: "pull" | "push" | "status";
  dry_run: boolean;
  workspaces: {
    address: string;
    backend: string;
    host: string;
    source: string;
    status: "same" | "differs" | "moved" | "conflict" | "refused" | "failed";
    here: {
      path: string;
      path_base64: string | null;
      change: "added" | "modified" | "deleted" | "mode" | "type";
      size: number | null;
    }[];
    there: {
      path: string;
      path_base64: string | null;
      change: "added" | "modified" | "deleted" | "mode" | "type";
      size: number | null;
    }[];
    conflicts: {
      path: string;
      path_base64: string | null;
      here: string;
      there: string;
    }[];
    overwritten: {
      path: string;
      path_base64: string | null;
      here: string;
      there: string;
    }[];
    refusals: {
      path: string;
      path_base64: string | null;
      code: "denied" | "too-large" | "link-outside" | "special-file" | "special-bits";
      why: string;
      fix: string;
    }[];
    error: {
      code: string;
      message: string;
      hint: string | null;
    } | null;
  }[];
  exit_code: number;
}
