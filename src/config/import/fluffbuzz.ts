/** FluffBuzz and OpenClaw, its upstream: one config format, with names of their own for images and folders. */
import { formatKeyPath } from "../../model/source.ts";
import { nearestKey } from "../key-tree.ts";
import type { ParsedConfig } from "../parse.ts";
import { entriesAt, isTable, valueAt } from "../table.ts";
import { aside } from "./aside.ts";
import { bind } from "./docker-values.ts";
import type { Draft } from "./draft.ts";
import type { Engine } from "./engines.ts";
import { type Agent, DEFAULTS, owners, readAgents, scopeOf } from "./fluffbuzz-agents.ts";
import { type Flavour, keepDefaults } from "./fluffbuzz-defaults.ts";
import { agentEngine, fleetEngines } from "./fluffbuzz-engines.ts";
import { guardValue } from "./fluffbuzz-guard.ts";
import { type HostPlan, keepHosts, planHosts } from "./fluffbuzz-hosts.ts";
import { isSecret, sandboxRows } from "./fluffbuzz-sandbox.ts";
import { toolsRows } from "./fluffbuzz-tools.ts";
import { type Outcome, type Row, type Walk, eachRow, elsewhere, row, settle, trusted, walk } from "./rows.ts";
import { ANYTHING, TEXT } from "./shape.ts";

type Scene = Pick<Walk, "draft" | "keys" | "diagnostics"> & {
  readonly value: unknown;
  readonly flavour: Flavour;
  readonly secrets: ReadonlySet<string>;
  readonly agents: readonly Agent[];
  readonly hosts: HostPlan;
  /** Of the defaults. */
  readonly engines: readonly Engine[];
};

export function importFluffbuzz(
  parsed: ParsedConfig,
  draft: Draft,
  diagnostics: Walk["diagnostics"],
  flavour: Flavour,
): void {
  const { value, keys } = parsed;
  const agents = readAgents({ keys, diagnostics, value });
  const hosts = planHosts(value, agents);
  const scene: Scene = {
    draft,
    keys,
    diagnostics,
    value,
    flavour,
    secrets: secretNames(value),
    agents,
    hosts,
    engines: fleetEngines(value, agents),
  };
  importFleet(scene);
  for (const agent of agents) importAgent(scene, agent);
  if (agents.length === 0) draft.agents.add("main");
  keepHosts(draft, hosts, flavour.root);
  keepDefaults(draft, value, flavour, scene);
}

function secretNames(value: unknown): ReadonlySet<string> {
  return new Set(
    owners(value)
      .flatMap((owner) => entriesAt(owner, ["sandbox", "docker", "env"]))
      .filter(([name, text]) => isSecret(name, text))
      .map(([name]) => name),
  );
}

function importFleet(scene: Scene): void {
  const { value, draft, engines, secrets, hosts } = scene;
  if (!isTable(value)) return;
  const sandbox = valueAt(value, [...DEFAULTS, "sandbox"]);
  const target = { prefix: ["sandbox"], agent: undefined, engines, secrets, hosts };
  const rows: readonly Row[] = [
    ...below(
      ["agents", "defaults", "sandbox"],
      sandboxRows({
        ...target,
        ...facts(
          sandbox,
          owners(value).map((owner) => valueAt(owner, ["sandbox"])),
        ),
      }),
    ),
    row(["agents", "defaults", "workspace"], TEXT, (source) => ({
      sets: [{ path: ["sandbox", "workspace", "source"], value: source }],
    })),
    elsewhere(["agents", "list"]),
    elsewhere(["agents", "entries"]),
    ...below(["tools"], toolsRows({ prefix: ["tools"], table: value["tools"], fleet: undefined })),
    ...PLUGINS.map(([path, why]) =>
      trusted(eachRow(path, ANYTHING, ({ given }, name) => aside(["sandbox", path[2]], name, given, why))),
    ),
  ];
  walk(
    { ...scene, draft, at: [], rows, guard: guardValue, rest: ([top = ""]) => FLEET_REST[top] ?? OTHER },
    value,
  );
}

