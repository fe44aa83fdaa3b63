import type { ExplainedAgent, Explanation } from "../../model/explain.ts";
import { renderExplanation } from "../../render/explain.ts";
import { explainFleet } from "../../plan/explain.ts";
import { nearestWord } from "../../util/suggestion.ts";
import { configFile, makeEngine } from "../engine.ts";
import { EXIT, usageError } from "../exit-codes.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { addresses, textOption } from "../options.ts";
import { answer, answerInvalid } from "../print.ts";

function onlyPath(agent: ExplainedAgent, path: string): ExplainedAgent {
  const settings = Object.entries(agent.settings).filter(
    ([key]) => key === path || key.startsWith(`${path}.`),
  );
  return { ...agent, settings: Object.fromEntries(settings) };
}

/** Only the settings at a path or below it; a path that no agent has is most likely misspelt. */
export function filterSettings(explanation: Explanation, path: string): Explanation {
  const agents = explanation.agents.map((agent) => onlyPath(agent, path));
  if (agents.some((agent) => Object.keys(agent.settings).length > 0)) return { ...explanation, agents };
  const known = new Set(explanation.agents.flatMap((agent) => Object.keys(agent.settings)));
  const near = nearestWord(path, known);
  throw usageError(
    `there is no setting ${JSON.stringify(path)}`,
    near === undefined ? "`sandkeep explain` without a path lists them." : `Did you mean ${near}?`,
  );
}

export async function run(invocation: Invocation): Promise<number> {
  const [address, path] = invocation.args;
  if (address !== undefined) addresses([address]);
  const agent = textOption(invocation, "agent");
  const session = textOption(invocation, "session");
  const tool = textOption(invocation, "tool");
  await using host = await openHost(invocation);
  const outcome = await explainFleet(makeEngine(invocation, host), {
    ...configFile(invocation),
    ...(agent === undefined ? {} : { agent }),
    ...(session === undefined ? {} : { session }),
    ...(tool === undefined ? {} : { tool }),
    ...(address === undefined ? {} : { address }),
  });
  if (outcome.status === "invalid") return await answerInvalid(invocation, outcome.diagnostics);
  const explanation = path === undefined ? outcome.explanation : filterSettings(outcome.explanation, path);
  await answer(invocation, explanation, (style) => renderExplanation(explanation, style));
  return EXIT.ok;
}
