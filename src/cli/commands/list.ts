import { renderListing } from "../../render/listing.ts";
import { listFleet } from "../../plan/listing.ts";
import { configFile, fleetName, makeEngine } from "../engine.ts";
import { EXIT } from "../exit-codes.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { addresses, switchOption, textOption } from "../options.ts";
import { answer, answerInvalid } from "../print.ts";

export async function run(invocation: Invocation): Promise<number> {
  const backend = textOption(invocation, "backend");
  const targets = new Set(addresses(invocation.globals.targets));
  await using host = await openHost(invocation);
  const outcome = await listFleet(makeEngine(invocation, host), {
    ...configFile(invocation),
    ...fleetName(invocation),
    ...(switchOption(invocation, "browser") ? { kind: "browser" } : {}),
    ...(backend === undefined ? {} : { backend }),
    all: switchOption(invocation, "all"),
  });
  if (outcome.status === "invalid") return await answerInvalid(invocation, outcome.diagnostics);
  const wanted = <T extends { readonly address: string }>(rows: readonly T[]) =>
    targets.size === 0 ? [...rows] : rows.filter((row) => targets.has(row.address));
  const { runtimes, dormant, orphans } = outcome.listing;
  const listing = {
    ...outcome.listing,
    runtimes: wanted(runtimes),
    dormant: wanted(dormant),
    orphans: wanted(orphans),
  };
  await answer(invocation, listing, (style) => renderListing(listing, style));
  return outcome.complete ? EXIT.ok : EXIT.unreachable;
}
