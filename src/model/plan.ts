import * as z from "zod";
import { diagnosticSchema } from "./diagnostic.ts";
import { passingRoleSchema } from "./ephemeral.ts";
import { impactSchema } from "./impact.ts";
import type { Json, JsonObject } from "./json.ts";
import { rolloutPlaceSchema } from "./rollout.ts";
import { salvageSettingsSchema } from "./salvage.ts";
import { cacheChangeSchema } from "./cache.ts";
import { networkChangeSchema } from "./network-change.ts";
import { sourceSchema } from "./source.ts";

const json: z.ZodType<Json> = z.json();
const jsonObject: z.ZodType<JsonObject> = z.record(z.string(), json);

export const actionSchema = z.enum([
  "create",
  "start",
  "update",
  "recreate",
  "remove",
  "adopt",
  "repair",
  "no-op",
]);
export type Action = z.infer<typeof actionSchema>;

/** Where a difference comes from. It informs and never changes the action. */
export const originSchema = z.enum(["config", "live", "image", "missing", "unhealthy"]);
export type DriftOrigin = z.infer<typeof originSchema>;

export const reasonSchema = z.strictObject({
  /** Field path (`docker.memory`), or what else differs: `state`, `image`, `secrets.NAME`, `age`, `idle`. */
  path: z.string(),
  class: z.enum(["recreate", "live", "ignored"]),
  /** `(sensitive)` stands for masked values; null for absent ones. */
  before: json,
  after: json,
  /** Where the config says so; null for built-in values and for what the config does not say. */
  source: sourceSchema.nullable(),
  /** The config key, `agents.work.sandbox.docker.memory`; null as for source. */
  key: z.string().nullable(),
  why: z.string(),
});
export type Reason = z.infer<typeof reasonSchema>;

/** What must still be true when a change is carried out. Null object_id: neither the name nor its `.new` and `.old` exist. */
const preconditionSchema = z.strictObject({
  object_id: z.string().nullable(),
  spec_hash: z.string().nullable(),
  /** sha256 over the observed field-table values and run state. */
  observed_digest: z.string().nullable(),
});

export const changeSchema = z.strictObject({
  address: z.string(),
  kind: z.enum(["sandbox", "browser"]),
  backend: z.string(),
  host: z.string(),
  /** Canonical engine name. */
  name: z.string(),
  agent: z.string().nullable(),
  session: z.string().nullable(),
  object_id: z.string().nullable(),
  /** In order of execution. */
  actions: z.array(actionSchema),
  origin: originSchema.nullable(),
  /** One line for people: why this happens, or why nothing does. */
  why: z.string(),
  reasons: z.array(reasonSchema),
  replace_paths: z.array(z.string()),
  /** Key into `specs`; null when nothing is left behind. */
  spec_key: z.string().nullable(),
  hashes: z.strictObject({ before: z.string().nullable(), after: z.string().nullable() }),
  precondition: preconditionSchema,
  impact: impactSchema,
  protection: z.strictObject({ protected: z.boolean(), rule: z.string().nullable() }),
  /** How what is written inside is kept once it goes, for what this change leaves behind; null where it is not. */
  salvage: salvageSettingsSchema.nullable(),
  /** Secret name → keyed fingerprint to be written at creation. */
  secrets: z.record(z.string(), z.string()),
  /** When a replacement or a change in place is begun; null for every other change, since nothing that works can fail of it. */
  rollout: rolloutPlaceSchema.nullable(),
  /** Present for the creation of a runtime that no declaration yields. */
  passing: passingRoleSchema.optional(),
});
export type Change = z.infer<typeof changeSchema>;

const nodeCommon = {
  id: z.string(),
  address: z.string(),
  backend: z.string(),
  host: z.string(),
  /** Node ids that must have succeeded: when one did not, neither this node nor the rest of its change is begun. */
  depends_on: z.array(z.string()),
  /** Node ids that must have ended, however they ended. */
  after: z.array(z.string()),
  /** Node ids run in this order when this one fails; they run in no other case. */
  on_failure: z.array(z.string()),
  /** True for nodes that run only as another's compensation. */
  compensates: z.boolean(),
  idempotency_key: z.string(),
  timeout_s: z.number().positive(),
  cause: z.string(),
};

/** Null stands for the object that this change's own `create` made. */
const objectId = z.string().nullable();

const keeping = {
  ...nodeCommon,
  object_id: z.string(),
  workspace: z.enum(["keep", "delete"]),
  settings: salvageSettingsSchema,
};

