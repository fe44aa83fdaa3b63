import * as z from "zod";

/** Answer of `run` and `shell`: what ran where and how it ended. It holds no argv, environment or output. */
export const runManifestSchema = z.strictObject({
  run_id: z.string(),
  agent: z.string(),
  session: z.string(),
  /** False when the session's mode leaves it on the host. */
  sandboxed: z.boolean(),
  /** Null on the host. */
  address: z.string().nullable(),
  backend: z.string().nullable(),
  host: z.string().nullable(),
  object_id: z.string().nullable(),
  spec_hash: z.string().nullable(),
  /** ISO 8601. */
  started_at: z.string(),
  duration_ms: z.number().nonnegative(),
  exit_code: z.int(),
  timed_out: z.boolean(),
});
export type RunManifest = z.infer<typeof runManifestSchema>;
