import * as z from "zod";
import { about, textOf } from "./text.ts";
import { durationOrOffSchema, sizeOrUnlimitedSchema } from "./units.ts";

const pattern = textOf(
  /^(?:\/|\*\*\/)[^\0\n]{0,500}$/,
  'an absolute path or glob, such as "/root/.cache" or "**/node_modules"',
);
const keepExpected = { error: 'expected a whole number of at least 1, or "all"' };

/** `[sandbox.salvage]`. */
export const salvageSchema = z.strictObject({
  when: z
    .enum(["off", "unattended", "always"])
    .optional()
    .apply(
      about,
      "Whether a bundle of what was written inside is kept before a sandbox is removed or replaced; unattended: unless a person asked for it with recreate or destroy.",
    ),
  include: z
    .array(pattern)
    .min(1, { error: "expected at least one path" })
    .optional()
    .apply(about, "Paths and globs of what is kept, each with all that is below it; everything by default."),
  exclude: z.array(pattern).optional().apply(about, "Paths and globs of what is not kept, such as caches."),
  max_bytes: sizeOrUnlimitedSchema
    .optional()
    .apply(about, 'The most one bundle may hold, such as "1GiB", or "unlimited".'),
  oversize: z
    .enum(["fail", "truncate"])
    .optional()
    .apply(about, "What to do about more: leave the sandbox as it is, or leave out what does not fit."),
  keep: z
    .union([z.int().min(1, keepExpected), z.literal("all")], keepExpected)
    .optional()
    .apply(about, 'Newest bundles kept of one sandbox, or "all".'),
  max_age: durationOrOffSchema
    .optional()
    .apply(about, 'Older bundles give way to a new one of the same sandbox. "off" keeps them.'),
});
