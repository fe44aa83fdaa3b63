import type { Diagnostic } from "../model/diagnostic.ts";
import { THIS_HOST } from "../model/names.ts";
import type { Host, Settings, SshAccess } from "../model/settings.ts";
import type { KeyPath, Source } from "../model/source.ts";
import type { AgentWithTable } from "./agents.ts";
import { SECTIONS } from "./defaults.ts";
import { errorAt, keyWithPlace } from "./diagnose.ts";

interface HostRule {
  readonly why: string;
  /** Key below the host's table, empty for the table itself. */
  readonly key: readonly string[];
  readonly check: (host: Host) => string | undefined;
  readonly code: string;
  readonly hint: string;
}

const oneOf = (first: keyof SshAccess, second: keyof SshAccess): HostRule => ({
  why: "two answers to one question",
  key: ["ssh", first],
  code: "ssh-two-answers",
  check: ({ ssh }) =>
    ssh?.[first] === undefined || ssh[second] === undefined
      ? undefined
      : `${first} and ${second} say the same thing twice`,
  hint: "remove one of the two",
});

const keyOf = (certificate: "certificate" | "certificate_file"): HostRule => ({
  why: "a certificate is proved with the key it was made for",
  key: ["ssh", certificate],
  code: "ssh-certificate-without-key",
  check: ({ ssh }) =>
    ssh?.[certificate] !== undefined && !identified(ssh) ? "a certificate needs its key" : undefined,
  hint: "add ssh.identity_file or ssh.identity",
});

const HOST_RULES: readonly HostRule[] = [
  {
    why: "the name is how this machine's own engine is shown",
    key: [],
    code: "reserved-host",
    check: ({ name }) =>
      name === THIS_HOST ? `the host name "${name}" stands for this machine's own engine` : undefined,
    hint: "give the host another name",
  },
  oneOf("identity", "identity_file"),
  oneOf("certificate", "certificate_file"),
  oneOf("known_hosts", "known_hosts_file"),
  keyOf("certificate"),
  keyOf("certificate_file"),
  {
    why: "the built-in client cannot use a certificate",
    key: ["ssh", "transport"],
    code: "ssh-transport",
    check: ({ ssh }) =>
      ssh?.transport === "ssh2" && certified(ssh) ? "the built-in client knows no certificates" : undefined,
    hint: 'set transport = "auto" or "openssh"',
  },
  {
    why: "a port is a number up to 65535",
    key: ["ssh", "target"],
    code: "ssh-port",
    check: ({ ssh }) => unreachablePort(ssh?.target),
    hint: "give a port from 1 to 65535, or none for 22",
  },
  {
    why: "so is one on the way",
    key: ["ssh", "jump"],
    code: "ssh-port",
    check: ({ ssh }) => unreachablePort(ssh?.jump),
    hint: "give a port from 1 to 65535, or none for 22",
  },
];

/** `places` are targets with commas between. */
function unreachablePort(places = ""): string | undefined {
  const ports = places.split(",").map((each) => /:(\d+)$/.exec(each.replace(/\[.*\]/, ""))?.[1]);
  const port = ports.find((each) => each !== undefined && (Number(each) < 1 || Number(each) > 65_535));
  return port === undefined ? undefined : `there is no port ${port}`;
}

function certified(ssh: SshAccess | undefined): boolean {
  return ssh?.certificate !== undefined || ssh?.certificate_file !== undefined;
}

function identified(ssh: SshAccess | undefined): boolean {
  return ssh?.identity !== undefined || ssh?.identity_file !== undefined;
}

export function checkHosts(
  hosts: Readonly<Record<string, Host>>,
  locate: (path: KeyPath) => Source | undefined,
): readonly Diagnostic[] {
  return Object.values(hosts).flatMap((host) =>
    HOST_RULES.flatMap(({ key: below, check, code, hint }) => {
      const message = check(host);
      if (message === undefined) return [];
      const key = ["hosts", host.name, ...below];
      const source = locate(key) ?? locate(key.slice(0, 3)) ?? locate(key.slice(0, 2));
      return [errorAt(source === undefined ? { key } : { key, source }, { code, message, hint })];
    }),
  );
}

