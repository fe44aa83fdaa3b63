import { HOST_VERBS } from "./host-verbs.ts";
import type { CommandModule } from "./invocation.ts";
import { RUN_OPTIONS } from "./run-options.ts";
import { RUNS_OPTIONS } from "./runs-options.ts";
import { DOCTOR_OPTIONS } from "./doctor-options.ts";
import { NO_SALVAGE, PRUNE_OPTIONS, YES } from "./prune-options.ts";
import { SALVAGE_OPTIONS } from "./salvage-options.ts";
import { STAGE_OPTIONS } from "./stage-options.ts";
import { SYNC_OPTIONS } from "./sync-options.ts";
import type { VerbOption } from "./verb-option.ts";
import { AGENT, SESSION } from "./verb-option.ts";

/** One verb as data: help, completion and parsing read it; its module is imported only when it runs. */
export interface Verb {
  readonly name: string;
  readonly alias?: string;
  readonly about: string;
  /** Commander's notation: `<needed>`, `[optional]`, `[many...]`. */
  readonly args: readonly (readonly [notation: string, about: string])[];
  readonly options: readonly VerbOption[];
  readonly load: () => Promise<CommandModule>;
}

const PARALLELISM: VerbOption = { flags: "--parallelism <n>", about: "steps at once on one engine" };
const REPLACE: VerbOption = {
  flags: "--replace <address>",
  about: "replace it although nothing drifted; may be repeated",
  repeated: true,
};
const MAX_DESTROY: VerbOption = {
  flags: "--max-destroy <n>",
  about: "allow this many orphans to be removed",
};
export const VERBS: readonly Verb[] = [
  {
    name: "init",
    about: "write a commented starter sandkeep.toml",
    args: [],
    options: [
      { flags: "--backend <name>", about: "backend of the starter file (default local)" },
      { flags: "--force", about: "overwrite an existing file" },
    ],
    load: () => import("./commands/init.ts"),
  },
  {
    name: "import",
    about: "write a commented sandkeep.toml from another tool's config",
    args: [["<file>", "config of FluffBuzz, OpenClaw, BMO or bmux"]],
    options: [
      { flags: "--from <product>", about: "fluffbuzz, openclaw, bmo or bmux; else told by its keys" },
      { flags: "--out <file>", about: "write here instead of to stdout" },
      { flags: "--force", about: "overwrite an existing file" },
    ],
    load: () => import("./commands/import.ts"),
  },
  {
    name: "schema",
    about: "print a JSON Schema of a published format",
    args: [["[name]", "config, plan, event, list, … (default config)"]],
    options: [],
    load: () => import("./commands/schema.ts"),
  },
  {
    name: "completion",
    about: "print a completion script",
    args: [["<shell>", "bash, zsh or fish"]],
    options: [],
    load: () => import("./commands/completion.ts"),
  },
  {
    name: "validate",
    about: "report every problem of the config at once",
    args: [],
    options: [],
    load: () => import("./commands/validate.ts"),
  },
  {
    name: "explain",
    about: "tell what is effective, who said so, and what would happen or why not",
    args: [
      ["[address]", "only this runtime"],
      ["[path]", "only this setting, such as docker.image"],
    ],
    options: [
      AGENT,
      SESSION,
      { flags: "--tool <name>", about: "whether this tool is allowed, by which rule" },
    ],
    load: () => import("./commands/explain.ts"),
  },
  {
    name: "plan",
    about: "show what would change and why",
    args: [],
    options: [
      { flags: "--out <file>", about: "save the plan for apply" },
      { flags: "--detailed-exitcode", about: "exit 2 when changes are pending" },
      REPLACE,
      { flags: "--at <time>", about: "what would happen then, such as +24h" },
      { flags: "--verbose", about: "also why nothing happens" },
      MAX_DESTROY,
    ],
    load: () => import("./commands/plan.ts"),
  },
  {
    name: "apply",
    about: "make it so",
    args: [["[plan-file]", "carry out a saved plan"]],
    options: [YES, MAX_DESTROY, PARALLELISM, REPLACE],
    load: () => import("./commands/apply.ts"),
  },
  {
    name: "watch",
    about: "keep it so, until told to stop",
    args: [],
    options: [
      { flags: "--once", about: "one cycle" },
      { flags: "--interval <duration>", about: "look at everything again this often" },
    ],
    load: () => import("./commands/watch.ts"),
  },
  {
    name: "list",
    alias: "ps",
    about: "show the runtimes of this fleet",
    args: [],
    options: [
      { flags: "--browser", about: "only browser runtimes" },
      { flags: "--backend <name>", about: "only of this backend" },
      { flags: "--all", about: "also what is not there now, other roles, other tools' sandboxes" },
    ],
    load: () => import("./commands/list.ts"),
  },
  {
    name: "status",
    alias: "posture",
    about: "tell whether each backend could take work, and what to do where it could not",
    args: [],
    options: [{ flags: "--probe", about: "ask the engines too; without it nothing is dialled" }],
    load: () => import("./commands/status.ts"),
  },
  {
    name: "lanes",
    about: "show who works and who waits on each build endpoint, and since when",
    args: [],
    options: [],
    load: () => import("./commands/lanes.ts"),
  },
  {
    name: "inspect",
    about: "show one runtime in full",
    args: [["<address>", "its address"]],
    options: [],
    load: () => import("./commands/inspect.ts"),
  },
  {
    name: "recreate",
    about: "replace runtimes although nothing drifted",
    args: [["[addresses...]", "their addresses"]],
    options: [
      { flags: "--all", about: "every runtime" },
      AGENT,
      SESSION,
      { flags: "--browser", about: "browser runtimes" },
      { flags: "--drifted", about: "those that differ from the config" },
      YES,
      { flags: "--force", about: "same as --yes" },
      NO_SALVAGE,
      PARALLELISM,
    ],
    load: () => import("./commands/recreate.ts"),
  },
  {
    name: "prune",
    about: "remove what is idle or too old",
    args: [],
    options: PRUNE_OPTIONS,
    load: () => import("./commands/prune.ts"),
  },
  {
    name: "images",
    about: "show, lock, check, update or prune the images that runtimes are made from",
    args: [
      ["<action>", "list, lock, check, update or prune"],
      ["[refs...]", "lock and update: only these images"],
    ],
    options: [{ flags: "--dry-run", about: "prune: only say what would be removed" }],
    load: () => import("./commands/images.ts"),
  },
  {
    name: "salvage",
    about: "show, extract or remove what was kept of removed sandboxes",
    args: [
      ["<action>", "list, extract or prune"],
      ["[id]", "extract: which bundle; the start of its id will do"],
    ],
    options: SALVAGE_OPTIONS,
    load: () => import("./commands/salvage.ts"),
  },
  {
    name: "destroy",
    about: "remove runtimes and their workspaces",
    args: [["[addresses...]", "their addresses"]],
    options: [
      { flags: "--all", about: "everything of the fleet" },
      { flags: "--unprotect", about: "also what is protected" },
      NO_SALVAGE,
      YES,
    ],
    load: () => import("./commands/destroy.ts"),
  },
  {
    name: "run",
    about: "run a command in a sandbox",
    args: [["<command...>", "after --"]],
    options: [
      ...RUN_OPTIONS,
      { flags: "--detach", about: "leave it running, and print its id; `runs attach` comes back to it" },
    ],
    load: () => import("./commands/run.ts"),
  },
  {
    name: "shell",
    about: "open a terminal in a sandbox",
    args: [["[command...]", "after --; else a shell"]],
    options: RUN_OPTIONS,
    load: () => import("./commands/shell.ts"),
  },
  {
    name: "runs",
    about: "show what was run: where, under what, its output, and how it ended",
    args: [
      [
        "<action>",
        "list, status, inspect, tail, open, artifacts, attach, rerun, dev, triage, bundle, verify-bundle, cancel, cleanup, rebuild-index or doctor",
      ],
      [
        "[runs...]",
        "an id, the beginning of one, or a run's folder; verify-bundle: a bundle; dev: a command, after --",
      ],
    ],
    options: RUNS_OPTIONS,
    load: () => import("./commands/runs.ts"),
  },
  {
    name: "stage",
    about: "review what sandboxes with staged writes changed, and apply it or throw it away",
    args: [
      ["<action>", "list, diff, apply, discard or export; looking at a stage of another machine fetches it"],
      ["[address]", "whose stage; not needed where only one is open"],
    ],
    options: STAGE_OPTIONS,
    load: () => import("./commands/stage.ts"),
  },
  {
    name: "sync",
    about: "move changes between the workspace here and its copy on another machine",
    args: [
      ["<action>", "pull, push or status"],
      ["[agents...]", "whose workspaces; all that are kept on another machine where none is named"],
    ],
    options: SYNC_OPTIONS,
    load: () => import("./commands/sync.ts"),
  },
  ...HOST_VERBS,
  {
    name: "doctor",
    about: "find what is out of order in the state directory, and mend it",
    args: [],
    options: DOCTOR_OPTIONS,
    load: () => import("./commands/doctor.ts"),
  },
  {
    name: "events",
    about: "show what happened, without saying to whom or with what",
    args: [],
    options: [
      { flags: "--follow", about: "(-f): go on as they come" },
      { flags: "--since <time>", about: "only since then: 24h ago, or an ISO 8601 time" },
    ],
    load: () => import("./commands/events.ts"),
  },
  {
    name: "hold",
    about: "leave a runtime alone until released",
    args: [["<address>", "its address, or fleet for all"]],
    options: [
      { flags: "--reason <text>", about: "why; shown wherever it matters" },
      { flags: "--until <time>", about: "ISO 8601 time, or +2h" },
    ],
    load: () => import("./commands/hold.ts"),
  },
  {
    name: "release",
    about: "end a hold",
    args: [["<address>", "its address, or fleet"]],
    options: [],
    load: () => import("./commands/release.ts"),
  },
];
