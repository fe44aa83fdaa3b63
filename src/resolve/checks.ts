import type { Diagnostic } from "../model/diagnostic.ts";
import type { Host } from "../model/settings.ts";
import type { KeyPath, Source } from "../model/source.ts";
import type { AgentWithTable } from "./agents.ts";
import { SECTIONS, THIS_MACHINE } from "./defaults.ts";
import { errorAt, keyWithPlace } from "./diagnose.ts";

export function checkHosts(
  hosts: Readonly<Record<string, Host>>,
  locate: (path: KeyPath) => Source | undefined,
): readonly Diagnostic[] {
  if (!Object.hasOwn(hosts, THIS_MACHINE)) return [];
  const key = ["hosts", THIS_MACHINE];
  const source = locate(key);
  return [
    errorAt(source === undefined ? { key } : { key, source }, {
      code: "reserved-host",
      message: `the host name "${THIS_MACHINE}" stands for this machine's own engine`,
      hint: "give the host another name",
    }),
  ];
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
  for (const { check } of RULES) {
    for (const each of agents) {
      for (const diagnostic of check(each)) {
        const id = `${diagnostic.code} ${diagnostic.path}`;
        if (!found.has(id)) found.set(id, diagnostic);
      }
    }
  }
  return [...found.values()];
}

function stagedWrites({ agent }: AgentWithTable): readonly Diagnostic[] {
  if (agent.settings.writes !== "staged") return [];
  return [
    errorAt(agent.provenance("writes"), {
      code: "writes-staged-unavailable",
      message: 'writes = "staged" is not available in this version, and nothing falls back to direct writes',
      hint: 'set writes = "direct", or keep the workspace safe with workspace.access = "ro"',
    }),
  ];
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
