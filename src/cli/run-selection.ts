import { resolve } from "node:path";
import { loadConfig } from "../config/index.ts";
import { BACKENDS } from "../drivers/registry.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import { RUN_STATUSES } from "../model/run.ts";
import type { RunsSettings } from "../model/settings.ts";
import { resolveRuns } from "../resolve/runs.ts";
import type { RunFilter } from "../runs/history.ts";
import type { SelectedRun } from "../runs/select.ts";
import { selectRun } from "../runs/select.ts";
import type { FleetState } from "../state/directory.ts";
import { fleetState, stateDirectory } from "../state/directory.ts";
import { usageError } from "./exit-codes.ts";
import { findState } from "./held.ts";
import type { Invocation } from "./invocation.ts";
import { switchOption, textOption } from "./options.ts";

/** `--source`, `--agent` and `--session`; `all` and leaving one out are the same. */
export function originOptions(invocation: Invocation): Omit<RunFilter, "status"> {
  const given = (key: string): string | undefined => {
    const text = textOption(invocation, key);
    return text === "all" ? undefined : text;
  };
  const [source, agent, session] = [given("source"), given("agent"), given("session")];
  return {
    ...(source === undefined ? {} : { source }),
    ...(agent === undefined ? {} : { agent }),
    ...(session === undefined ? {} : { session }),
  };
}

export function statusOption(invocation: Invocation): Pick<RunFilter, "status"> {
  const text = textOption(invocation, "status");
  if (text === undefined || text === "all") return {};
  const status = RUN_STATUSES.find((each) => each === text);
  if (status !== undefined) return { status };
  throw usageError(`--status is ${JSON.stringify(text)}`, `Expected all, ${RUN_STATUSES.join(", ")}.`);
}

export type FoundLedger =
  | { readonly status: "found"; readonly state: FleetState; readonly settings: RunsSettings }
  | { readonly status: "invalid"; readonly diagnostics: readonly Diagnostic[] };

/** The ledger of the fleet that `--fleet` or else the config names, and what the config says of it. */
export async function findLedger({ globals, cwd, env }: Invocation): Promise<FoundLedger> {
  const base = stateDirectory(env, globals.stateDir);
  const { fleet, file } = globals;
  if (fleet !== undefined) {
    return { status: "found", state: fleetState(base, fleet), settings: resolveRuns(undefined) };
  }
  const result = await loadConfig({
    cwd,
    backends: BACKENDS,
    ...(file === undefined ? {} : { file: resolve(cwd, file) }),
  });
  if (!result.ok) return { status: "invalid", diagnostics: result.diagnostics };
  const { config } = result.loaded;
  return { status: "found", state: fleetState(base, config.fleet), settings: resolveRuns(config.runs) };
}

export type Selection =
  | { readonly status: "selected"; readonly state: FleetState; readonly run: SelectedRun }
  | { readonly status: "invalid"; readonly diagnostics: readonly Diagnostic[] };

/** The one run that the command line means. */
export async function selectedRun(
  invocation: Invocation,
  otherwise: { readonly latestFailed?: boolean } = {},
): Promise<Selection> {
  const found = await findState(invocation);
  if (found.status === "invalid") return found;
  const [target] = invocation.args;
  const named = target !== undefined || switchOption(invocation, "latest");
  const selector = {
    ...originOptions(invocation),
    ...(target === undefined ? {} : { target }),
    latest: switchOption(invocation, "latest"),
    latestFailed: switchOption(invocation, "latestFailed") || (otherwise.latestFailed === true && !named),
  };
  const run = await selectRun(found.state, selector, { cwd: invocation.cwd, now: Date.now() });
  return { status: "selected", state: found.state, run };
}
