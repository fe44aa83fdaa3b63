// Generated from stage.schema.json by schemas/generate.ts.

/**
 * Answers of `sandkeep stage list`, `diff`, `apply`, `discard` and `export` with --json, in this order.
 */
export type SandkeepStage =
  | {
      stages: ListedStage[];
      broken: {
        address: string;
        folder: string;
        error: string;
        fix: string;
      }[];
      exit_code: number;
    }
  | {
      stage: Stage;
      changes: StageChange[];
      conflicts: {
        path: string;
        path_base64: string | null;
        agent: string;
        workspace: string;
      }[];
      refusals: {
        path: string;
        path_base64: string | null;
        code: "denied" | "too-large" | "link-outside" | "special-file" | "special-bits";
        why: string;
        fix: string;
        key: string | null;
        file: string | null;
        line: number | null;
      }[];
      totals: {
        added: number;
        modified: number;
        deleted: number;
        bytes: number;
        lines_added: number;
        lines_deleted: number;
      };
      exit_code: number;
    }
  | {
      stage: Stage;
      status: "applied" | "reversed" | "nothing" | "refused" | "declined";
      apply_id: string | null;
      applied: StageChange[];
      left: string[];
      conflicts: {
        path: string;
        path_base64: string | null;
        agent: string;
        workspace: string;
      }[];
      refusals: {
        path: string;
        path_base64: string | null;
        code: "denied" | "too-large" | "link-outside" | "special-file" | "special-bits";
        why: string;
        fix: string;
        key: string | null;
        file: string | null;
        line: number | null;
      }[];
      exit_code: number;
    }
  | {
      stage: Stage;
      status: "discarded" | "nothing" | "declined";
      discarded: string[];
      left: string[];
      exit_code: number;
    }
  | {
      stage: Stage;
      output: string | null;
      patch_base64: string | null;
      files: number;
      bytes: number;
      left_out: {
        path: string;
        path_base64: string | null;
        why: string;
      }[];
      exit_code: number;
    };

export interface ListedStage {
  id: string;
  fleet: string;
  address: string;
  source: string;
  tree: string;
  mechanism: "reflink" | "copy";
  mechanism_why: string;
  began_at: string;
  age_s: number;
  changes: {
    added: number;
    modified: number;
    deleted: number;
  };
  conflicts: number;
  busy: number;
  applied: string[];
  error: string | null;
  fix: string | null;
}
export interface Stage {
  id: string;
  fleet: string;
  address: string;
  source: string;
  tree: string;
  mechanism: "reflink" | "copy";
  mechanism_why: string;
  began_at: string;
}
export interface StageChange {
  path: string;
  path_base64: string | null;
  change: "added" | "modified" | "deleted" | "mode" | "type";
  before: {
    kind: "file" | "folder" | "link" | "other";
    mode: string | null;
    size: number;
    sha256: string | null;
    target: string | null;
  } | null;
  after: {
    kind: "file" | "folder" | "link" | "other";
    mode: string | null;
    size: number;
    sha256: string | null;
    target: string | null;
  } | null;
  renamed_from: string | null;
  binary: boolean;
  lines_added: number | null;
  lines_deleted: number | null;
  ignored: boolean;
}
