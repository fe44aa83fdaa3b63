/** What the local backend cannot do with these settings: each row says what to change. Pure. */
import { namesFor } from "../../model/secret-use.ts";
import type { Settings } from "../../model/settings.ts";
import type { Requirement } from "../driver.ts";
import { THIS_HOST } from "../driver.ts";

interface RequirementRow {
  readonly when: (settings: Settings) => boolean;
  readonly requirement: Requirement;
}

const unisolated = (settings: Settings) => settings.options["isolation"] !== "bubblewrap";

const ROWS: readonly RequirementRow[] = [
  {
    when: ({ host = THIS_HOST }) => host !== THIS_HOST,
    requirement: {
      path: "host",
      code: "local-with-host",
      message: "the local backend makes sandboxes on this machine only, and a host is set",
      hint: 'set backend = "ssh" to have directory sandboxes on that host, or set host only where it is meant: [sandbox] host holds for every agent',
    },
  },
  {
    when: (settings) => namesFor(settings.secrets, "command").length > 0,
    requirement: {
      path: "secrets",
      code: "local-no-main-program",
      message: 'a secret for "command" needs a container with a main program, and a local sandbox has none',
      hint: 'take "command" out of the secret\'s for, or use the docker backend',
    },
  },
  {
    when: (settings) => unisolated(settings) && settings.workspace.access === "ro",
    requirement: {
      path: "workspace.access",
      code: "local-access-not-enforced",
      message: 'access = "ro" cannot be enforced without isolation: commands run with your own rights',
      hint: 'set local.isolation = "bubblewrap", or access = "rw" or "none"',
    },
  },
  {
    when: (settings) => unisolated(settings) && settings.options["network"] === "none",
    requirement: {
      path: "local.network",
      code: "local-network-not-enforced",
      message: 'network = "none" cannot be enforced without isolation',
      hint: 'set local.isolation = "bubblewrap", or remove local.network',
    },
  },
  {
    when: (settings) => unisolated(settings) && hasBinds(settings),
    requirement: {
      path: "local.binds",
      code: "local-binds-need-isolation",
      message: "binds need a sandbox with mounts of its own",
      hint: 'set local.isolation = "bubblewrap", or remove local.binds',
    },
  },
];

function hasBinds(settings: Settings): boolean {
  const { binds } = settings.options;
  return Array.isArray(binds) && binds.length > 0;
}

export function requireSettings(settings: Settings): readonly Requirement[] {
  return ROWS.filter((row) => row.when(settings)).map((row) => row.requirement);
}
