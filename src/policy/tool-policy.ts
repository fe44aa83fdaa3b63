import type { RootToolsSettings, ToolsSettings } from "../config/schema/tools.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import type { KeyPath } from "../model/source.ts";
import type { ConfigInput } from "../resolve/agents.ts";
import { errorAt } from "../resolve/diagnose.ts";
import { listWords, nearestWord } from "../util/suggestion.ts";
import { BUILT_IN_GROUPS } from "./tool-names.ts";
import { groupMembers, groupOf } from "./tool-patterns.ts";
import type { EffectiveToolPolicy, ToolList } from "./tools.ts";

const FLEET: KeyPath = ["tools"];

function agentTools(agent: string): KeyPath {
  return ["agents", agent, "tools"];
}

/** What is in force for one agent. Field by field its own list replaces the fleet's; `also_allow` adds on both levels. */
export function toolPolicy(loaded: ConfigInput, agent: string): EffectiveToolPolicy {
  const { tools = {}, agents = {} } = loaded.config;
  const own = (Object.hasOwn(agents, agent) ? agents[agent]?.tools : undefined) ?? {};
  const list = (field: "allow" | "deny"): ToolList | undefined =>
    listAt(own, agentTools(agent), field) ?? listAt(tools, FLEET, field);
  return {
    agent,
    allow: list("allow"),
    deny: list("deny"),
    also_allow: [listAt(tools, FLEET, "also_allow"), listAt(own, agentTools(agent), "also_allow")].filter(
      (each) => each !== undefined,
    ),
    groups: tools.groups ?? {},
    locate: (key) => loaded.locate(key),
  };
}

function listAt(
  tools: ToolsSettings,
  prefix: KeyPath,
  field: "allow" | "deny" | "also_allow",
): ToolList | undefined {
  const patterns = tools.sandbox?.[field];
  return patterns === undefined ? undefined : { patterns, key: [...prefix, "sandbox", field] };
}

/** A group that nobody declares covers nothing: in a deny list that would open what it was meant to close. */
export function checkToolPolicy(loaded: ConfigInput): readonly Diagnostic[] {
  const tools: RootToolsSettings = loaded.config.tools ?? {};
  const groups = tools.groups ?? {};
  const names = [...new Set([...Object.keys(groups), ...Object.keys(BUILT_IN_GROUPS)])].toSorted();
  return writtenLists(loaded, tools).flatMap(({ patterns, key }) =>
    patterns.flatMap((pattern, index) => {
      const group = groupOf(pattern);
      if (group === undefined || groupMembers(group, groups) !== undefined) return [];
      const at = [...key, index];
      const source = loaded.locate(at) ?? loaded.locate(key);
      const near = nearestWord(group, names);
      return errorAt(source === undefined ? { key: at } : { key: at, source }, {
        code: "unknown-tool-group",
        message: `no group is named ${JSON.stringify(group)}`,
        hint:
          near === undefined
            ? `declare it in [tools.groups], or use one of ${listWords(names)}`
            : `did you mean "group:${near}"?`,
      });
    }),
  );
}

function writtenLists(loaded: ConfigInput, tools: RootToolsSettings): readonly ToolList[] {
  const tables: readonly (readonly [ToolsSettings, KeyPath])[] = [
    [tools, FLEET],
    ...Object.entries(loaded.config.agents ?? {}).flatMap(([name, agent]) =>
      agent.tools === undefined ? [] : [[agent.tools, agentTools(name)] as const],
    ),
  ];
  const lists = tables.flatMap(([table, prefix]) =>
    (["allow", "deny", "also_allow"] as const).map((field) => listAt(table, prefix, field)),
  );
  const groups = Object.entries(tools.groups ?? {}).map(([name, patterns]): ToolList => ({
    patterns,
    key: [...FLEET, "groups", name],
  }));
  return [...lists.filter((list) => list !== undefined), ...groups];
}