interface AgentRule {
  readonly why: string;
  readonly check: (each: AgentWithTable) => readonly Diagnostic[];
}

const RULES: readonly AgentRule[] = [
  { why: "what was asked for and cannot be had must not quietly become something else", check: stagedWrites },
  { why: "a variable cannot be both a plain value and a secret", check: envAndSecret },
  { why: "settings of a backend that is not used are most often a mistake", check: unusedSection },
];

/** Problems of single agents. One that stands in `[sandbox]` is told once, not once an agent. */
export function checkAgents(agents: readonly AgentWithTable[]): readonly Diagnostic[] {
  const found = new Map<string, Diagnostic>();
  /** Shared by agents that say the same, so that one of them answers for all. */
  const sound = new Set<Settings>();
  for (const each of agents) {
    const { settings } = each.agent;
    if (sound.has(settings)) continue;
    const faults = RULES.flatMap(({ check }) => check(each));
    if (faults.length === 0) sound.add(settings);
    for (const diagnostic of faults) {
      const id = `${diagnostic.code} ${diagnostic.path}`;
      if (!found.has(id)) found.set(id, diagnostic);
    }
  }
  return [...found.values()];
}

function stagedWrites({ agent }: AgentWithTable): readonly Diagnostic[] {
  const { writes, mode, workspace } = agent.settings;
  if (writes !== "staged") return [];
  const fault = (path: string, code: string, message: string, hint: string): Diagnostic =>
    errorAt(agent.provenance(path), { code, message, hint });
  if (mode === "off") {
    const hint = 'set mode = "all", or writes = "direct"';
    return [
      fault(
        "mode",
        "writes-staged-on-host",
        'writes = "staged" needs a sandbox, and mode = "off" has none',
        hint,
      ),
    ];
  }
  const found: Diagnostic[] = [];
  if (workspace.access !== "rw") {
    const message = `writes = "staged" needs a workspace that can be written, and access is "${workspace.access}"`;
    found.push(fault("workspace.access", "writes-staged-access", message, 'set workspace.access = "rw"'));
  }
  if (mode === "non-main") {
    const message = 'mode = "non-main" runs the main session on the host, where its writes are not staged';
    found.push({
      ...fault("mode", "writes-staged-main", message, 'set mode = "all", so that every session is staged'),
      severity: "warning",
    });
  }
  return found;
}

function envAndSecret({ agent }: AgentWithTable): readonly Diagnostic[] {
  const { env, secrets } = agent.settings;
  return Object.keys(secrets)
    .filter((name) => Object.hasOwn(env, name))
    .map((name) => {
      const plain = agent.provenance(`env.${name}`);
      const secret = agent.provenance(`secrets.${name}`);
      // The agent's own key is where the contradiction came in.
      return errorAt(plain.layer === "agent" ? plain : secret, {
        code: "env-and-secret",
        message: `${name} is both a variable, ${keyWithPlace(plain)}, and a secret, ${keyWithPlace(secret)}`,
        hint: "remove one of the two",
      });
    });
}

function unusedSection({ agent, own }: AgentWithTable): readonly Diagnostic[] {
  const { backend } = agent.settings;
  return Object.keys(own)
    .filter((key) => Object.hasOwn(SECTIONS, key) && key !== backend)
    .map((key) => ({
      ...errorAt(agent.provenance(key), {
        code: "unused-section",
        message: `settings of the ${key} backend have no effect: agent ${agent.name} uses ${backend}, said by ${keyWithPlace(agent.provenance("backend"))}`,
        hint: `remove this table, or set agents.${agent.name}.sandbox.backend = "${key}"`,
      }),
      severity: "warning",
    }));
}
