import * as z from "zod";

export const listedRuntimeSchema = z.strictObject({
  address: z.string(),
  kind: z.enum(["sandbox", "browser"]),
  /** All but primary ones are declared nowhere, and pass. */
  role: z.enum(["primary", "ephemeral", "canary", "sidecar"]),
  backend: z.string(),
  host: z.string(),
  name: z.string(),
  object_id: z.string().nullable(),
  /** `ready`: of a backend that makes no runtimes, and that can take work. */
  status: z.enum(["ready", "running", "stopped", "created", "missing", "unhealthy", "unreachable"]),
  agent: z.string().nullable(),
  session: z.string().nullable(),
  spec_hash: z.string().nullable(),
  /** Whether it is as the config says. */
  config: z.enum(["match", "drift", "unknown"]),
  image: z.string().nullable(),
  /** ISO 8601. */
  created_at: z.string().nullable(),
  age_s: z.number().nullable(),
  last_used_at: z.string().nullable(),
  idle_s: z.number().nullable(),
  busy: z.boolean(),
  held: z.boolean(),
  /** When one that passes may be removed; null for primary ones. */
  expires_at: z.string().nullable(),
  /** How a running watch leaves it alone: started too often, failed lately, or waiting for another's success. */
  watch: z.enum(["stalled", "back-off", "paused"]).nullable(),
});
export type ListedRuntime = z.infer<typeof listedRuntimeSchema>;

const listedNetworkSchema = z.strictObject({
  /** `network/build` for a declared one, `egress/agent/work` for a runtime's own. */
  network: z.string(),
  backend: z.string(),
  host: z.string(),
  /** Engine name. */
  name: z.string(),
  object_id: z.string().nullable(),
  /** `closed`: it is there, and its gate does not run as it should, so nothing gets out. */
  status: z.enum(["ready", "closed", "missing", "orphan"]),
  gate: z.strictObject({ allow: z.array(z.string()), image: z.string() }).nullable(),
  /** Names of what is attached. */
  users: z.array(z.string()),
});
export type ListedNetwork = z.infer<typeof listedNetworkSchema>;

/** Answer of `list`. */
export const listingSchema = z.strictObject({
  runtimes: z.array(listedRuntimeSchema),
  networks: z.array(listedNetworkSchema).optional(),
  dormant: z.array(z.strictObject({ address: z.string(), since: z.string(), reason: z.string() })),
  orphans: z.array(listedRuntimeSchema),
  foreign: z.array(
    z.strictObject({
      backend: z.string(),
      host: z.string(),
      name: z.string(),
      object_id: z.string(),
      why: z.string(),
      hint: z.string().optional().describe("What a person may do about it."),
    }),
  ),
  /** Engines that could not be seen: what they hold is in none of the lists, and nobody knows what that is. */
  unobserved: z.array(z.strictObject({ backend: z.string(), host: z.string(), message: z.string() })),
  /** Hosts with which something is the matter, by who found out; `blocks`: nothing new is made there. */
  degraded_hosts: z
    .array(
      z.strictObject({
        host: z.string(),
        by: z.enum(["canary", "headroom"]),
        why: z.string(),
        since: z.string(),
        blocks: z.boolean(),
      }),
    )
    .optional(),
});
export type Listing = z.infer<typeof listingSchema>;
