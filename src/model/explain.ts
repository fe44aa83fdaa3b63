import * as z from "zod";
import { diagnosticSchema } from "./diagnostic.ts";
import type { Json } from "./json.ts";
import { enginePostureSchema } from "./posture.ts";
import { sourceSchema } from "./source.ts";

const json: z.ZodType<Json> = z.json();

const located = { file: z.string().nullable(), line: z.int().nullable() };

const settingSchema = z.strictObject({
  value: json,
  /** agent | default | built-in */
  layer: z.enum(["agent", "default", "built-in"]),
  /** The key that says so, or where a person would say otherwise. */
  key: z.string(),
  source: sourceSchema.nullable(),
});

export const fixItSchema = z.strictObject({ key: z.string(), ...located, why: z.string() });
export type FixIt = z.infer<typeof fixItSchema>;

export const toolVerdictSchema = z.strictObject({
  tool: z.string(),
  verdict: z.enum(["allowed", "blocked"]),
  /** allow | deny | also_allow | default-allow | default-deny | not-listed | not-sandboxed */
  rule: z.string(),
  pattern: z.string().nullable(),
  key: z.string().nullable(),
  ...located,
  why: z.string(),
  fix: z.array(fixItSchema),
});
export type ToolVerdict = z.infer<typeof toolVerdictSchema>;

const explainedRuntimeSchema = z.strictObject({
  address: z.string(),
  name: z.string(),
  status: z.string(),
  object_id: z.string().nullable(),
  /** What would happen on the next apply, or `no-op` with why nothing does. */
  would: z.array(z.strictObject({ action: z.string(), why: z.string() })),
  /** Who keeps it busy, and for how long already; null while nobody does. */
  busy: z.string().nullable(),
  /** Why a running watch does nothing about it for now; null when it leaves it not alone. An `apply` does it all the same. */
  watch: z
    .strictObject({
      state: z.enum(["stalled", "back-off", "paused"]),
      why: z.string(),
      /** ISO 8601. */
      until: z.string().nullable(),
    })
    .nullable(),
});

export const explainedAgentSchema = z.strictObject({
  agent: z.string(),
  mode: z.enum(["off", "non-main", "all"]),
  scope: z.enum(["session", "agent", "shared"]),
  backend: z.string(),
  host: z.string(),
  sessions: z.array(
    z.strictObject({
      session_key: z.string(),
      sandboxed: z.boolean(),
      address: z.string().nullable(),
      why: z.string(),
    }),
  ),
  /** Effective value of every leaf, by dotted path. */
  settings: z.record(z.string(), settingSchema),
  /** How the workspace gets in: bind | link | volume | own. */
  workspace_provider: z.string(),
  tools: z.strictObject({
    allow: z.array(z.string()),
    deny: z.array(z.string()),
    also_allow: z.array(z.string()),
    sources: z.record(z.string(), z.strictObject({ key: z.string(), ...located })),
    verdict: toolVerdictSchema.nullable(),
  }),
  elevated: z.strictObject({
    enabled: z.boolean(),
    allowed_channels: z.array(z.string()),
    failures: z.array(z.strictObject({ gate: z.string(), key: z.string(), ...located })),
  }),
  fix_it: z.array(fixItSchema),
  /** Sentences a person must not miss, e.g. that a backend is no security boundary. */
  notes: z.array(z.string()),
  runtimes: z.array(explainedRuntimeSchema),
});
export type ExplainedAgent = z.infer<typeof explainedAgentSchema>;

/** Answer of `explain`. */
export const explanationSchema = z.strictObject({
  fleet: z.string(),
  /** Of each backend that the shown agents use, from what this machine tells without a connection. */
  posture: z.array(enginePostureSchema),
  agents: z.array(explainedAgentSchema),
  diagnostics: z.array(diagnosticSchema),
});
export type Explanation = z.infer<typeof explanationSchema>;
