import * as z from "zod";

const skippedSchema = z.strictObject({ path: z.string(), bytes: z.number(), why: z.string() });
export type SkippedFile = z.infer<typeof skippedSchema>;

/** `manifest.json` of a bundle; its contents are in `files.tar` beside it, by their paths without the leading slash. */
export const bundleManifestSchema = z.strictObject({
  format_version: z.literal(1),
  /** `<UTC time>-<start of the object id>`; names the bundle in its fleet. */
  id: z.string(),
  /** ISO 8601. */
  created_at: z.string(),
  fleet: z.string(),
  fleet_id: z.string().nullable(),
  address: z.string(),
  agent: z.string().nullable(),
  session: z.string().nullable(),
  backend: z.string(),
  host: z.string(),
  /** Engine name of the runtime. */
  name: z.string(),
  object_id: z.string(),
  spec_hash: z.string().nullable(),
  /** Why the runtime was removed. */
  why: z.string(),
  /** Files and links; folders are not counted. */
  files: z.int().nonnegative(),
  /** Of their contents. */
  bytes: z.number().nonnegative(),
  tar: z.strictObject({ bytes: z.number(), sha256: z.string() }),
  /** Paths of the image that were deleted in the runtime. */
  deleted: z.array(z.string()),
  /** What was there and could not be, or was not to be, kept: too large, or no file. Excluded paths are not told. */
  skipped: z.array(skippedSchema),
});
export type BundleManifest = z.infer<typeof bundleManifestSchema>;

export const listedBundleSchema = bundleManifestSchema
  .omit({ format_version: true, deleted: true, skipped: true, tar: true })
  .extend({
    age_s: z.number(),
    deleted: z.int(),
    skipped: z.int(),
    /** Folder that holds `manifest.json` and `files.tar`. */
    path: z.string(),
  });

/** Answer of `salvage list`; newest first. */
export const bundleListSchema = z.strictObject({
  bundles: z.array(listedBundleSchema),
  /** Folders among the bundles that hold no whole one. */
  damaged: z.array(z.string()),
  exit_code: z.int(),
});
export type BundleList = z.infer<typeof bundleListSchema>;

/** Answer of `salvage extract`. */
export const bundleExtractSchema = z.strictObject({
  id: z.string(),
  address: z.string(),
  /** Folder that the files are in. */
  output: z.string(),
  files: z.int(),
  bytes: z.number(),
  /** Links whose targets were rewritten so that they stay inside, as they did in the runtime. */
  relinked: z.array(z.string()),
  /** Paths that the runtime had deleted; nothing stands for them in the folder. */
  deleted: z.array(z.string()),
  exit_code: z.int(),
});
export type BundleExtract = z.infer<typeof bundleExtractSchema>;

/** Answer of `salvage prune`. */
export const bundlePruneSchema = z.strictObject({
  dry_run: z.boolean(),
  bundles: z.array(
    z.strictObject({
      id: z.string(),
      address: z.string(),
      bytes: z.number(),
      age_s: z.number(),
      status: z.enum(["removed", "would_remove", "kept"]),
    }),
  ),
  exit_code: z.int(),
});
export type BundlePrune = z.infer<typeof bundlePruneSchema>;
