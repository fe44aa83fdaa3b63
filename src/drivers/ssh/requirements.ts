/** What the ssh backend cannot do with these settings: each row says what to change. Pure. */
import { namesFor } from "../../model/secret-use.ts";
import type { Host, Settings } from "../../model/settings.ts";
import type { Requirement } from "../driver.ts";
import { THIS_HOST } from "../driver.ts";

interface RequirementRow {
  readonly when: (settings: Settings, host: Host | undefined) => boolean;
  readonly requirement: Requirement;
}

const LEAST_CORES = 0.01;

const unisolated = (settings: Settings): boolean => settings.options["isolation"] !== "bubblewrap";

const ROWS: readonly RequirementRow[] = [
  {
    when: (settings) => settings.host === undefined,
    requirement: {
      // Where the backend was asked for: nobody wrote the other key.
      path: "backend",
      code: "ssh-host-required",
      message: "the ssh backend needs a host",
      hint: "set sandbox.host to the name of a [hosts.<name>] table with ssh = { target = … }",
    },
  },
  {
    when: (settings) => settings.host === THIS_HOST,
    requirement: {
      path: "host",
      code: "ssh-host-is-this-machine",
      message: 'the ssh backend has nothing to do on "local", which is this machine itself',
      hint: 'name a host with ssh = { target = … }, or use backend = "local" here',
    },
  },
  {
    when: (settings, host) => settings.host !== undefined && host !== undefined && host.ssh === undefined,
    requirement: {
      path: "host",
      code: "ssh-target-required",
      message: "the host has no ssh table, so the ssh backend cannot reach it",
      hint: 'add ssh = { target = "user@host" } to the host',
    },
  },
  {
    when: (settings) => namesFor(settings.secrets, "command").length > 0,
    requirement: {
      path: "secrets",
      code: "ssh-no-main-program",
      message: 'a secret for "command" needs a container with a main program, and an ssh sandbox has none',
      hint: 'take "command" out of the secret\'s for, or use the docker backend',
    },
  },
  {
    when: (settings) => unisolated(settings) && settings.workspace.access === "ro",
    requirement: {
      path: "workspace.access",
      code: "ssh-access-not-enforced",
      message: 'access = "ro" cannot be enforced without isolation: commands run with the account\'s rights',
      hint: 'set ssh.isolation = "bubblewrap", or access = "rw" or "none"',
    },
  },
  {
    when: (settings) => unisolated(settings) && settings.options["network"] === "none",
    requirement: {
      path: "ssh.network",
      code: "ssh-network-not-enforced",
      message: 'network = "none" cannot be enforced without isolation',
      hint: 'set ssh.isolation = "bubblewrap", or remove ssh.network',
    },
  },
  {
    when: ({ options: { cpus } }) => typeof cpus === "number" && cpus < LEAST_CORES,
    requirement: {
      path: "ssh.cpus",
      code: "ssh-cpus-too-small",
      message: `ssh.cpus is less than ${String(LEAST_CORES)} of a core, which is the least there is`,
      hint: `set ${String(LEAST_CORES)} or more`,
    },
  },
];

export function requireSettings(settings: Settings, host: Host | undefined): readonly Requirement[] {
  return ROWS.filter((row) => row.when(settings, host)).map((row) => row.requirement);
}