const PLUGINS = [
  [["plugins", "entries", "openshell", "config"], "the openshell backend is not available yet"],
  [["plugins", "entries", "crabbox", "config", "sandbox"], "there is no crabbox backend"],
] as const;

const OTHER = "it is not about sandboxes";
const FLEET_REST: Readonly<Record<string, string>> = {
  agents: "sandkeep has no such key; what is not about an agent's sandbox stays with the agent",
  tools: "only the tool policy of sandboxed sessions and elevated commands are sandkeep's",
  secrets: "what an ssh key takes from it is written at that key",
  $include: "included files are not followed; import them one by one",
};

/** What the docker rows must know of their own table, and of every table whose binds their allowed roots are to cover. */
function facts(sandbox: unknown, tables: readonly unknown[]) {
  const sources = tables.flatMap((table) => {
    const binds = valueAt(table, ["docker", "binds"]);
    return Array.isArray(binds) ? binds.filter((text) => typeof text === "string") : [];
  });
  const paths = sources.map((text) => bind(text).value.split(":")[0] ?? "").filter((path) => path !== "");
  return { hasScope: valueAt(sandbox, ["scope"]) !== undefined, bindSources: [...new Set(paths)] };
}

function below(prefix: readonly string[], rows: readonly Row[]): readonly Row[] {
  return rows.map((each) => ({ ...each, path: [...prefix, ...each.path] }));
}

function importAgent(scene: Scene, agent: Agent): void {
  const { id, name, at } = agent;
  const { value, draft, keys } = scene;
  const table = valueAt(value, at);
  if (!isTable(table)) return;
  draft.agents.add(name);
  if (typeof at[2] === "string") {
    const node = nearestKey(keys, at);
    settle(draft, formatKeyPath(at), node.document.at(node.offset), named(id, name));
  }
  const sandbox = valueAt(table, ["sandbox"]);
  const defaults = valueAt(value, [...DEFAULTS, "sandbox"]);
  const prefix = ["agents", name, "sandbox"];
  const shared = scopeOf(sandbox) ?? scopeOf(defaults) ?? "agent";
  const rows: readonly Row[] = [
    row(["id"], TEXT, () => named(id, name)),
    row(["workspace"], TEXT, (source) => ({
      sets: [{ path: [...prefix, "workspace", "source"], value: source }],
    })),
    ...below(
      ["sandbox"],
      sandboxRows({
        prefix,
        agent: name,
        engines: [agentEngine(value, agent)],
        secrets: scene.secrets,
        hosts: scene.hosts,
        ...facts(sandbox, [defaults, sandbox]),
      }),
    ),
    ...below(
      ["tools"],
      toolsRows({
        prefix: ["agents", name, "tools"],
        table: table["tools"],
        fleet: valueAt(value, ["tools"]) ?? {},
      }),
    ),
  ];
  const veto = ([top, section = ""]: readonly string[]): string | undefined =>
    top === "sandbox" && shared === "shared" ? IGNORED_WHEN_SHARED[section] : undefined;
  walk({ ...scene, at, rows, guard: guardValue, veto, rest: () => AGENT_REST }, table);
}

function named(id: string, name: string): Outcome {
  const sets: readonly [] = [];
  return name === id
    ? { sets, agent: name }
    : { sets, agent: name, note: `the agent is called ${name} here, in letters that names may have` };
}

const AGENT_REST = "it is about the agent, not about its sandbox";
const IGNORED = "the scope is shared, so it has no effect there either: one sandbox cannot be two things";
const IGNORED_WHEN_SHARED: Readonly<Record<string, string>> = {
  docker: IGNORED,
  ssh: IGNORED,
  browser: IGNORED,
  prune: IGNORED,
};
