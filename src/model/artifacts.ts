import * as z from "zod";

export const artifactsSchema = z.strictObject({
  /** What was asked for, relative to the workspace. */
  globs: z.array(z.string()),
  file_count: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  /** The first of what matched and was not taken. */
  left_out: z.array(z.strictObject({ path: z.string(), why: z.string() })),
  left_out_count: z.int().nonnegative(),
  /** Why not all could be looked at. */
  error: z.string().nullable(),
});
export type RunArtifacts = z.infer<typeof artifactsSchema>;

const listedArtifactSchema = z.strictObject({ path: z.string(), bytes: z.int().nonnegative() });
export type ListedArtifact = z.infer<typeof listedArtifactSchema>;

/** Answer of `runs artifacts`. */
export const runArtifactsSchema = z.strictObject({
  run_id: z.string(),
  /** Null where nothing was kept. */
  folder: z.string().nullable(),
  artifacts: z.array(listedArtifactSchema),
  left_out: z.array(z.strictObject({ path: z.string(), why: z.string() })),
  left_out_count: z.int().nonnegative(),
  error: z.string().nullable(),
});
export type RunArtifactList = z.infer<typeof runArtifactsSchema>;
