/** The field table: how each part of a local spec behaves when it changes. */
import type { FieldRow } from "../../model/fields.ts";
import { copiedWorkspaceFields, ignoredField, liveField, recreateField } from "../../model/fields.ts";

const PER_EXEC = "applied to each command, so it holds from the next one on";

export const localFields: readonly FieldRow[] = [
  recreateField("workspace.source", "the workspace link is made once, when the runtime is created"),
  recreateField("workspace.access", "setup ran with the old access"),
  recreateField("workspace.target", "setup may have written the old path down"),
  recreateField("workspace.provider", "how the workspace gets in is decided when the runtime is created"),
  ...copiedWorkspaceFields,
  recreateField("writes", "the workspace is another folder with staged writes", {
    introduced_default: "direct",
  }),
  recreateField("setup", "setup commands run once, in a fresh runtime"),
  liveField("env", PER_EXEC),
  liveField("secrets", "injected into each command and never stored"),
  liveField("local.isolation", PER_EXEC),
  {
    path: "local.home",
    hashed: false,
    // A home that is gone (null) took with it what setup had put there; setup runs only at creation.
    classify: (before) => (before === null ? "recreate" : "live"),
    why: `${PER_EXEC}; a lost home needs setup again`,
  },
  liveField("local.network", PER_EXEC),
  liveField("local.binds", PER_EXEC),
  ignoredField("local.allowed_roots", "a rule for configs, not a property of a runtime"),
  ignoredField("local.break_glass", "an exception from rules for configs; what it allows is in other fields"),
  ignoredField("ready", "readiness is checked when a runtime is made, with the settings of that moment"),
];
