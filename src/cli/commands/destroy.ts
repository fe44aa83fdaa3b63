import { carryOut } from "../carry-out.ts";
import { configFile, fleetName } from "../engine.ts";
import { usageError } from "../exit-codes.ts";
import type { Invocation } from "../invocation.ts";
import { addresses, salvageOption, switchOption } from "../options.ts";

export async function run(invocation: Invocation): Promise<number> {
  const targets = addresses([...invocation.args, ...invocation.globals.targets]);
  const all = switchOption(invocation, "all");
  if (all === targets.length > 0) {
    throw usageError(
      all ? "--all and addresses were both given" : "nothing is named",
      "Give addresses, or --all for everything of the fleet.",
    );
  }
  const intent = {
    mode: "destroy",
    ...(all ? {} : { targets }),
    unprotect: switchOption(invocation, "unprotect"),
  } as const;
  return await carryOut(
    invocation,
    { ...configFile(invocation), ...fleetName(invocation), ...salvageOption(invocation), intent },
    targets,
  );
}
