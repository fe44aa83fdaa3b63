import { resolve } from "node:path";
import type { Bundled } from "../model/bundle.ts";
import { bundleRun } from "../runs/bundle.ts";
import type { SelectedRun } from "../runs/select.ts";
import type { FleetState } from "../state/directory.ts";
import { configFile, makeEngine } from "./engine.ts";
import { openHost } from "./hosts/host.ts";
import type { Invocation } from "./invocation.ts";
import { switchOption, textOption } from "./options.ts";

const DEFAULT_OUTPUT = "sandkeep-bundles";

/** Makes the bundle that the command line asks for. */
export async function bundle(
  invocation: Invocation,
  state: FleetState,
  run: SelectedRun,
  check: { readonly verify: boolean; readonly strict: boolean },
): Promise<Bundled> {
  await using host = await openHost(invocation);
  const output = resolve(invocation.cwd, textOption(invocation, "output") ?? DEFAULT_OUTPUT);
  return await bundleRun(makeEngine(invocation, host), {
    state,
    run,
    output,
    ...check,
    place: configFile(invocation),
    config: invocation.globals.fleet === undefined,
    includeEnv: switchOption(invocation, "includeEnv"),
    includeIndexState: switchOption(invocation, "includeIndexState"),
    includeDoctor: switchOption(invocation, "includeDoctor"),
    archive: switchOption(invocation, "archive"),
  });
}
