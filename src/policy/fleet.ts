/**
 * In: where the config is. Out: the resolved fleet with its drivers' data, or every problem at once: those of the
 * text, of the merge, of security and tool rules, and of what each backend requires. It looks at no engine.
 */
import type { LoadedConfig } from "../config/index.ts";
import { loadConfig } from "../config/index.ts";
import { sortDiagnostics } from "../config/document.ts";
import { LOCK_FILE } from "../config/lock.ts";
import type { DriverModule, DriverRegistry, Requirement } from "../drivers/driver.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import type { Host, ResolvedFleet, Settings } from "../model/settings.ts";
import { errorAt } from "../resolve/diagnose.ts";
import { resolve } from "../resolve/index.ts";
import type { PathFacts } from "../util/path-facts.ts";
import { pathFacts } from "../util/path-facts.ts";
import { checkEgress } from "./egress.ts";
import { checkFleetSecurity } from "./security.ts";
import { checkToolPolicy } from "./tool-policy.ts";

export interface FleetRequest {
  readonly file?: string | undefined;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly drivers: DriverRegistry;
  /** Absolute path of sandkeep's own state, which no sandbox may be given. */
  readonly stateDir?: string | undefined;
  /** Pinned images may be missing from the lock file: it is about to be written. */
  readonly unlocked?: boolean;
}

export interface LoadedFleet {
  readonly status: "loaded";
  readonly fleet: ResolvedFleet;
  readonly loaded: LoadedConfig;
  readonly modules: Readonly<Record<string, DriverModule>>;
  readonly paths: PathFacts;
  readonly diagnostics: readonly Diagnostic[];
}

export interface Invalid {
  readonly status: "invalid";
  readonly diagnostics: readonly Diagnostic[];
}

export async function loadFleet(request: FleetRequest, given?: LoadedConfig): Promise<LoadedFleet | Invalid> {
  const { file, cwd } = request;
  const place = file === undefined ? { cwd } : { cwd, file };
  const result =
    given === undefined
      ? await loadConfig({ ...place, backends: Object.keys(request.drivers) })
      : { ok: true as const, loaded: given, diagnostics: [] };
  if (!result.ok) return { status: "invalid", diagnostics: result.diagnostics };
  const { loaded } = result;
  const home = request.env["HOME"];
  const paths = pathFacts(loaded.root, home === "" ? undefined : home);
  const resolution = resolve(loaded, paths);
  const { draft } = resolution;
  const modules = await modulesOf(draft, request.drivers);
  const diagnostics = sortDiagnostics([
    ...result.diagnostics,
    ...resolution.diagnostics,
    ...checkToolPolicy(loaded),
    ...checkFleetSecurity(draft.agents, {
      ...paths,
      env: request.env,
      stateDir: request.stateDir,
      sockets: socketsOf(draft, modules, request.env),
    }),
    ...checkEgress(draft, modules, (key) => loaded.locate(key)),
    ...checkRequirements(draft, modules),
    ...(request.unlocked === true ? [] : checkLocked(draft, modules, loaded)),
  ]);
  const broken = resolution.fleet === undefined || diagnostics.some((each) => each.severity === "error");
  return broken
    ? { status: "invalid", diagnostics }
    : { status: "loaded", fleet: draft, loaded, modules, paths, diagnostics };
}

async function modulesOf(
  fleet: ResolvedFleet,
  drivers: DriverRegistry,
): Promise<Record<string, DriverModule>> {
  const modules: Record<string, DriverModule> = {};
  for (const backend of new Set(fleet.agents.map((each) => each.settings.backend))) {
    const load = drivers[backend];
    if (load !== undefined) modules[backend] = await load();
  }
  return modules;
}

function socketsOf(
  fleet: ResolvedFleet,
  modules: Readonly<Record<string, DriverModule>>,
  env: FleetRequest["env"],
): readonly string[] {
  const hosts = [undefined, ...Object.values(fleet.hosts)];
  return Object.values(modules).flatMap((module) =>
    hosts.flatMap((host) => module.sockets?.(host, env) ?? []),
  );
}

const NO_SALVAGE: Requirement = {
  path: "salvage.when",
  code: "salvage-unavailable",
  message: "this backend cannot hand out what was written in a sandbox",
  hint: 'set salvage.when = "off"',
};

const NO_STAGE: Requirement = {
  path: "writes",
  code: "writes-staged-unavailable",
  message: 'writes = "staged" needs a workspace, and this runtime has none but its own',
  hint: 'set workspace.access = "rw", or writes = "direct"',
};

/** Nothing falls back to direct writes. */
function unstaged(
  settings: Settings,
  host: Host | undefined,
  module: DriverModule | undefined,
): Requirement[] {
  if (settings.writes !== "staged" || settings.workspace.access !== "rw" || module === undefined) return [];
  const provider = module.provider(settings, host);
  return provider === "own" ? [NO_STAGE] : [];
}

/** Settings shared by reference are judged once; a fault of the fleet's own tables is told once. */
function checkRequirements(
  fleet: ResolvedFleet,
  modules: Readonly<Record<string, DriverModule>>,
): Diagnostic[] {
  const judged = new Map<Settings, readonly Requirement[]>();
  const found = new Map<string, Diagnostic>();
  for (const agent of fleet.agents) {
    const { settings } = agent;
    if (settings.mode === "off") continue;
    const host = settings.host === undefined ? undefined : fleet.hosts[settings.host];
    const module = modules[settings.backend];
    const own = module?.capabilities.changes === false && settings.salvage.when !== "off" ? [NO_SALVAGE] : [];
    const faults = judged.get(settings) ?? [
      ...own,
      ...unstaged(settings, host, module),
      ...(module?.require(settings, host) ?? []),
    ];
    judged.set(settings, faults);
    for (const { path, ...fault } of faults) {
      // What nobody wrote is asked for where the backend was chosen.
      const told = errorAt({ ...agent.provenance("backend"), ...agent.provenance(path) }, fault);
      found.set(`${told.code} ${told.path}`, told);
    }
  }
  return [...found.values()];
}

/** A pinned image that the lock file does not know would be whatever its tag means on the day. */
function checkLocked(
  fleet: ResolvedFleet,
  modules: Readonly<Record<string, DriverModule>>,
  { lock = [] }: LoadedConfig,
): Diagnostic[] {
  const locked = new Set(lock.map((each) => each.ref));
  const found = new Map<string, Diagnostic>();
  for (const agent of fleet.agents) {
    const { settings } = agent;
    const { image, image_policy: policy } = settings.options;
    const images = modules[settings.backend]?.capabilities.images === true;
    if (settings.mode === "off" || !images || policy !== "pin") continue;
    if (typeof image !== "string" || locked.has(image) || found.has(image)) continue;
    const fault = {
      code: "image-not-locked",
      message: `image ${image} is pinned, but ${LOCK_FILE} has no entry for it`,
      hint: `run \`sandkeep images lock\` and commit ${LOCK_FILE}`,
    };
    found.set(image, errorAt(agent.provenance(`${settings.backend}.image`), fault));
  }
  return [...found.values()];
}

/** Every problem of a config at once; `ok` when none is an error. */
export async function validateFleet(
  world: Omit<FleetRequest, "file">,
  request: { readonly file?: string },
): Promise<{ readonly ok: boolean; readonly diagnostics: readonly Diagnostic[] }> {
  const { cwd, env, drivers, stateDir } = world;
  const { status, diagnostics } = await loadFleet({ file: request.file, cwd, env, drivers, stateDir });
  return { ok: status === "loaded", diagnostics };
}
