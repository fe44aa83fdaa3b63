/** What a command is built from: the spec's values read into one typed form, and the normaliser. */
import * as z from "zod";
import { SandkeepError } from "../../errors.ts";
import type { JsonObject } from "../../model/json.ts";
import type { Spec } from "../../model/spec.ts";

const valuesSchema = z.object({
  workspace: z.object({
    source: z.string().optional(),
    access: z.enum(["none", "ro", "rw"]),
    target: z.string(),
  }),
  env: z.record(z.string(), z.string()).default({}),
  setup: z.array(z.string()).default([]),
  buildkit: z.object({ image: z.string(), network: z.enum(["none", "default"]) }),
});

export type BuildSpec = z.infer<typeof valuesSchema>;

export function readSpec(spec: Spec): BuildSpec {
  const parsed = valuesSchema.safeParse(spec.values);
  if (parsed.success) return parsed.data;
  throw new SandkeepError(`a buildkit spec is malformed: ${z.prettifyError(parsed.error)}`, {
    code: "INTERNAL",
    blame: "tool",
  });
}

/** The frozen normal form of `[sandbox.buildkit]`: what shapes a command, with the defaults filled. */
export function normaliseOptions(options: JsonObject): JsonObject {
  const { image, image_policy, network } = options;
  return {
    ...(image === undefined ? {} : { image }),
    ...(image_policy === undefined ? {} : { image_policy }),
    network: network === "default" ? "default" : "none",
  };
}
