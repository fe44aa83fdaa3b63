import { loadText } from "../../../src/config/import/load-text.ts";
import { importConfig } from "../../../src/config/import/index.ts";
import type { ImportFailed, Imported, Product } from "../../../src/config/import/report.ts";
import { BACKENDS, builtInDrivers } from "../../../src/drivers/registry.ts";
import type { Diagnostic } from "../../../src/model/diagnostic.ts";
import { loadFleet } from "../../../src/policy/fleet.ts";

/** What `sandkeep validate` would say of a text in a folder that nobody has. */
export async function check(text: string): Promise<readonly Diagnostic[]> {
  const result = await loadText("/srv/fleet/sandkeep.toml", text, BACKENDS);
  if (!result.ok) return result.diagnostics;
  const world = { cwd: "/srv/fleet", env: { HOME: "/home/dev" }, drivers: builtInDrivers };
  return (await loadFleet(world, result.loaded)).diagnostics;
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
