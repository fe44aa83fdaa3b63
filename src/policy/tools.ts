/**
 * The tool policy of sandboxed sessions: in come the `[tools.sandbox]` tables of fleet and agent, out comes whether one
 * tool is allowed, by which rule, and which key to change. Pure; it enforces nothing and knows no session's live state.
 */
import type { KeyPath, Source } from "../model/source.ts";
import { formatKeyPath } from "../model/source.ts";
import { DEFAULT_ALLOW, DEFAULT_DENY } from "./tool-names.ts";
import type { ToolGroups } from "./tool-patterns.ts";
import { canonicalTool, matchesTool } from "./tool-patterns.ts";

/** One `allow`, `deny` or `also_allow` list as somebody wrote it. */
export interface ToolList {
  readonly patterns: readonly string[];
  readonly key: KeyPath;
}

/** What is in force for one agent: its own list where it has one, else the fleet's. */
export interface EffectiveToolPolicy {
  readonly agent: string;
  /** Absent: the built-in list. Empty: nothing is allowed. */
  readonly allow: ToolList | undefined;
  readonly deny: ToolList | undefined;
  /** The fleet's and the agent's: both add. */
  readonly also_allow: readonly ToolList[];
  readonly groups: ToolGroups;
  /** Where a key stands in the config; undefined for one that is not written. */
  locate(key: KeyPath): Source | undefined;
}

export interface ToolRule {
  readonly list:
    "allow" | "deny" | "also_allow" | "default-allow" | "default-deny" | "not-listed" | "not-sandboxed";
  /** As written, `sessions_*` or `group:fs`; absent when no pattern decided. */
  readonly pattern?: string;
  /** Key of the deciding pattern or list, `agents.work.tools.sandbox.deny[1]`; absent for built-in lists. */
  readonly key?: string;
  readonly source?: Source;
}

/** One change to the config that would turn a verdict round. */
export interface ToolFix {
  readonly key: string;
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly why: string;
}

export interface ToolJudgement {
  /** Canonical name. */
  readonly tool: string;
  readonly verdict: "allowed" | "blocked";
  readonly rule: ToolRule;
  /** Empty when allowed. */
  readonly fix: readonly ToolFix[];
  /** One sentence for people. */
  readonly message: string;
}

/** What a rule may look at; worked out once a judgement. */
interface Question {
  readonly policy: EffectiveToolPolicy;
  readonly tool: string;
  readonly sandboxed: boolean;
}

interface Row {
  readonly list: ToolRule["list"];
  readonly verdict: "allowed" | "blocked";
  /** Why this row stands where it stands, for people. */
  readonly reason: string;
  /** The deciding pattern, a bare `{}` when the row decides without one, undefined when it does not apply. */
  decide(question: Question): Omit<ToolRule, "list"> | undefined;
  fix(question: Question): readonly ToolFix[];
}

const none = (): readonly ToolFix[] => [];

/** First row that applies decides. */
const ROWS: readonly Row[] = [
  {
    list: "not-sandboxed",
    verdict: "allowed",
    reason: "the session runs on the host, where the sandbox tool policy does not apply",
    decide: ({ sandboxed }) => (sandboxed ? undefined : {}),
    fix: none,
  },
  {
    list: "deny",
    verdict: "blocked",
    reason: "the deny list names it, and deny wins over every allow",
    decide: (question) => firstMatch(question, question.policy.deny),
    fix: removeFromDeny,
  },
  {
    list: "default-deny",
    verdict: "blocked",
    reason: "it acts outside the sandbox, so it is denied unless an allow or also_allow names it",
    decide: (question) => (isReallowed(question) ? undefined : builtInDeny(question)),
    fix: (question) => addToAllow(question, "lifts the built-in deny"),
  },
  {
    list: "also_allow",
    verdict: "allowed",
    reason: "also_allow adds it to the allow list",
    decide: (question) =>
      question.policy.also_allow.map((list) => firstMatch(question, list)).find((rule) => rule !== undefined),
    fix: none,
  },
  {
    list: "allow",
    verdict: "allowed",
    reason: "the allow list names it",
    decide: (question) => firstMatch(question, question.policy.allow),
    fix: none,
  },
  {
    list: "default-allow",
    verdict: "allowed",
    reason: "it is allowed by default",
    decide: (question) =>
      question.policy.allow === undefined ? patternRule(question, DEFAULT_ALLOW) : undefined,
    fix: none,
  },
  {
    list: "not-listed",
    verdict: "blocked",
    reason: "no allow list names it",
    decide: ({ policy }) => (policy.allow === undefined ? {} : listRule(policy, policy.allow.key)),
    fix: (question) => addToAllow(question, "adds it to what is allowed"),
  },
];

