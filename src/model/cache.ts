import * as z from "zod";

/** How much of a worker's cache stays. */
export interface CacheBounds {
  /** Milliseconds since the last use. */
  readonly max_age?: number;
  /** Bytes. */
  readonly max_size?: number;
}

/** What a worker's cache holds that could go. */
export interface CacheUse {
  readonly bytes: number;
  /** Milliseconds since the epoch of the longest unused of it; null when it holds nothing, or all is in use. */
  readonly oldest_use: number | null;
}

/** What a plan does about a worker's cache, or why nothing. */
export const cacheChangeSchema = z.strictObject({
  backend: z.string(),
  host: z.string(),
  action: z.enum(["prune", "no-op"]),
  why: z.string(),
  max_age_ms: z.number().nullable(),
  max_bytes: z.number().nullable(),
});
export type CacheChange = z.infer<typeof cacheChangeSchema>;

/** What became of a cache that was to be cut down. */
export const cacheOutcomeSchema = z.strictObject({
  backend: z.string(),
  host: z.string(),
  status: z.enum(["done", "failed"]),
  /** Why it could not be done. */
  error: z.string().nullable(),
});
export type CacheOutcome = z.infer<typeof cacheOutcomeSchema>;

/** Those of a plan that are cut down. */
export function cacheCuts({
  caches = [],
}: {
  readonly caches?: readonly CacheChange[] | undefined;
}): CacheChange[] {
  return caches.filter((each) => each.action === "prune");
}
