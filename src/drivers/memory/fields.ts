import type { Capabilities } from "../../model/capabilities.ts";
import type { FieldRow } from "../../model/fields.ts";
import { copiedWorkspaceFields, ignoredField, liveField, recreateField } from "../../model/fields.ts";

const FIXED = "fixed when the runtime is created";
const PER_EXEC = "applied to each command, so it holds from the next one on";

/** The field table; a directory backend applies per command what an engine fixes at creation. */
export function memoryFields(lifecycle: Capabilities["lifecycle"]): readonly FieldRow[] {
  const perExec = lifecycle === "directory" ? liveField : recreateField;
  return [
    recreateField("workspace.source", FIXED),
    recreateField("workspace.access", FIXED),
    recreateField("workspace.target", FIXED),
    recreateField("workspace.provider", FIXED),
    ...copiedWorkspaceFields,
    recreateField("writes", FIXED, { introduced_default: "direct" }),
    recreateField("setup", "setup commands run once, in a fresh runtime"),
    perExec("env", lifecycle === "directory" ? PER_EXEC : FIXED),
    ignoredField("secrets", "injected into each command and never stored"),
    ignoredField("ready", "readiness is checked when a runtime is made, with the settings of that moment"),
    recreateField(
      "memory.image",
      "a runtime is made from its image; not hashed, since digests are compared",
      {
        hashed: false,
      },
    ),
    ignoredField("memory.image_policy", "says when to fetch, not what runs"),
    {
      path: "memory.memory",
      hashed: false,
      // As on a real engine: a limit can be changed while it runs, but not taken away.
      classify: (before, after) => (isAbsent(after) && !isAbsent(before) ? "recreate" : "live"),
      why: "the limit can be changed, but not removed, while it runs",
    },
    liveField("memory.cpus", "the limit can be changed while it runs"),
    recreateField("memory.command", FIXED),
    {
      path: "memory.command_secrets",
      hashed: false,
      // It waits for them: they can be handed over.
      classify: (before) => (Array.isArray(before) && before.length === 0 ? "live" : "recreate"),
      why: "the main program begins with its secrets",
    },
    recreateField("memory.network", FIXED),
    recreateField("memory.egress", FIXED),
    recreateField("memory.labels", FIXED),
  ];
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

/** Paths whose value cannot be read back from a runtime. */
export const UNOBSERVABLE: readonly string[] = [
  "setup",
  "secrets",
  "ready",
  "memory.image_policy",
  "memory.command_secrets",
];
