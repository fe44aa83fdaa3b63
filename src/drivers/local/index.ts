/**
 * The local backend: a runtime is a folder of this machine with its own home, tmp and manifest; isolation happens
 * per command. In: settings, specs, and the state directory. Out: folders, and the commands run in them.
 * It never writes outside `<stateDir>/local`, but for files that a caller puts into a writable workspace.
 */
import { SandkeepError } from "../../errors.ts";
import type { Host, Settings } from "../../model/settings.ts";
import type { WorkspaceProvider } from "../../model/spec.ts";
import type { Driver, DriverDeps, DriverModule, ReadDriver } from "../driver.ts";
import {
  createRuntime,
  markDormant,
  proveExists,
  removeRuntime,
  renameRuntime,
  updateRuntime,
} from "./apply.ts";
import { attest } from "./attest.ts";
import { changes, salvage } from "./changes.ts";
import type { LocalContext } from "./context.ts";
import { classified } from "./errors.ts";
import { watchFleet } from "./events.ts";
import { execute } from "./exec.ts";
import { localFields } from "./fields.ts";
import { getFiles, putFiles } from "./files.ts";
import { placeProgram } from "./program.ts";
import { checkHealth, inspectRuntime, observeFleet } from "./observe.ts";
import { preflightMachine, probeMachine } from "./probe.ts";
import { requireSettings } from "./requirements.ts";
import { normaliseOptions } from "./spec.ts";

export const localDriver: DriverModule = {
  backend: "local",
  capabilities: {
    lifecycle: "directory",
    exec: true,
    tty: true,
    events: true,
    images: false,
    reports_execs: false,
    changes: true,
    parallelism: 4,
  },
  fields: localFields,
  provider: chooseProvider,
  require: (settings) => requireSettings(settings),
  notes: boundaryNotes,
  normalise: normaliseOptions,
  preflight: (settings, _host, deps) => preflightMachine(settings, deps),
  openReader: async (_host, deps) => reader(contextOf(deps)),
  open: async (_host: Host | undefined, deps) => driver(contextOf(deps)),
};

function boundaryNotes(settings: Settings): readonly string[] {
  if (settings.options["isolation"] === "bubblewrap") return [];
  const staged =
    'writes = "staged" holds for what commands write below their working directory: without isolation they can still reach the workspace itself by its path.';
  return [
    ...(settings.writes === "staged" ? [staged] : []),
    'isolation = "none" is no security boundary: commands run as you, with your files and your network. isolation = "bubblewrap" is one.',
  ];
}

/** Without isolation commands work in the source itself; a sandbox binds it; without access there is an empty folder. */
function chooseProvider(settings: Settings): WorkspaceProvider {
  if (settings.workspace.access === "none") return "own";
  return settings.options["isolation"] === "bubblewrap" ? "bind" : "link";
}

function contextOf(deps: DriverDeps): LocalContext {
  return { deps, seen: new Map() };
}

function reader(context: LocalContext): ReadDriver {
  return {
    probe: () => probeMachine(context.deps),
    observe: (scope) => observeFleet(context, scope),
    inspect: (objectId) => classified("read the local runtime", () => inspectRuntime(context, objectId)),
    health: (objectId) => classified("read the local runtime", () => checkHealth(context, objectId)),
    changes: (objectId) => classified("measure the local runtime", () => changes(context, objectId)),
    resolveImage: async () => ({ status: "absent" }),
    events: (scope, signal) =>
      classified("watch the local runtimes", () => watchFleet(context, scope, signal)),
    // Nothing stays open: watchers end with their signal, commands with themselves.
    [Symbol.asyncDispose]: async () => {},
  };
}

function driver(context: LocalContext): Driver {
  return {
    ...reader(context),
    fetch: async (ref) => {
      throw new SandkeepError(`the local backend has no images, so ${ref} cannot be fetched`, {
        code: "LOCAL_NO_IMAGES",
        hint: "remove the image from the settings, or use a backend that has images",
      });
    },
    create: (request) => classified(`create ${request.name}`, () => createRuntime(context, request)),
    start: (objectId) => classified("start the local runtime", () => proveExists(context, objectId)),
    stop: (objectId) => classified("stop the local runtime", () => proveExists(context, objectId)),
    update: (request) => classified("update the local runtime", () => updateRuntime(context, request)),
    rename: (objectId, to) =>
      classified(`rename the local runtime to ${to}`, () => renameRuntime(context, objectId, to)),
    remove: (objectId) => classified("remove the local runtime", () => removeRuntime(context, objectId)),
    mark: (scope, address, mark) =>
      classified("write the dormancy mark", () => markDormant(context, scope, address, mark)),
    // A workspace is the source itself, or goes with its runtime.
    forget: async () => {},
    attest: (objectId) => classified("look inside the local runtime", () => attest(context, objectId)),
    exec: (request) => classified("run the command", () => execute(context, request)),
    placeProgram: (objectId, program) =>
      classified("place the program", () => placeProgram(context, objectId, program)),
    putFiles: (objectId, directory, tar) =>
      classified("put the files", () => putFiles(context, objectId, directory, tar)),
    getFiles: (objectId, path) => classified("get the files", () => getFiles(context, objectId, path)),
    salvage: (objectId) => classified("read the local runtime", () => salvage(context, objectId)),
  };
}
