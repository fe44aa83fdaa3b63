export interface TemplateValues {
  readonly fleet: string;
  readonly fleetId: string;
  readonly backend: string;
}

/** The commented starter `sandkeep.toml`. Every line that is not commented out is valid as it stands. */
export function initTemplate({ fleet, fleetId, backend }: TemplateValues): string {
  return `# The sandboxes of this repository. \`sandkeep plan\` shows what would change, \`sandkeep apply\` does it.
version  = 1
fleet    = ${tomlText(fleet)}
fleet_id = ${tomlText(fleetId)}   # tells this fleet from others of the same name; keep it

# include = ["agents/*.toml"]   # more files like this one, below this repository

# Defaults for every agent. [agents.NAME.sandbox] overrides them, key by key.
[sandbox]
${BACKEND_PLACES[backend] ?? ""}backend = ${tomlText(backend)}   # where sandboxes live: local, docker, podman, ssh
mode    = "all"   # which sessions are sandboxed: off, non-main, all
scope   = "agent"   # how many sandboxes: one a session, one an agent, or one that is shared
# setup = ["git config --global safe.directory /workspace"]
# timeouts = { setup = "15m" }   # when a new sandbox is given up; also fetch (its image) and seed (its workspace)
# attest = true   # what is asked for is also checked from inside each new sandbox
# env = { LANG = "C.UTF-8" }
# secrets = { NPM_TOKEN = { env = "NPM_TOKEN" } }   # env, file or command; for = ["run", "setup"] says who gets it

[sandbox.workspace]
source = "."   # the folder agents work on
access = "rw"   # none, ro, rw

${BACKEND_SECTIONS[backend] ?? ""}[sandbox.prune]
idle    = "24h"   # unused for this long, a sandbox is removed until its next use; "off" keeps it
max_age = "7d"

# [sandbox.salvage]
# when    = "always"   # keep a bundle of what was written inside before a sandbox goes: off, unattended, always
# exclude = ["/root/.cache"]

# One table an agent. Session "main" exists without being declared.
[agents.main]
# sessions = ["main", "review"]

# [guards]
# max_destroy = 5   # a plan that removes more than this needs --max-destroy

# [rollout]   # a change to several sandboxes is tried on one first
# canary = 1   # how many go first; "off" changes all at once
# max_parallel = 5   # at most so many are changed at the same time
`;
}

const containerSection = (backend: string): string => `[sandbox.${backend}]
image   = "debian:12-slim"
network = "none"   # "bridge" gives sandboxes the internet; [sandbox.egress] only what it lists
memory  = "2GiB"
cpus    = 2
pids    = 512

`;

const BACKEND_PLACES: Readonly<Record<string, string>> = {
  ssh: 'host    = "build1"   # one of [hosts]\n',
};

const BACKEND_SECTIONS: Readonly<Record<string, string>> = {
  local: `[sandbox.local]
isolation = "none"   # no security boundary; "bubblewrap" is one
home      = "own"   # own, user

`,
  docker: containerSection("docker"),
  podman: containerSection("podman"),
  ssh: `[sandbox.ssh]
workspace_root = "~/sandboxes"   # the folder on the host that sandboxes are kept in
isolation      = "none"   # no security boundary; "bubblewrap" is one
# memory = "2GiB", cpus = 2, pids = 512: for all of its commands together, where the host runs systemd

[hosts.build1]
ssh = { target = "user@build1.example.com" }   # identity_file, known_hosts_file, jump, …

`,
};

/** A JSON string is a TOML basic string too. */
function tomlText(text: string): string {
  return JSON.stringify(text);
}
