import * as z from "zod";
import { bundledSchema } from "./bundle.ts";
import { listedRunSchema, RUN_EXIT_CLASSES } from "./run.ts";
import { rerunSchema, runDifferenceSchema, runLineSchema } from "./run-answers.ts";
import { runManifestSchema } from "./run-manifest.ts";

/** Answer of `runs triage`: one failure in one place. */
export const triageSchema = z.strictObject({
  run: runManifestSchema,
  folder: z.string(),
  latest_log: z.string().nullable(),
  lines: z.array(runLineSchema),
  diagnosis: z.strictObject({
    exit_class: z.enum(RUN_EXIT_CLASSES).nullable(),
    what: z.string(),
    next: z.string(),
  }),
  /** The runtime as it is now; null where it is not there, or the run was on the host. */
  runtime: z
    .strictObject({
      address: z.string(),
      status: z.string(),
      config: z.string(),
      object_id: z.string().nullable(),
      /** Whether it is still the very runtime that the command ran in. */
      same: z.boolean(),
    })
    .nullable(),
  /** Why nothing can be said of the runtime. */
  unobserved: z.string().nullable(),
  drift: z.array(runDifferenceSchema),
  /** Latest runs that failed the same way, newest first. */
  similar: z.array(listedRunSchema),
  rerun: rerunSchema.nullable(),
  bundle: bundledSchema.nullable(),
});
export type Triage = z.infer<typeof triageSchema>;
