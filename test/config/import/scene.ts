import { loadText } from "../../../src/config/import/load-text.ts";
import { importConfig } from "../../../src/config/import/index.ts";
import type { ImportFailed, Imported, Product } from "../../../src/config/import/report.ts";
import { BACKENDS, builtInDrivers } from "../../../src/drivers/registry.ts";
import type { Diagnostic } from "../../../src/model/diagnostic.ts";
import type { ResolvedFleet } from "../../../src/model/settings.ts";
import { loadFleet } from "../../../src/policy/fleet.ts";

/** A text in a folder that nobody has, as `sandkeep validate` would read it. */
async function load(text: string): ReturnType<typeof loadFleet> {
  const result = await loadText("/srv/fleet/sandkeep.toml", text, BACKENDS);
  if (!result.ok) return { status: "invalid", diagnostics: result.diagnostics };
  const world = { cwd: "/srv/fleet", env: { HOME: "/home/dev" }, drivers: builtInDrivers };
  return loadFleet(world, result.loaded);
}

export async function check(text: string): Promise<readonly Diagnostic[]> {
  return (await load(text)).diagnostics;
}

/** What the agents of a text get. Fails with the problems when there are any. */
export async function resolved(text: string): Promise<ResolvedFleet> {
  const outcome = await load(text);
  if (outcome.status === "loaded") return outcome.fleet;
  throw new Error(JSON.stringify(outcome.diagnostics, null, 2));
}

export function importText(name: string, text: string, from?: Product): Promise<Imported | ImportFailed> {
  return importConfig({
    name,
    text,
    ...(from === undefined ? {} : { from }),
    fleet: "team",
    fleetId: "k3v9q2",
    check,
  });
}

/** Fails with the problems when there are any. */
export async function imported(name: string, text: string, from?: Product): Promise<Imported> {
  const outcome = await importText(name, text, from);
  if (outcome.ok) return outcome;
  throw new Error(JSON.stringify(outcome.diagnostics, null, 2));
}
