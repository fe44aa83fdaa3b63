import { randomBytes } from "node:crypto";
import { builtInDrivers } from "../drivers/registry.ts";
import type { EventSink } from "../model/event.ts";
import type { Engine } from "../reconcile.ts";
import { stateDirectory } from "../state/directory.ts";
import { realWait } from "../util/wait.ts";
import type { Invocation } from "./invocation.ts";
import { toolVersion } from "./version.ts";

/** The engine of one command line, with the real clock and real randomness. */
export function makeEngine(invocation: Invocation, sink: EventSink): Engine {
  return {
    drivers: builtInDrivers,
    stateDir: stateDirectory(invocation.env, invocation.globals.stateDir),
    cwd: invocation.cwd,
    env: invocation.env,
    now: Date.now,
    wait: realWait,
    randomId: () => randomBytes(8).toString("hex"),
    sink,
    toolVersion: toolVersion(),
  };
}

/** What each request of the engine takes from the global flags. */
export function configFile({ globals }: Invocation): { readonly file?: string } {
  return globals.file === undefined ? {} : { file: globals.file };
}

export function fleetName({ globals }: Invocation): { readonly fleet?: string } {
  return globals.fleet === undefined ? {} : { fleet: globals.fleet };
}
