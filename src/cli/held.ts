import { resolve } from "node:path";
import type { Diagnostic } from "../model/diagnostic.ts";
import { loadConfig } from "../config/index.ts";
import { BACKENDS } from "../drivers/registry.ts";
import { isAddress } from "../model/names.ts";
import type { FleetState } from "../state/directory.ts";
import { fleetState, stateDirectory } from "../state/directory.ts";
import { usageError } from "./exit-codes.ts";
import type { Invocation } from "./invocation.ts";

/** Holds every address of the fleet. */
const WHOLE_FLEET = "fleet";

export function holdAddress([address = ""]: readonly string[]): string {
  if (address === WHOLE_FLEET || isAddress(address)) return address;
  throw usageError(
    `${JSON.stringify(address)} is no address`,
    "Expected shared, agent/NAME, session/agent:NAME:SESSION, browser/…, or fleet for all.",
  );
}

export type FoundState =
  | { readonly status: "found"; readonly state: FleetState }
  | { readonly status: "invalid"; readonly diagnostics: readonly Diagnostic[] };

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
