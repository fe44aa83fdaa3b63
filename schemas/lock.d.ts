// Generated from lock.schema.json by schemas/generate.ts.

/**
 * sandkeep.lock: which image each pinned reference is. Written by `sandkeep images`.
 */
export interface SandkeepLock {
  version: 1;
  images: {
    ref: string;
    platform: string;
    kind: "index" | "manifest";
    digest: string;
    resolved_at: string;
  }[];
}
