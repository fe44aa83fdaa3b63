// Generated from images.schema.json by schemas/generate.ts.

/**
 * Answers of `sandkeep images list`, `check`, `lock` (and `update`) and `prune` with --json, in this order.
 */
export type SandkeepImages =
  | {
      images: {
        backend: string;
        host: string;
        ref: string;
        policy: string;
        state: "present" | "absent" | "unknown";
        kind: ("index" | "manifest" | "config") | null;
        digest: string | null;
        platform: string | null;
        image_id: string | null;
        locked: string | null;
        pulled: boolean;
        addresses: string[];
        networks: string[];
        message: string | null;
      }[];
      diagnostics: Diagnostic[];
      exit_code: number;
    }
  | {
      images: {
        backend: string;
        host: string;
        ref: string;
        policy: string;
        status: "current" | "moved" | "absent" | "unlocked" | "unknown" | "unasked";
        here: string | null;
        registry: string | null;
        why: string;
      }[];
      exit_code: number;
    }
  | {
      file: string;
      written: boolean;
      images: {
        ref: string;
        platform: string;
        before: string | null;
        after: string | null;
        status: "added" | "changed" | "unchanged" | "removed" | "failed";
        message: string | null;
      }[];
      exit_code: number;
    }
  | {
      dry_run: boolean;
      images: {
        backend: string;
        host: string;
        image_id: string;
        refs: string[];
        size: number | null;
        status: "removed" | "would_remove" | "kept" | "failed";
        why: string;
      }[];
      exit_code: number;
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
