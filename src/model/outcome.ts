import * as z from "zod";
import { cacheOutcomeSchema } from "./cache.ts";

export const outcomeSchema = z.strictObject({
  address: z.string(),
  action: z.string(),
  status: z.enum(["done", "failed", "skipped", "stale", "rolled_back"]),
  duration_ms: z.number().nonnegative(),
  error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().nullable() }).nullable(),
  /** Why it was done or skipped. */
  reason: z.string(),
});
export type Outcome = z.infer<typeof outcomeSchema>;

/** Answer of `apply`, `recreate`, `prune` and `destroy`. */
export const applyResultSchema = z.strictObject({
  plan_id: z.string(),
  outcomes: z.array(outcomeSchema),
  /** Of workers' caches that were to be cut down; absent where none was. */
  caches: z.array(cacheOutcomeSchema).optional(),
  calls: z.strictObject({ read: z.int(), write: z.int() }),
  summary: z.strictObject({
    done: z.int(),
    failed: z.int(),
    skipped: z.int(),
    stale: z.int(),
    rolled_back: z.int(),
  }),
  exit_code: z.int(),
});
export type ApplyResult = z.infer<typeof applyResultSchema>;
