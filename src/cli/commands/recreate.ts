import { assertNever } from "../../errors.ts";
import { selectAddresses } from "../../plan/select.ts";
import { listWords } from "../../util/suggestion.ts";
import { carryOut } from "../carry-out.ts";
import { configFile, makeEngine } from "../engine.ts";
import { usageError } from "../exit-codes.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { addresses, salvageOption, switchOption, textOption } from "../options.ts";
import { answerInvalid, tell } from "../print.ts";
import { staySmall } from "../start-flags.ts";
import { notObserved } from "../unobserved.ts";

async function select(invocation: Invocation) {
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
  // Selecting looks at all there is, before the plan does.
  staySmall();
  await using host = await openHost(invocation);
  return await selectAddresses(makeEngine(invocation, host), {
    ...configFile(invocation),
    ...(agent === undefined ? {} : { agent }),
    ...(session === undefined ? {} : { session }),
    ...(browser ? { kind: "browser" } : {}),
    all,
    drifted,
  });
}

export async function run(invocation: Invocation): Promise<number> {
  const given = addresses([...invocation.args, ...invocation.globals.targets]);
  if (given.length > 0) {
    return await carryOut(
      invocation,
      {
        ...configFile(invocation),
        ...salvageOption(invocation),
        intent: { mode: "recreate", targets: given },
      },
      given,
    );
  }
  const selected = await select(invocation);
  switch (selected.status) {
    case "invalid":
      return await answerInvalid(invocation, selected.diagnostics);
    case "ambiguous":
      throw usageError(
        "the selection is ambiguous",
        `It could be ${listWords(selected.candidates)}; name one.`,
      );
    case "selected":
      if (selected.addresses.length === 0 && selected.unobserved.length > 0)
        throw notObserved("no runtime that can be seen fits the selection", selected.unobserved);
      if (selected.addresses.length === 0) await tell(invocation, () => "No runtime fits the selection.\n");
      // An empty selection still answers as apply does, with nothing done.
      return await carryOut(invocation, {
        ...configFile(invocation),
        ...salvageOption(invocation),
        intent: { mode: "recreate", targets: selected.addresses },
      });
    default:
      return assertNever(selected);
  }
}
