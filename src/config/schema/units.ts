import * as z from "zod";
import { SIZE_EXPECTED, SIZE_PATTERN, formatBytes, parseBytes } from "../../util/bytes.ts";
import { DURATION_EXPECTED, DURATION_PATTERN, formatDuration, parseDuration } from "../../util/duration.ts";

// A union whose only near side fails tells that side's message, so each side carries the whole one.
const orOff = { error: `expected ${DURATION_EXPECTED}, or "off"` };
const size = { error: `expected ${SIZE_EXPECTED}` };
const sizeOrUnlimited = { error: `expected ${SIZE_EXPECTED}, or "unlimited"` };

const durationText = z
  .string({ error: `expected ${DURATION_EXPECTED}` })
  .regex(DURATION_PATTERN, { error: `expected ${DURATION_EXPECTED}` });

/** Text → milliseconds, always more than none. */
export const durationSchema = z.codec(durationText, z.number(), {
  decode: (text, context) => {
    const ms = parseDuration(text);
    if (ms !== undefined && ms > 0) return ms;
    const message = ms === 0 ? `expected ${DURATION_EXPECTED}, longer than 0` : "expected at most 100 years";
    context.issues.push({ code: "custom", input: text, message });
    return z.NEVER;
  },
  encode: (ms) => formatDuration(ms),
});

const durationOrOffInput = z.union(
  [z.string().regex(DURATION_PATTERN, orOff), z.literal("off"), z.literal(0)],
  orOff,
);

/** Text → milliseconds, or `"off"` for `"off"`, `0` and any duration of no length. */
export const durationOrOffSchema = z.codec(durationOrOffInput, z.union([z.number(), z.literal("off")]), {
  decode: (input, context) => {
    if (input === "off" || input === 0) return "off";
    const ms = parseDuration(input);
    if (ms !== undefined) return ms === 0 ? "off" : ms;
    context.issues.push({ code: "custom", input, message: "expected at most 100 years" });
    return z.NEVER;
  },
  encode: (ms) => (ms === "off" ? "off" : formatDuration(ms)),
});

/** Text or a number of bytes → bytes, at least one. */
export const sizeSchema = z.codec(
  z.union([z.string().regex(SIZE_PATTERN, size), z.int().min(1, size)], size),
  z.number(),
  {
    decode: (input, context) => decodeSize(input, context),
    encode: (bytes) => formatBytes(bytes),
  },
);

export const sizeOrUnlimitedSchema = z.codec(
  z.union(
    [
      z.string().regex(SIZE_PATTERN, sizeOrUnlimited),
      z.int().min(1, sizeOrUnlimited),
      z.literal("unlimited"),
    ],
    sizeOrUnlimited,
  ),
  z.union([z.number(), z.literal("unlimited")]),
  {
    decode: (input, context) => (input === "unlimited" ? input : decodeSize(input, context)),
    encode: (bytes) => (bytes === "unlimited" ? bytes : formatBytes(bytes)),
  },
);

function decodeSize(input: string | number, context: z.core.ParsePayload): number {
  const bytes = typeof input === "number" ? input : parseBytes(input);
  if (bytes !== undefined && bytes > 0) return bytes;
  const message =
    bytes === 0 ? "expected a size of at least 1 byte" : "expected a whole number of bytes below 8 PiB";
  context.issues.push({ code: "custom", input, message });
  return z.NEVER;
}

export const coresSchema = z.number().positive({ error: "expected a number above 0, such as 1.5" });

const processes = { error: 'expected a whole number above 0, or "unlimited"' };

export const processesSchema = z.union([z.int().min(1, processes), z.literal("unlimited")], processes);
