import type { Diagnostic } from "../model/diagnostic.ts";
import type { Json, JsonObject } from "../model/json.ts";
import type { ResolvedAgent, Settings } from "../model/settings.ts";
import { formatKeyPath } from "../model/source.ts";
import type { AgentWithTable } from "./agents.ts";
import { SECTIONS } from "./defaults.ts";
import { errorAt, keyWithPlace } from "./diagnose.ts";
import { isList, isTable } from "../model/json.ts";
import { BINDS, bindTarget } from "./merge.ts";

/** Keys of `[sandbox]` that do not shape a runtime; all others do. */
const NOT_SHAPING: ReadonlySet<string> = new Set([
  "mode",
  "scope",
  "provision",
  "protect",
  "attest",
  "timeouts",
  "prune",
  "disruption",
  "salvage",
]);

/** Keys of a backend's section that only limit what its other keys may say. */
const ONLY_LIMITS: ReadonlySet<string> = new Set(["allowed_roots", "forbid_root", "break_glass"]);

interface Policy {
  readonly path: string;
  readonly of: (settings: Settings) => Json;
}

/** What a runtime can have only once although it does not shape it. */
const POLICIES: readonly Policy[] = [
  { path: "protect", of: ({ protect }) => protect },
  { path: "attest", of: ({ attest }) => attest },
  { path: "timeouts.fetch", of: ({ timeouts }) => timeouts.fetch },
  { path: "timeouts.seed", of: ({ timeouts }) => timeouts.seed },
  { path: "timeouts.setup", of: ({ timeouts }) => timeouts.setup },
  { path: "prune.idle", of: ({ prune }) => prune.idle },
  { path: "prune.max_age", of: ({ prune }) => prune.max_age },
  { path: "disruption.when", of: ({ disruption }) => disruption.when },
  { path: "disruption.max_wait", of: ({ disruption }) => disruption.max_wait },
  { path: "salvage.when", of: ({ salvage }) => salvage.when },
  { path: "salvage.include", of: ({ salvage }) => JSON.stringify(salvage.include) },
  { path: "salvage.exclude", of: ({ salvage }) => JSON.stringify(salvage.exclude) },
  { path: "salvage.max_bytes", of: ({ salvage }) => salvage.max_bytes },
  { path: "salvage.oversize", of: ({ salvage }) => salvage.oversize },
  { path: "salvage.keep", of: ({ salvage }) => salvage.keep },
  { path: "salvage.max_age", of: ({ salvage }) => salvage.max_age },
];

/**
 * One runtime cannot be two things. An override that the shared runtime would have to ignore, or over which agents
 * would fight, is an error that names both keys.
 */
export function checkSharedRuntime(agents: readonly AgentWithTable[]): readonly Diagnostic[] {
  const users = agents.filter(
    ({ agent: { settings } }) => settings.scope === "shared" && settings.mode !== "off",
  );
  return [...users.flatMap(checkShape), ...POLICIES.flatMap((policy) => checkPolicy(policy, users))];
}

function checkShape({ agent, own }: AgentWithTable): readonly Diagnostic[] {
  const paths = shapingPaths(own, agent.settings.backend);
  if (paths.length === 0) return [];
  const scope = agent.provenance("scope");
  return paths.map((path) => {
    const field = agent.provenance(path);
    return errorAt(field, {
      code: "shared-override",
      message: `${keyWithPlace(field)} shapes the runtime, but ${keyWithPlace(scope)} makes it shared with other agents`,
      hint: `move ${path} to [sandbox], or give agent ${agent.name} its own runtime with agents.${agent.name}.sandbox.scope = "agent"`,
    });
  });
}

/** Settings paths of everything in an agent's own table that would shape its runtime. */
function shapingPaths(own: JsonObject, backend: string): readonly string[] {
  return Object.entries(own).flatMap(([key, value]) => {
    if (value === undefined || NOT_SHAPING.has(key)) return [];
    if (Object.hasOwn(SECTIONS, key)) return key === backend && isTable(value) ? fieldPaths(key, value) : [];
    return leaves(key, key, value);
  });
}

function fieldPaths(section: string, table: JsonObject): readonly string[] {
  return Object.entries(table).flatMap(([key, value]) =>
    value === undefined || ONLY_LIMITS.has(key) ? [] : leaves(`${section}.${key}`, key, value),
  );
}

function leaves(path: string, name: string, value: Json): readonly string[] {
  if (name === BINDS && isList(value)) return value.map((bind) => `${path}[${bindTarget(bind) ?? ""}]`);
  if (!isTable(value)) return [path];
  const keys = Object.keys(value).filter((key) => value[key] !== undefined);
  return keys.map((key) => `${path}.${formatKeyPath([key])}`);
}

function checkPolicy({ path, of }: Policy, users: readonly AgentWithTable[]): readonly Diagnostic[] {
  const firstWith = new Map<Json, ResolvedAgent>();
  for (const { agent } of users) {
    const value = of(agent.settings);
    if (!firstWith.has(value)) firstWith.set(value, agent);
  }
  // Two values are enough to show anybody one that differs from their own.
  const [first, second] = firstWith.values();
  if (first === undefined || second === undefined) return [];
  return users.flatMap(({ agent }) => {
    const mine = agent.provenance(path);
    const value = of(agent.settings);
    if (mine.layer !== "agent") return [];
    const other = of(first.settings) === value ? second : first;
    const theirs = other.provenance(path);
    return errorAt(mine, {
      code: "shared-policy-conflict",
      message: `${keyWithPlace(mine)} and ${keyWithPlace(theirs)} differ, but agents ${agent.name} and ${other.name} share one runtime`,
      hint: `say ${path} once in [sandbox], or give agent ${agent.name} its own runtime with agents.${agent.name}.sandbox.scope = "agent"`,
    });
  });
}
