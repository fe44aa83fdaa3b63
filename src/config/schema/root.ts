import * as z from "zod";
import { artifactFault } from "../artifact-glob.ts";
import { hostSchema } from "./host.ts";
import { networkName, networkSchema } from "./network.ts";
import { sandboxSchema } from "./sandbox.ts";
import { secretsSectionSchema } from "./secret.ts";
import { stageSchema } from "./stage.ts";
import { about, nameText, nonEmptyText, textOf } from "./text.ts";
import { canarySchema, telemetrySchema } from "./telemetry.ts";
import { rootToolsSchema, toolsSchema } from "./tools.ts";
import { durationOrOffSchema, durationSchema, sizeSchema } from "./units.ts";

/** The config versions this sandkeep reads. */
export const CONFIG_VERSIONS: readonly number[] = [1];

/** Keys that belong to the fleet as a whole: only the root file may set them. */
export const ROOT_ONLY_KEYS: ReadonlySet<string> = new Set(["version", "fleet", "fleet_id"]);

export const includeSchema = z.array(nonEmptyText);

/** `[agents.NAME]`. */
export const agentSchema = z.strictObject({
  sessions: z
    .array(nameText)
    .min(1, { error: "expected at least one session" })
    .optional()
    .apply(about, 'Sessions that exist from the start; without it, "main".'),
  sandbox: sandboxSchema.optional().apply(about, "What differs from [sandbox] for this agent."),
  tools: toolsSchema.optional().apply(about, "What differs from [tools] for this agent."),
});

const maxDestroyExpected = { error: 'expected a whole number of at least 0, or "off"' };

const guardsSchema = z.strictObject({
  max_destroy: z
    .union([z.int().min(0, maxDestroyExpected), z.literal("off")], maxDestroyExpected)
    .optional()
    .apply(about, 'A plan that removes more orphans than this needs --max-destroy. "off" disables.'),
  allow_empty: z
    .boolean()
    .optional()
    .apply(about, "Whether a config without any agent may remove everything."),
});

const countExpected = { error: 'expected a whole number of at least 1, or "off"' };
const countOrOff = z.union([z.int().min(1, countExpected), z.literal("off")], countExpected);

const rolloutSchema = z.strictObject({
  max_parallel: countOrOff
    .optional()
    .apply(
      about,
      'How many sandboxes may be replaced, or changed in place while they run, at the same time, over all engines. "off" leaves it to the engines.',
    ),
  canary: countOrOff
    .optional()
    .apply(
      about,
      'How many sandboxes of those replaced or changed in place for one cause go first, while the others wait for their success. "off" lets all begin at once.',
    ),
  pause_on_failure: z
    .boolean()
    .optional()
    .apply(
      about,
      "Whether a failure keeps those from being begun that wait for it. A failed replacement brings the old one back; a failed change in place is not taken back. false only keeps the order.",
    ),
});

const watchSchema = z.strictObject({
  resync: durationSchema.optional().apply(about, 'How often everything is looked at again, such as "5m".'),
  workers: z
    .int()
    .min(1, { error: "expected a whole number from 1 to 64" })
    .max(64, { error: "expected a whole number from 1 to 64" })
    .optional()
    .apply(about, "How many things watch works on at once, 1 to 64."),
  debounce: durationSchema
    .optional()
    .apply(about, 'How long files must be quiet before an edit counts, such as "500ms".'),
});

const artifactGlobSchema = z.string().superRefine((text, context) => {
  const fault = artifactFault(text);
  if (fault !== undefined) context.addIssue({ code: "custom", message: fault.expected });
});

const runsSchema = z.strictObject({
  cleanup: z
    .strictObject({
      older_than: durationOrOffSchema
        .optional()
        .apply(about, 'Runs that ended this long ago may go, such as "7d". "off" goes by no age.'),
      failed_only: z.boolean().optional().apply(about, "Whether runs that succeeded stay."),
      source: nameText
        .optional()
        .apply(about, "Only runs that this one asked for: cli, task, canary, …; all for every."),
    })
    .optional()
    .apply(
      about,
      "What `runs cleanup` removes when no flag says otherwise; with this table `watch` does it, too.",
    ),
  artifacts: z
    .array(artifactGlobSchema)
    .optional()
    .apply(
      about,
      'What is kept of what a run leaves in its workspace, as globs relative to it, such as "out/**".',
    ),
  max_artifacts: sizeSchema
    .optional()
    .apply(
      about,
      'How much is kept of the artifacts of a run; what does not fit is left out. Such as "256MiB".',
    ),
  ephemeral_ttl: durationSchema
    .optional()
    .apply(
      about,
      'How long the sandbox of a `run --ephemeral` may outlive whoever started it, or stays with --keep. Such as "1h".',
    ),
  max_log: sizeSchema
    .optional()
    .apply(about, 'How much is kept of each stream of a run; beyond it the oldest goes. Such as "64MiB".'),
});

/** A whole fleet file, includes merged in. */
export const configSchema = z.strictObject({
  version: z
    .literal(1, { error: "expected 1, the config version" })
    .apply(about, "Version of this format: 1."),
  fleet: textOf(
    /^[a-z0-9][a-z0-9_-]{0,31}$/,
    "1 to 32 small letters, digits, dashes or underscores that start with a letter or digit",
  ).apply(about, "Name of the fleet; on the label of everything it owns."),
  fleet_id: textOf(/^[a-z0-9]{4,32}$/, "4 to 32 small letters or digits")
    .optional()
    .apply(about, "Random id that tells this fleet from others of the same name; written by init."),
  include: includeSchema
    .optional()
    .apply(about, "More config files, as globs relative to the root config's folder."),
  name_prefix: textOf(
    /^[a-z0-9][a-z0-9-]{0,15}$/,
    "1 to 16 small letters, digits or dashes that start with a letter or digit",
  )
    .optional()
    .apply(about, "Start of the names of everything made."),
  sandbox: sandboxSchema.optional().apply(about, "Defaults for the sandboxes of every agent."),
  agents: z.record(nameText, agentSchema).optional().apply(about, "The agents of this fleet, by name."),
  hosts: z.record(nameText, hostSchema).optional().apply(about, "Places backends connect to, by name."),
  networks: z
    .record(networkName, networkSchema)
    .optional()
    .apply(about, "Networks that this fleet makes, watches and removes, by name."),
  guards: guardsSchema.optional().apply(about, "Limits on what one apply may remove."),
  rollout: rolloutSchema
    .optional()
    .apply(
      about,
      "In which steps a change of the config or of an image reaches the sandboxes that are replaced for it, or changed in place while they run. New ones, folders, and what only goes back to what the config says, wait for nobody.",
    ),
  watch: watchSchema.optional().apply(about, "How watch works."),
  canary: canarySchema.optional().apply(about, "When hosts are tried."),
  telemetry: telemetrySchema.optional().apply(about, "Where reports about hosts go."),
  runs: runsSchema.optional().apply(about, "What is recorded of each run."),
  stage: stageSchema
    .optional()
    .apply(about, 'What may be applied of the changes that sandboxes with writes = "staged" collect.'),
  tools: rootToolsSchema.optional().apply(about, "Which tools may be used, for every agent."),
  secrets: secretsSectionSchema.optional().apply(about, "How this fleet handles secrets."),
});
export type Config = z.infer<typeof configSchema>;
