import { BUILT_IN_GROUPS, TOOL_ALIASES } from "./tool-names.ts";

export type ToolGroups = Readonly<Record<string, readonly string[]>>;

const GROUP_PREFIX = "group:";

/** One spelling of a tool's name: trimmed, lower case, aliases replaced. */
export function canonicalTool(name: string): string {
  const tool = name.trim().toLowerCase();
  return Object.hasOwn(TOOL_ALIASES, tool) ? (TOOL_ALIASES[tool] ?? tool) : tool;
}

/** The group a pattern names, or undefined when it is a tool or a glob. */
export function groupOf(pattern: string): string | undefined {
  const text = pattern.trim();
  return text.startsWith(GROUP_PREFIX) ? text.slice(GROUP_PREFIX.length) : undefined;
}

export function groupMembers(name: string, groups: ToolGroups): readonly string[] | undefined {
  if (Object.hasOwn(groups, name)) return groups[name];
  return Object.hasOwn(BUILT_IN_GROUPS, name) ? BUILT_IN_GROUPS[name] : undefined;
}

/** Whether a pattern (`exec`, `sessions_*`, `group:fs`) covers a tool given in its canonical spelling. */
export function matchesTool(pattern: string, tool: string, groups: ToolGroups): boolean {
  return matches(pattern, tool, groups, new Set());
}

/** A group may name groups; one that leads back to itself adds nothing. */
function matches(pattern: string, tool: string, groups: ToolGroups, seen: Set<string>): boolean {
  const group = groupOf(pattern);
  if (group === undefined) return matchesGlob(canonicalTool(pattern), tool);
  if (seen.has(group)) return false;
  seen.add(group);
  return (groupMembers(group, groups) ?? []).some((member) => matches(member, tool, groups, seen));
}

/** `*` stands for any run of characters and nothing else is special. Two cursors, so no pattern takes long. */
function matchesGlob(glob: string, text: string): boolean {
  let at = 0;
  let star = -1;
  let retry = 0;
  let i = 0;
  while (i < text.length) {
    if (glob[at] === "*") {
      star = at++;
      retry = i;
    } else if (glob[at] === text[i]) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++retry;
    } else {
      return false;
    }
  }
  while (glob[at] === "*") at++;
  return at === glob.length;
}
