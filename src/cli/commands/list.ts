import { renderListing } from "../../render/listing.ts";
import { listFleet } from "../../plan/listing.ts";
import { configFile, fleetName, makeEngine } from "../engine.ts";
import { EXIT } from "../exit-codes.ts";
import { openHost } from "../hosts/host.ts";
import type { Invocation } from "../invocation.ts";
import { addresses, switchOption, textOption } from "../options.ts";
import { answer, answerInvalid } from "../print.ts";
import type { ComposeInventory } from "../../hosts/compose-inventory.ts";
import { fleetOf } from "../../plan/survey.ts";
import type { LoadedFleet } from "../../policy/fleet.ts";
import type { Engine } from "../../reconcile.ts";

export async function run(invocation: Invocation): Promise<number> {
  const backend = textOption(invocation, "backend");
  const targets = new Set(addresses(invocation.globals.targets));
  await using host = await openHost(invocation);
  const engine = makeEngine(invocation, host);
  const all = switchOption(invocation, "all");
  const asked = { ...configFile(invocation), ...fleetName(invocation) };
  const config = all ? await fleetOf(engine, asked) : undefined;
  if (config?.status === "invalid") return await answerInvalid(invocation, config.diagnostics);
  const compose = composeOf(engine, config);
  const outcome = await listFleet(engine, {
    ...asked,
    config,
    ...(switchOption(invocation, "browser") ? { kind: "browser" } : {}),
    ...(backend === undefined ? {} : { backend }),
    all,
  });
  const others = await compose;
  if (outcome.status === "invalid") return await answerInvalid(invocation, outcome.diagnostics);
  const wanted = <T extends { readonly address: string }>(rows: readonly T[]) =>
    targets.size === 0 ? [...rows] : rows.filter((row) => targets.has(row.address));
  const ofBackend = (each: { readonly backend: string }): boolean =>
    (backend ?? each.backend) === each.backend;
  const { runtimes, dormant, orphans } = outcome.listing;
  const listing = {
    ...outcome.listing,
    runtimes: wanted(runtimes),
    dormant: wanted(dormant),
    orphans: wanted(orphans),
    foreign: [...outcome.listing.foreign, ...others.foreign.filter(ofBackend)],
    unobserved: [...outcome.listing.unobserved, ...others.unobserved.filter(ofBackend)],
  };
  await answer(invocation, listing, (style) => renderListing(listing, style));
  return outcome.complete ? EXIT.ok : EXIT.unreachable;
}

/** The foreign inventory of hosts on which Compose is at home, looked at while the fleet is. */
async function composeOf(engine: Engine, config: LoadedFleet | undefined): Promise<ComposeInventory> {
  if (config === undefined) return { foreign: [], unobserved: [] };
  const { composeInventory } = await import("../../hosts/compose-inventory.ts");
  return composeInventory(engine, config);
}