/** Whether an agent's session may use a tool. `sandboxed` is false for sessions that run on the host. */
export function judgeTool(policy: EffectiveToolPolicy, name: string, sandboxed: boolean): ToolJudgement {
  const question: Question = { policy, tool: canonicalTool(name), sandboxed };
  for (const row of ROWS) {
    const found = row.decide(question);
    if (found === undefined) continue;
    const rule: ToolRule = { list: row.list, ...found };
    const { tool } = question;
    return {
      tool,
      verdict: row.verdict,
      rule,
      fix: row.fix(question),
      message: `${tool} is ${row.verdict}: ${row.reason}`,
    };
  }
  // The last row always decides, so this only tells the compiler; unknown means blocked.
  return { tool: question.tool, verdict: "blocked", rule: { list: "not-listed" }, fix: [], message: "" };
}

function firstMatch(question: Question, list: ToolList | undefined): Omit<ToolRule, "list"> | undefined {
  if (list === undefined) return undefined;
  const { policy, tool } = question;
  const index = list.patterns.findIndex((pattern) => matchesTool(pattern, tool, policy.groups));
  const pattern = list.patterns[index];
  if (pattern === undefined) return undefined;
  return { pattern, ...listRule(policy, [...list.key, index], list.key) };
}

function patternRule(
  { policy, tool }: Question,
  patterns: readonly string[],
): Omit<ToolRule, "list"> | undefined {
  const pattern = patterns.find((each) => matchesTool(each, tool, policy.groups));
  return pattern === undefined ? undefined : { pattern };
}

/** A configured deny list takes the place of the built-in one. */
function builtInDeny(question: Question): Omit<ToolRule, "list"> | undefined {
  return question.policy.deny === undefined ? patternRule(question, DEFAULT_DENY) : undefined;
}

function isReallowed(question: Question): boolean {
  const { allow, also_allow } = question.policy;
  return [...(allow === undefined ? [] : [allow]), ...also_allow].some(
    (list) => firstMatch(question, list) !== undefined,
  );
}

function listRule(
  policy: EffectiveToolPolicy,
  key: KeyPath,
  parent: KeyPath = key,
): Pick<ToolRule, "key" | "source"> {
  const source = policy.locate(key) ?? policy.locate(parent);
  return { key: formatKeyPath(key), ...(source === undefined ? {} : { source }) };
}

/** Every pattern that covers the tool has to go, and what is then still unlisted has to be added. */
function removeFromDeny(question: Question): readonly ToolFix[] {
  const { policy, tool } = question;
  const list = policy.deny;
  if (list === undefined) return [];
  const fixes = list.patterns.flatMap((pattern, index) => {
    if (!matchesTool(pattern, tool, policy.groups)) return [];
    const { key = "", source } = listRule(policy, [...list.key, index], list.key);
    const why =
      canonicalTool(pattern) === tool
        ? `remove "${pattern}" from this list`
        : `replace "${pattern}" with patterns that do not cover ${tool}`;
    return [fixAt(key, source, why)];
  });
  const allowed =
    isReallowed(question) || (policy.allow === undefined && patternRule(question, DEFAULT_ALLOW));
  return allowed ? fixes : [...fixes, ...addToAllow(question, "adds it to what is allowed")];
}

/** Where a person adds a tool: the list nearest to the agent that is in force, else the fleet's key to write. */
function addToAllow({ policy, tool }: Question, effect: string): readonly ToolFix[] {
  const key = policy.allow?.key ?? policy.also_allow.at(-1)?.key ?? ["tools", "sandbox", "also_allow"];
  const source = policy.locate(key);
  const verb = source === undefined ? `write ["${tool}"] here` : `add "${tool}" to this list`;
  return [fixAt(formatKeyPath(key), source, `${verb}: it ${effect}`)];
}

function fixAt(key: string, source: Source | undefined, why: string): ToolFix {
  return { key, file: source?.file, line: source?.line, why };
}
