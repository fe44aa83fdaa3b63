import * as z from "zod";
import { runManifestSchema } from "./run-manifest.ts";

/** Versions of a bundle that this sandkeep reads. */
export const BUNDLE_VERSIONS: readonly number[] = [1];

const artifactSchema = z.strictObject({
  /** Relative to the bundle, with forward slashes. */
  path: z.string(),
  kind: z.enum(["file", "directory"]),
  bytes: z.int().nonnegative(),
  /** 1 for a file. */
  file_count: z.int().nonnegative(),
  /** Of a file's content, or of a directory's tree; older bundles have none. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
});
export type BundleArtifact = z.infer<typeof artifactSchema>;

/** `manifest.json` of a bundle. */
export const bundleManifestSchema = z.object({
  bundle_format_version: z.int(),
  tool_version: z.string(),
  /** ISO 8601. */
  created_at: z.string(),
  run: runManifestSchema,
  artifact_metadata: z.array(artifactSchema),
  /** What could not be included, and why. */
  notes: z.array(z.string()),
});
export type BundleManifest = z.infer<typeof bundleManifestSchema>;

const issueSchema = z.strictObject({
  path: z.string(),
  /** manifest | path | kind | exists | bytes | file_count | sha256 | size */
  field: z.string(),
  expected: z.string().nullable(),
  found: z.string().nullable(),
});
export type BundleIssue = z.infer<typeof issueSchema>;

/** Answer of `runs verify-bundle`. */
export const bundleVerificationSchema = z.strictObject({
  bundle: z.string(),
  ok: z.boolean(),
  strict: z.boolean(),
  version_check: z.strictObject({
    ok: z.boolean(),
    found: z.int().nullable(),
    supported: z.array(z.int()),
  }),
  checked: z.int().nonnegative(),
  issues: z.array(issueSchema),
  /** In the bundle and not in its manifest. */
  unexpected_artifacts: z.array(z.string()),
});
export type BundleVerification = z.infer<typeof bundleVerificationSchema>;

/** Answer of `runs bundle`. */
export const bundledSchema = z.strictObject({
  run_id: z.string(),
  /** Its folder, or with --archive the one file. */
  bundle: z.string(),
  artifact_metadata: z.array(artifactSchema),
  notes: z.array(z.string()),
  verification: bundleVerificationSchema.nullable(),
});
export type Bundled = z.infer<typeof bundledSchema>;
