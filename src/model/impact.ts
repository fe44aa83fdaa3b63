import * as z from "zod";
import { salvageExcessSchema } from "./salvage.ts";

/** What a change takes from those who use its runtime. */
export const impactSchema = z.strictObject({
  /** True when a running runtime stops for a while or for good. */
  downtime: z.boolean(),
  /** Open runs, attached shells and execs that the engine reports. */
  busy: z.int().nonnegative(),
  /** Seconds since the last use; null when unknown. */
  idle_s: z.number().nullable(),
  /** Bytes written inside that the change destroys, at least; null when it destroys nothing or could not be measured. */
  rw_bytes: z.number().nullable(),
  /** Files, links and empty folders that were added or changed; null as for the bytes. */
  rw_files: z.int().nullable(),
  /** Paths of the image that were deleted, which a successor has again; null as for the bytes. */
  rw_deleted: z.int().nullable(),
  /** The first of what is destroyed, sorted; one that ends in `/` stands for all that is below. */
  rw_paths: z.array(z.string()),
  /** True when there is more than was counted. */
  rw_more: z.boolean(),
  /** True when a bundle of it is kept before it goes. */
  salvage: z.boolean(),
  salvage_excess: salvageExcessSchema.optional(),
  /** Why what the change destroys is not known; absent where it is known, or was not asked for. */
  rw_unknown: z.string().optional(),
  workspace: z.enum(["kept", "reseeded", "lost"]),
});
export type Impact = z.infer<typeof impactSchema>;