export const nodeSchema = z.discriminatedUnion("op", [
  z.strictObject({ op: z.literal("fetch"), ...nodeCommon, ref: z.string(), policy: z.string() }),
  z.strictObject({ op: z.literal("create"), ...nodeCommon, name: z.string(), spec_key: z.string() }),
  z.strictObject({ op: z.literal("seed"), ...nodeCommon, object_id: objectId, spec_key: z.string() }),
  z.strictObject({ op: z.literal("start"), ...nodeCommon, object_id: objectId }),
  z.strictObject({ op: z.literal("setup"), ...nodeCommon, object_id: objectId, spec_key: z.string() }),
  z.strictObject({
    op: z.literal("verify"),
    ...nodeCommon,
    object_id: objectId,
    spec_key: z.string(),
    /** Present when what was asked for is also looked at from inside. */
    attest: z.literal(true).optional(),
  }),
  z.strictObject({
    op: z.literal("health"),
    ...nodeCommon,
    object_id: objectId,
    spec_key: z.string(),
    /** Present for what runs already and was changed: only from now on does its running prove anything. */
    in_place: z.literal(true).optional(),
  }),
  z.strictObject({ op: z.literal("rename"), ...nodeCommon, object_id: objectId, to: z.string() }),
  z.strictObject({
    op: z.literal("stop"),
    ...nodeCommon,
    object_id: objectId,
    /** How long it may take to end by itself, in seconds; absent where no settings say so. */
    grace_s: z.number().nonnegative().optional(),
  }),
  z.strictObject({
    op: z.literal("update"),
    ...nodeCommon,
    object_id: objectId,
    spec_key: z.string(),
    paths: z.array(z.string()),
  }),
  /** What the agent staged elsewhere comes into its stage here before it goes; failing, it keeps the runtime. */
  z.strictObject({ op: z.literal("collect"), ...nodeCommon, object_id: z.string() }),
  /** Fails, before anything is disturbed, where the salvage after it could only fail for the size of what it keeps. */
  z.strictObject({ op: z.literal("weigh"), ...keeping }),
  /** Keeps what the removal after it destroys; its failure keeps the runtime. */
  z.strictObject({ op: z.literal("salvage"), ...keeping }),
  z.strictObject({
    op: z.literal("remove"),
    ...nodeCommon,
    object_id: objectId,
    workspace: z.enum(["keep", "delete"]),
  }),
  /** Deletes what is kept for an address that has no runtime: its canonical workspace. */
  z.strictObject({ op: z.literal("forget"), ...nodeCommon }),
  /** Makes or mends a network of the fleet, gate included, or removes one. */
  z.strictObject({
    op: z.literal("network"),
    ...nodeCommon,
    effect: z.enum(["ensure", "remove"]),
    name: z.string(),
    object_id: z.string().nullable(),
  }),
  z.strictObject({ op: z.literal("mark"), ...nodeCommon, dormant: z.boolean(), reason: z.string() }),
]);
export type GraphNode = z.infer<typeof nodeSchema>;
export type Op = GraphNode["op"];

export const imageSchema = z.strictObject({
  backend: z.string(),
  host: z.string(),
  ref: z.string(),
  policy: z.string(),
  /** By the registry's name for it where that is known, else by the engine's; null where neither could say. */
  kind: z.enum(["index", "manifest", "config"]).nullable(),
  digest: z.string().nullable(),
  platform: z.string().nullable(),
  present: z.boolean(),
});
export type PlanImage = z.infer<typeof imageSchema>;

const specEntrySchema = z.strictObject({
  hash: z.string(),
  kind: z.enum(["sandbox", "browser"]),
  backend: z.string(),
  values: jsonObject,
});

export const blockedSchema = z.strictObject({
  address: z.string(),
  /** busy | protected | guard | foreign | candidate | disruption | image | network | unobserved | rollout | salvage | host */
  rule: z.string(),
  why: z.string(),
  /** Milliseconds since the epoch at which it is tried again, when known. */
  until: z.number().nullable(),
  fix: z.string().nullable(),
  /** True when the change is only put off and will be made without a person's help. */
  deferred: z.boolean(),
});
export type Blocked = z.infer<typeof blockedSchema>;

export const planSchema = z.strictObject({
  format_version: z.string(),
  tool_version: z.string(),
  /** `sha256:<hex>` over decisions, specs, images, preconditions and graph: equal inputs, equal id. */
  plan_id: z.string(),
  created_at: z.string(),
  /** Both ISO 8601; this one of a plan that asks what would happen then, which is never applied. Null for one of now. */
  at: z.string().nullable(),
  mode: z.enum(["apply", "recreate", "prune", "destroy"]),
  /** False when some engine could not be observed; nothing is planned for what it holds. */
  complete: z.boolean(),
  source: z.strictObject({
    fleet: z.string(),
    fleet_id: z.string().nullable(),
    /** Null when planned without a config. */
    file: z.string().nullable(),
    files: z.array(z.strictObject({ path: z.string(), sha256: z.string() })),
  }),
  observed: z.array(
    z.strictObject({
      backend: z.string(),
      host: z.string(),
      status: z.enum(["complete", "unobserved"]),
      runtimes: z.int().nonnegative(),
      message: z.string().nullable(),
    }),
  ),
  images: z.array(imageSchema),
  specs: z.record(z.string(), specEntrySchema),
  changes: z.array(changeSchema),
  networks: z.array(networkChangeSchema).optional(),
  caches: z.array(cacheChangeSchema).optional(),
  orphans: z.array(
    z.strictObject({
      address: z.string(),
      backend: z.string(),
      host: z.string(),
      name: z.string(),
      object_id: z.string(),
      why: z.string(),
    }),
  ),
  foreign: z.array(
    z.strictObject({
      backend: z.string(),
      host: z.string(),
      name: z.string(),
      object_id: z.string(),
      why: z.string(),
    }),
  ),
  dormant: z.array(z.strictObject({ address: z.string(), since: z.string(), reason: z.string() })),
  held: z.array(z.strictObject({ address: z.string(), reason: z.string(), until: z.string().nullable() })),
  blocked: z.array(blockedSchema),
  graph: z.array(nodeSchema),
  summary: z.strictObject({
    create: z.int(),
    start: z.int(),
    update: z.int(),
    recreate: z.int(),
    remove: z.int(),
    adopt: z.int(),
    repair: z.int(),
    no_op: z.int(),
    blocked: z.int(),
    held: z.int(),
    dormant: z.int(),
    orphans: z.int(),
    foreign: z.int(),
  }),
  diagnostics: z.array(diagnosticSchema),
  /** What the process exits with. */
  exit_code: z.int(),
});
export type Plan = z.infer<typeof planSchema>;
