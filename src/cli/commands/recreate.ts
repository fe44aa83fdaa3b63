import type { Selectors } from "../../plan/select.ts";
import { selectAddresses } from "../../plan/select.ts";
import type { Survey } from "../../plan/survey.ts";
import { listWords } from "../../util/suggestion.ts";
import { carryOut } from "../carry-out.ts";
import { configFile } from "../engine.ts";
import { usageError } from "../exit-codes.ts";
import type { Invocation, Streams } from "../invocation.ts";
import { addresses, salvageOption, switchOption, textOption } from "../options.ts";
import { notObserved } from "../unobserved.ts";

function selectorsOf(invocation: Invocation): Selectors {
  const agent = textOption(invocation, "agent");
  const session = textOption(invocation, "session");
  const all = switchOption(invocation, "all");
  const drifted = switchOption(invocation, "drifted");
  const browser = switchOption(invocation, "browser");
  if (agent === undefined && session === undefined && !all && !drifted && !browser) {
    throw usageError(
      "nothing is selected",
      "Give addresses, --all, --agent, --session, --browser or --drifted.",
    );
  }
  return {
    ...(agent === undefined ? {} : { agent }),
    ...(session === undefined ? {} : { session }),
    ...(browser ? { kind: "browser" } : {}),
    drifted,
  };
}

/** Some of what there is, and none is told; throws where nobody can say which. */
function select(seen: Survey, selectors: Selectors, { stderr }: Streams): readonly string[] {
  const selected = selectAddresses(seen, selectors);
  if (selected.status === "ambiguous") {
    const candidates = listWords(selected.candidates);
    throw usageError("the selection is ambiguous", `It could be ${candidates}; name one.`);
  }
  const { addresses: found, unobserved } = selected;
  if (found.length === 0 && unobserved.length > 0)
    throw notObserved("no runtime that can be seen fits the selection", unobserved);
  if (found.length === 0) stderr.write("No runtime fits the selection.\n");
  return found;
}

export async function run(invocation: Invocation): Promise<number> {
  const named = addresses([...invocation.args, ...invocation.globals.targets]);
  const request = {
    ...configFile(invocation),
    ...salvageOption(invocation),
    intent: { mode: "recreate", targets: named },
  } as const;
  if (named.length > 0) return await carryOut(invocation, request, { named });
  const selectors = selectorsOf(invocation);
  return await carryOut(invocation, request, {
    select: (seen) => select(seen, selectors, invocation.streams),
  });
}
