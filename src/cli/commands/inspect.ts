import { renderInspection } from "../../render/inspection.ts";
import { inspectRuntime } from "../../plan/inspect.ts";
import { SandkeepError, assertNever } from "../../errors.ts";
import { listWords, nearestWord } from "../../util/suggestion.ts";
import { configFile, fleetName, makeEngine } from "../engine.ts";
import { EXIT } from "../exit-codes.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { addresses } from "../options.ts";
import { answer, answerInvalid } from "../print.ts";
import { notObserved } from "../unobserved.ts";

function unknownAddress(address: string, candidates: readonly string[]): SandkeepError {
  const near = nearestWord(address, candidates);
  const known = candidates.length === 0 ? "This fleet has none." : `There are ${listWords(candidates)}.`;
  return new SandkeepError(`there is no runtime ${address}`, {
    code: "NO_SUCH_RUNTIME",
    hint: near === undefined ? known : `Did you mean ${near}?`,
  });
}

export async function run(invocation: Invocation): Promise<number> {
  const [address = ""] = addresses(invocation.args);
  await using host = await openHost(invocation);
  const outcome = await inspectRuntime(makeEngine(invocation, host), {
    ...configFile(invocation),
    ...fleetName(invocation),
    address,
  });
  switch (outcome.status) {
    case "invalid":
      return await answerInvalid(invocation, outcome.diagnostics);
    case "absent":
      if (outcome.unobserved.length > 0)
        throw notObserved(`${address} is not among the runtimes that can be seen`, outcome.unobserved);
      throw unknownAddress(address, outcome.candidates);
    case "inspected":
      await answer(invocation, outcome.inspection, (style) => renderInspection(outcome.inspection, style));
      return EXIT.ok;
    default:
      return assertNever(outcome);
  }
}
