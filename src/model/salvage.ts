import * as z from "zod";

/** What is kept of a runtime's own files before it is removed. Key names are those of `[sandbox.salvage]`. */
export const salvageSettingsSchema = z.strictObject({
  /** `unattended`: unless a person asked for it with `recreate` or `destroy`. */
  when: z.enum(["off", "unattended", "always"]),
  /** Absolute globs; each stands for all that is below it as well. */
  include: z.array(z.string()),
  exclude: z.array(z.string()),
  /** Bytes of contents in one bundle. */
  max_bytes: z.union([z.int().positive(), z.literal("unlimited")]),
  /** What to do about more than that: keep the runtime, or leave out what does not fit. */
  oversize: z.enum(["fail", "truncate"]),
  /** Bundles of one address; older ones give way. */
  keep: z.union([z.int().positive(), z.literal("all")]),
  /** Milliseconds after which a bundle gives way to a new one of its address. */
  max_age: z.union([z.number().positive(), z.literal("off")]),
});

/** What a bundle may hold and what is done about more, told where more than that was measured. */
export const salvageExcessSchema = z.strictObject({
  max_bytes: z.int().positive(),
  oversize: salvageSettingsSchema.shape.oversize,
});

type Written = z.infer<typeof salvageSettingsSchema>;
export type SalvageSettings = Readonly<Omit<Written, "include" | "exclude">> & {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
};

/** Code of the error for more contents than `max_bytes` where that is to fail. */
export const TOO_LARGE = "SALVAGE_TOO_LARGE";

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
