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
