import { selectAddresses } from "../../plan/select.ts";
import { unobservedEngines } from "../../plan/listing.ts";
import type { Survey } from "../../plan/survey.ts";
import { listWords } from "../../util/suggestion.ts";
import { carryOut } from "../carry-out.ts";
import { configFile } from "../engine.ts";
import { usageError } from "../exit-codes.ts";
import type { Invocation } from "../invocation.ts";
import { addresses, salvageOption, switchOption, textOption } from "../options.ts";
import { tell } from "../print.ts";
import { notObserved } from "../unobserved.ts";

type Choose = (seen: Survey) => Promise<readonly string[]>;

/** What the flags select. An empty selection still answers as apply does, with nothing done. */
function selection(invocation: Invocation): Choose {
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
  const by = {
    ...(agent === undefined ? {} : { agent }),
    ...(session === undefined ? {} : { session }),
    ...(browser ? { kind: "browser" as const } : {}),
    drifted,
  };
  return async (seen) => {
    const selected = selectAddresses(seen, by);
    if (selected.status === "ambiguous") {
      throw usageError(
        "the selection is ambiguous",
        `It could be ${listWords(selected.candidates)}; name one.`,
      );
    }
    if (selected.addresses.length > 0) return selected.addresses;
    const unobserved = unobservedEngines(seen);
    if (unobserved.length > 0)
      throw notObserved("no runtime that can be seen fits the selection", unobserved);
    await tell(invocation, () => "No runtime fits the selection.\n");
    return [];
  };
}

export async function run(invocation: Invocation): Promise<number> {
  const named = addresses([...invocation.args, ...invocation.globals.targets]);
  return await carryOut(
    invocation,
    {
      ...configFile(invocation),
      ...salvageOption(invocation),
      intent: { mode: "recreate", targets: named },
    },
    named.length > 0 ? { named } : { choose: selection(invocation) },
  );
}
