import * as z from "zod";
import { diagnosticSchema } from "./diagnostic.ts";

const place = { backend: z.string(), host: z.string() };

export const listedImageSchema = z.strictObject({
  ...place,
  ref: z.string(),
  policy: z.string(),
  state: z.enum(["present", "absent", "unknown"]),
  /** By the registry's name for it where that is known, else by the engine's. */
  kind: z.enum(["index", "manifest", "config"]).nullable(),
  digest: z.string().nullable(),
  platform: z.string().nullable(),
  /** The engine's id of what is present. */
  image_id: z.string().nullable(),
  /** Digest in the lock file for this engine's platform. */
  locked: z.string().nullable(),
  /** True when sandkeep pulled it here, from this state directory. */
  pulled: z.boolean(),
  /** Addresses declared to run it. */
  addresses: z.array(z.string()),
  /** Networks whose gates are to run it. */
  networks: z.array(z.string()),
  /** What could not be found out. */
  message: z.string().nullable(),
});
export type ListedImage = z.infer<typeof listedImageSchema>;

/** Whoever is to run an image, for people. */
export function usersOfImage({
  addresses,
  networks,
}: {
  readonly addresses: readonly string[];
  readonly networks: readonly string[];
}): string {
  return [...addresses, ...networks.map((network) => `the gate of ${network}`)].join(", ");
}

/** Answer of `images list`. */
export const imageListSchema = z.strictObject({
  images: z.array(listedImageSchema),
  diagnostics: z.array(diagnosticSchema),
  exit_code: z.int(),
});
export type ImageList = z.infer<typeof imageListSchema>;

export const lockedImageSchema = z.strictObject({
  ref: z.string(),
  platform: z.string(),
  before: z.string().nullable(),
  after: z.string().nullable(),
  status: z.enum(["added", "changed", "unchanged", "removed", "failed"]),
  /** Why it failed or was removed. */
  message: z.string().nullable(),
});
export type LockedImage = z.infer<typeof lockedImageSchema>;

/** Answer of `images lock` and `images update`. */
export const imageLockSchema = z.strictObject({
  file: z.string(),
  /** False when the file was as it had to be. */
  written: z.boolean(),
  images: z.array(lockedImageSchema),
  exit_code: z.int(),
});
export type ImageLock = z.infer<typeof imageLockSchema>;

export const checkedImageSchema = z.strictObject({
  ...place,
  ref: z.string(),
  policy: z.string(),
  status: z.enum(["current", "moved", "absent", "unlocked", "unknown", "unasked"]),
  /** What the lock file, or else the engine, says. */
  here: z.string().nullable(),
  /** What the registry says. */
  registry: z.string().nullable(),
  why: z.string(),
});
export type CheckedImage = z.infer<typeof checkedImageSchema>;

/** Answer of `images check`. */
export const imageCheckSchema = z.strictObject({
  images: z.array(checkedImageSchema),
  exit_code: z.int(),
});
export type ImageCheck = z.infer<typeof imageCheckSchema>;

export const prunedImageSchema = z.strictObject({
  ...place,
  image_id: z.string(),
  refs: z.array(z.string()),
  /** Bytes; null when the engine does not show it. */
  size: z.number().nullable(),
  status: z.enum(["removed", "would_remove", "kept", "failed"]),
  why: z.string(),
});
export type PrunedImage = z.infer<typeof prunedImageSchema>;

/** Answer of `images prune`. */
export const imagePruneSchema = z.strictObject({
  dry_run: z.boolean(),
  images: z.array(prunedImageSchema),
  exit_code: z.int(),
});
export type ImagePrune = z.infer<typeof imagePruneSchema>;
