import type { LoadedConfig } from "../config/index.ts";
import type { ExplainedAgent, FixIt } from "../model/explain.ts";
import { formatKeyPath } from "../model/source.ts";
import { elevatedInput, judgeElevated } from "../policy/elevated.ts";
import { DEFAULT_ALLOW, DEFAULT_DENY } from "../policy/tool-names.ts";
import { toolPolicy } from "../policy/tool-policy.ts";
import type { EffectiveToolPolicy, ToolJudgement, ToolList } from "../policy/tools.ts";
import { judgeTool } from "../policy/tools.ts";

export type Gates = Pick<ExplainedAgent, "tools" | "elevated" | "fix_it">;

/** An agent's tool policy and elevated gates, with the keys that would change them. */
export function explainGates(
  loaded: LoadedConfig,
  agent: string,
  tool: string | undefined,
  sandboxed: boolean,
): Gates {
  const policy = toolPolicy(loaded, agent);
  const judgement = tool === undefined ? undefined : judgeTool(policy, tool, sandboxed);
  const elevated = judgeElevated(elevatedInput(loaded, agent));
  const fixes = elevated.fix_it.map((each) => fixOf(each));
  return {
    tools: {
      allow: [...(policy.allow?.patterns ?? DEFAULT_ALLOW)],
      deny: [...(policy.deny?.patterns ?? DEFAULT_DENY)],
      also_allow: policy.also_allow.flatMap((each) => [...each.patterns]),
      sources: sourcesOf(policy),
      verdict: judgement === undefined ? null : verdictOf(judgement),
    },
    elevated: {
      enabled: elevated.enabled,
      allowed_channels: [...elevated.allowed_channels],
      failures: elevated.failures.map(({ gate, key, source }) => ({
        gate,
        key,
        file: source?.file ?? null,
        line: source?.line ?? null,
      })),
    },
    fix_it: [...(judgement?.fix ?? []).map((each) => fixOf(each)), ...fixes],
  };
}

function sourcesOf(policy: EffectiveToolPolicy): ExplainedAgent["tools"]["sources"] {
  const lists: readonly [string, ToolList | undefined][] = [
    ["allow", policy.allow],
    ["deny", policy.deny],
    ["also_allow", policy.also_allow.at(-1)],
  ];
  return Object.fromEntries(
    lists.flatMap(([name, list]) => {
      if (list === undefined) return [];
      const source = policy.locate(list.key);
      const at = { file: source?.file ?? null, line: source?.line ?? null };
      return [[name, { key: formatKeyPath(list.key), ...at }]];
    }),
  );
}

function verdictOf({ tool, verdict, rule, fix, message }: ToolJudgement): ExplainedAgent["tools"]["verdict"] {
  return {
    tool,
    verdict,
    rule: rule.list,
    pattern: rule.pattern ?? null,
    key: rule.key ?? null,
    file: rule.source?.file ?? null,
    line: rule.source?.line ?? null,
    why: message,
    fix: fix.map((each) => fixOf(each)),
  };
}

function fixOf(fix: { key: string; file: string | undefined; line: number | undefined; why: string }): FixIt {
  return { key: fix.key, file: fix.file ?? null, line: fix.line ?? null, why: fix.why };
}
