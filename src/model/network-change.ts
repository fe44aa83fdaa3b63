import * as z from "zod";
import type { Json } from "./json.ts";

const json: z.ZodType<Json> = z.json();

/** What a plan does about one network, or why nothing. */
export const networkChangeSchema = z.strictObject({
  /** `network/build` for a declared one, `egress/agent/work` for a runtime's own. */
  network: z.string(),
  backend: z.string(),
  host: z.string(),
  /** Engine name. */
  name: z.string(),
  object_id: z.string().nullable(),
  action: z.enum(["create", "update", "remove", "no-op"]),
  why: z.string(),
  differences: z.array(z.strictObject({ path: z.string(), before: json, after: json })),
  /** Null for one that is not declared any more. */
  spec: z
    .strictObject({
      driver: z.enum(["bridge"]),
      internal: z.boolean(),
      subnet: z.string().nullable(),
      gateway: z.string().nullable(),
      options: z.record(z.string(), z.string()),
      gate: z.strictObject({ allow: z.array(z.string()), image: z.string() }).nullable(),
    })
    .nullable(),
  /** Addresses that belong on it. */
  users: z.array(z.string()),
  /** One sentence: what can leave it, and what sees to that. */
  enforced: z.string().nullable(),
});
export type NetworkChange = z.infer<typeof networkChangeSchema>;
