/** The field table: how each part of an ssh spec behaves when it changes. */
import type { FieldRow } from "../../model/fields.ts";
import { copiedWorkspaceFields, ignoredField, liveField, recreateField } from "../../model/fields.ts";

const PER_EXEC = "applied to each command, so it holds from the next one on";
const OF_SLICE =
  "a limit of the slice that all of the runtime's commands run in, which takes another one in place";

export const sshFields: readonly FieldRow[] = [
  ignoredField("workspace.source", "the workspace there is canonical since it was seeded, wherever from"),
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
  recreateField("ssh.workspace_root", "a runtime lives in the folder it was made in"),
  liveField("ssh.isolation", PER_EXEC),
  liveField("ssh.network", PER_EXEC),
  liveField("ssh.on_disconnect", PER_EXEC),
  liveField("ssh.memory", OF_SLICE),
  liveField("ssh.cpus", OF_SLICE),
  liveField("ssh.pids", OF_SLICE),
  ignoredField("ready", "readiness is checked when a runtime is made, with the settings of that moment"),
];
