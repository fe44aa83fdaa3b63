import { randomBytes } from "node:crypto";
import { builtInDrivers } from "../drivers/registry.ts";
import type { EventSink } from "../model/event.ts";
import type { StageKeeper } from "../plan/stage-keeper.ts";
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
    stages: lazyStages(invocation),
  };
}

/** Most commands never come near a stage. */
function lazyStages({ env, globals }: Invocation): StageKeeper {
  const load = async (): Promise<StageKeeper> => {
    const { stageKeeper } = await import("../stage/keeper.ts");
    const stateDir = stateDirectory(env, globals.stateDir);
    return stageKeeper({ stateDir, env, now: Date.now, randomId: () => randomBytes(8).toString("hex") });
  };
  return {
    open: async (request) => (await load()).open(request),
    beforeRun: async (request) => (await load()).beforeRun(request),
    afterRun: async (request, rules, last) => (await load()).afterRun(request, rules, last),
    bringThere: async (request) => (await load()).bringThere(request),
    fetchBack: async (request) => (await load()).fetchBack(request),
    collect: async (request) => (await load()).collect(request),
    foresee: async (request) => (await load()).foresee(request),
    leave: async (owner) => (await load()).leave(owner),
    unapplied: async (owner) => (await load()).unapplied(owner),
  };
}

/** What each request of the engine takes from the global flags. */
export function configFile({ globals }: Invocation): { readonly file?: string } {
  return globals.file === undefined ? {} : { file: globals.file };
}

export function fleetName({ globals }: Invocation): { readonly fleet?: string } {
  return globals.fleet === undefined ? {} : { fleet: globals.fleet };
}
