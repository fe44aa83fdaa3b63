import { resolve } from "node:path";
import type { Diagnostic } from "../model/diagnostic.ts";
import { loadConfig } from "../config/index.ts";
import { desire } from "../desire/desire.ts";
import { BACKENDS, builtInDrivers } from "../drivers/registry.ts";
import { isAddress } from "../model/names.ts";
import { ephemeralFleetName } from "../policy/ephemeral.ts";
import { loadFleet } from "../policy/fleet.ts";
import type { FleetState } from "../state/directory.ts";
import { fleetState, stateDirectory } from "../state/directory.ts";
import { WHOLE_FLEET } from "../state/holds.ts";
import { nearestWord } from "../util/suggestion.ts";
import { usageError } from "./exit-codes.ts";
import type { Invocation } from "./invocation.ts";

export function holdAddress([address = ""]: readonly string[]): string {
  if (address === WHOLE_FLEET || isAddress(address)) return address;
  throw usageError(
    `${JSON.stringify(address)} is no address`,
    "Expected shared, agent/NAME, session/agent:NAME:SESSION, browser/…, or fleet for all.",
  );
}

/** Warns of an address that the config does not yield: it is held all the same, since it may exist or come. */
export async function undeclaredHold(
  { globals, cwd, env }: Invocation,
  address: string,
): Promise<string | undefined> {
  if (address === WHOLE_FLEET || globals.fleet !== undefined) return undefined;
  const config = await loadFleet({
    file: globals.file,
    cwd,
    env,
    drivers: builtInDrivers,
    stateDir: stateDirectory(env, globals.stateDir),
  });
  if (config.status === "invalid") return undefined;
  const { fleet, modules, paths } = config;
  const known = desire({ fleet, modules, paths, known: [address] }).map((each) => each.address);
  if (known.some((each) => each === address)) return undefined;
  const near = nearestWord(address, known);
  const hint = near === undefined ? "`sandkeep list --all` shows the addresses" : `did you mean ${near}?`;
  return `${address} is held, but nothing is declared under that address; ${hint}`;
}

export type FoundState =
  | { readonly status: "found"; readonly state: FleetState }
  | { readonly status: "invalid"; readonly diagnostics: readonly Diagnostic[] };

/** The state that a run of its own writes to: without a config that of the fleet it then has. */
export async function findRunState({ globals, cwd, env }: Invocation): Promise<FoundState> {
  const stateDir = stateDirectory(env, globals.stateDir);
  const found = await ephemeralFleetName({ file: globals.file, cwd, env, drivers: builtInDrivers, stateDir });
  return found.status === "invalid" ? found : { status: "found", state: fleetState(stateDir, found.fleet) };
}

/** The state of the fleet that `--fleet` or else the config names; no engine is looked at. */
export async function findState({ globals, cwd, env }: Invocation): Promise<FoundState> {
  const base = stateDirectory(env, globals.stateDir);
  if (globals.fleet !== undefined) return { status: "found", state: fleetState(base, globals.fleet) };
  const result = await loadConfig({
    cwd,
    backends: BACKENDS,
    ...(globals.file === undefined ? {} : { file: resolve(cwd, globals.file) }),
  });
  if (!result.ok) return { status: "invalid", diagnostics: result.diagnostics };
  return { status: "found", state: fleetState(base, result.loaded.config.fleet) };
}
