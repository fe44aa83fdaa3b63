import * as z from "zod";
import { buildkitSchema } from "./buildkit.ts";
import { egressSchema } from "./network.ts";
import { dockerSchema } from "./docker.ts";
import { localSchema } from "./local.ts";
import { salvageSchema } from "./salvage.ts";
import { sshSchema } from "./ssh-sandbox.ts";
import { secretsSchema } from "./secret.ts";
import { about, commandSchema, nonEmptyText, sandboxPath, variableName } from "./text.ts";
import { durationOrOffSchema, durationSchema } from "./units.ts";

const workspaceSchema = z.strictObject({
  source: nonEmptyText
    .optional()
    .apply(about, "Folder the agent works on, relative to the root config's folder."),
  access: z
    .enum(["none", "ro", "rw"])
    .optional()
    .apply(about, "Whether commands see the workspace, and may change it."),
  target: sandboxPath.optional().apply(about, "Where the workspace appears; also the working directory."),
  sync: z
    .enum(["seed", "before-run"])
    .optional()
    .apply(
      about,
      "Of a workspace that is copied to another machine: copied once, or also brought up to date before each run, which is refused where both sides changed a file.",
    ),
  ignore: z
    .enum(["off", "gitignore"])
    .optional()
    .apply(
      about,
      "What such a copy leaves out beside what .sandkeepignore names: nothing, or what git ignores.",
    ),
});

const readySchema = z.strictObject({
  command: commandSchema.describe("Program that exits with 0 once the sandbox is ready. No shell."),
  timeout: durationSchema.optional().apply(about, 'How long it may take, such as "30s".'),
  interval: durationSchema
    .optional()
    .apply(about, 'Pause between attempts, the first of which is made at once, such as "1s".'),
});

const pruneSchema = z.strictObject({
  idle: durationOrOffSchema
    .optional()
    .apply(about, 'Unused for this long, a sandbox is removed until its next use. "off" keeps it.'),
  max_age: durationOrOffSchema
    .optional()
    .apply(about, 'Older than this, a sandbox is made anew. "off" keeps it.'),
});

const disruptionSchema = z.strictObject({
  when: z
    .enum(["now", "idle", "never"])
    .optional()
    .apply(about, "When a sandbox in use may be replaced: at once, when idle, or only by hand."),
  max_wait: durationOrOffSchema
    .optional()
    .apply(about, 'How long `when = "idle"` waits before it replaces anyway. "off" waits on.'),
});

const timeoutsSchema = z.strictObject({
  fetch: durationSchema.optional().apply(about, 'How long the pull of an image may take, such as "15m".'),
  seed: durationSchema.optional().apply(about, "How long the copy of a workspace to a new sandbox may take."),
  setup: durationSchema
    .optional()
    .apply(about, "How long all setup lines of a new sandbox may take together."),
});

/** `[sandbox]` and `[agents.NAME.sandbox]`. All keys are optional here; defaults are not the schema's business. */
export const sandboxSchema = z.strictObject({
  mode: z
    .enum(["off", "non-main", "all"])
    .optional()
    .apply(about, "Which sessions are sandboxed: none, all but main, or all."),
  scope: z
    .enum(["session", "agent", "shared"])
    .optional()
    .apply(about, "How many sandboxes: one a session, one an agent, or one for all."),
  backend: nonEmptyText
    .optional()
    .apply(about, 'Where sandboxes live, such as "local", "docker", "podman" or "ssh".'),
  host: nonEmptyText
    .optional()
    .apply(about, 'Which of [hosts] the backend connects to; "local" is this machine.'),
  writes: z
    .enum(["direct", "staged"])
    .optional()
    .apply(about, "Whether changes reach the workspace at once or after review."),
  provision: z
    .enum(["eager", "on-use"])
    .optional()
    .apply(about, "Whether apply makes sandboxes, or their first use does."),
  protect: z.boolean().optional().apply(about, "Whether sandboxes are kept from being removed."),
  attest: z
    .boolean()
    .optional()
    .apply(
      about,
      "Whether limits, mounts, network and privileges of a new sandbox are also checked by commands inside it.",
    ),
  setup: z
    .array(nonEmptyText)
    .optional()
    .apply(about, "Shell lines run once in a new sandbox, before it is used."),
  env: z.record(variableName, z.string()).optional().apply(about, "Variables of every command."),
  secrets: secretsSchema
    .optional()
    .apply(
      about,
      "Variables whose values are looked up when a command runs: { env }, { file } or { command }.",
    ),
  workspace: workspaceSchema.optional().apply(about, "The folder the agent works on."),
  ready: readySchema
    .optional()
    .apply(
      about,
      "How to tell that a new sandbox is ready. In a container it takes the place of the image's HEALTHCHECK. Without it, and without a HEALTHCHECK, a container counts as ready once its program has run for 2 s (0.5 s where sandkeep only keeps it open), and a folder, here or over ssh, at once. One that the config changes in place has to run on for as long, and is then asked again.",
    ),
  timeouts: timeoutsSchema.optional().apply(about, "When a step of making a sandbox is given up."),
  egress: egressSchema
    .optional()
    .apply(about, "What may leave the sandbox; everything else is denied. Gives it a network of its own."),
  prune: pruneSchema.optional().apply(about, "When unused sandboxes are removed."),
  disruption: disruptionSchema.optional().apply(about, "When sandboxes in use may be replaced."),
  salvage: salvageSchema
    .optional()
    .apply(about, "What is kept of the files written in a sandbox before it is removed or replaced."),
  docker: dockerSchema.optional().apply(about, "Settings of the docker backend."),
  podman: dockerSchema.optional().apply(about, "Settings of the podman backend: the keys of docker."),
  local: localSchema.optional().apply(about, "Settings of the local backend."),
  ssh: sshSchema.optional().apply(about, "Settings of the ssh backend."),
  buildkit: buildkitSchema.optional().apply(about, "Settings of the buildkit backend."),
});
export type SandboxSettings = z.infer<typeof sandboxSchema>;
