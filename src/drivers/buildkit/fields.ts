/** The field table. Nothing is ever made, so nothing can drift: each command is as the settings say at its start. */
import type { FieldRow } from "../../model/fields.ts";
import { copiedWorkspaceFields, ignoredField, recreateField } from "../../model/fields.ts";

const PER_RUN = "each command is a build of its own, so it holds from the next one on";

export const buildkitFields: readonly FieldRow[] = [
  recreateField("workspace.source", PER_RUN),
  recreateField("workspace.access", PER_RUN),
  recreateField("workspace.target", PER_RUN),
  recreateField("workspace.provider", "the workspace is sent with each command"),
  ...copiedWorkspaceFields,
  recreateField("writes", "with staged writes another folder is sent", { introduced_default: "direct" }),
  recreateField("setup", "setup lines are cached layers below each command"),
  recreateField("env", PER_RUN),
  ignoredField("secrets", "injected into each command and never stored"),
  ignoredField("ready", "a worker is ready when it answers"),
  ignoredField("buildkit.endpoint", "where a command runs, not what it is"),
  recreateField("buildkit.image", PER_RUN),
  ignoredField("buildkit.image_policy", "says when to ask the registry, not what runs"),
  recreateField("buildkit.network", PER_RUN),
  ignoredField("buildkit.buildctl_path", "how the worker is told, not what it does"),
  ignoredField("buildkit.max_parallel", "when a command begins, not what it is"),
  ignoredField("buildkit.queue_capacity", "when a command begins, not what it is"),
  ignoredField("buildkit.tls", "how the worker is reached"),
  ignoredField("buildkit.cache", "how much of the worker's cache stays"),
];
