import * as z from "zod";
import { secretRefSchema } from "./secret.ts";
import { about, nonEmptyText, textOf } from "./text.ts";
import { durationOrOffSchema, sizeSchema } from "./units.ts";

/** `[telemetry]`: where reports about hosts go. */
export const telemetrySchema = z.strictObject({
  export: z
    .enum(["off", "file", "http"])
    .optional()
    .apply(about, "Where each canary's report goes, beside the state directory."),
  file: nonEmptyText.optional().apply(about, "File that reports are appended to, one line of JSON each."),
  url: textOf(/^https?:\/\/[^\s/@]+(?:\/\S*)?$/, "an http:// or https:// address without a password")
    .optional()
    .apply(about, "Where reports are sent to, as JSON in a POST."),
  token: secretRefSchema
    .optional()
    .apply(about, "Sent with them as a bearer token, from { env }, { file } or { command }."),
});

/** `[canary]`: a sandbox that is made, tried and removed, to know that a host works. */
export const canarySchema = z.strictObject({
  every: durationOrOffSchema
    .optional()
    .apply(about, 'How often watch tries each host, at most once a resync, such as "1h". "off": never.'),
  hosts: z
    .array(nonEmptyText)
    .min(1, { error: "expected at least one host" })
    .optional()
    .apply(about, 'Which hosts watch tries; "local" is this machine. Without it those that the agents use.'),
});

/** Headroom below which a host is spoken against. */
export const headroomKeys = {
  disk_min_free: sizeSchema
    .optional()
    .apply(about, 'Less free than this on a disk that sandboxes or engines are on is told. Such as "10GiB".'),
  memory_min_free: sizeSchema
    .optional()
    .apply(about, 'Less available memory than this is told. Such as "2GiB".'),
  max_stale: z
    .int()
    .min(0, { error: "expected a whole number of at least 0" })
    .optional()
    .apply(about, "More stale things than this are told."),
  back_pressure: z
    .boolean()
    .optional()
    .apply(
      about,
      "Whether nothing new is made there while one of these limits is passed. Nothing is ever removed for it.",
    ),
};
