/**
 * In: what a one-off sandbox is to be. Out: the fleet with an agent that has these settings, judged by the same rules as any
 * agent of the config, so that what is refused there is refused here, and names its key. Without a config the built-in
 * defaults hold. It makes nothing.
 */
import { join } from "node:path";
import type { LoadedConfig } from "../config/index.ts";
import { loadConfig } from "../config/index.ts";
import type { SandboxSettings } from "../config/schema/sandbox.ts";
import { sandboxSchema } from "../config/schema/sandbox.ts";
import { ROOT_NAMES } from "../config/discover.ts";
import type { Config } from "../config/schema/root.ts";
import { THIS_HOST } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import type { JsonObject } from "../model/json.ts";
import { isList } from "../model/json.ts";
import { BUILT_IN } from "../resolve/defaults.ts";
import { mergeSection, sectionOf } from "../resolve/merge.ts";
import { PROGRAM_TMPFS } from "../util/program-folder.ts";
import { pathFacts } from "../util/path-facts.ts";
import { listWords } from "../util/suggestion.ts";
import type { FleetRequest, Invalid, LoadedFleet } from "./fleet.ts";
import { loadFleet } from "./fleet.ts";
import { requireKnownHost } from "./known-host.ts";

/** The agent of a one-off sandbox when none is named, and the fleet of one without a config. */
export const EPHEMERAL = "ephemeral";

export interface EphemeralSettings {
  /** Whose settings it has; otherwise those of `[sandbox]`. */
  readonly agent?: string | undefined;
  readonly image?: string | undefined;
  readonly backend?: string | undefined;
  /** On this host of the config, or `local` for this machine's own; by the engine that an agent has there. */
  readonly host?: string | undefined;
  /** A `[sandbox]` table that goes before what the config says. */
  readonly profile?: SandboxSettings | undefined;
  /** It has a place for a program of this machine. */
  readonly program?: boolean;
}

export interface EphemeralFleet extends LoadedFleet {
  /** The agent that has the settings. */
  readonly agent: string;
  /** False when there is no config at all. */
  readonly configured: boolean;
}

export async function loadEphemeral(
  request: FleetRequest,
  wanted: EphemeralSettings,
): Promise<EphemeralFleet | Invalid> {
  const found = await configOrBuiltIn(request);
  if (found.status === "invalid") return found;
  const { configured } = found;
  const derived = await withAgent(found.loaded, request, wanted);
  const loaded = await loadFleet(request, derived.loaded);
  return loaded.status === "invalid" ? loaded : { ...loaded, agent: derived.agent, configured };
}

/** Name of the fleet that a one-off sandbox would be of. */
export async function ephemeralFleetName(
  request: FleetRequest,
): Promise<{ readonly status: "found"; readonly fleet: string } | Invalid> {
  const found = await configOrBuiltIn(request);
  return found.status === "invalid" ? found : { status: "found", fleet: found.loaded.config.fleet };
}

interface Found {
  readonly status: "found";
  readonly loaded: LoadedConfig;
  readonly configured: boolean;
}

async function configOrBuiltIn({ cwd, file, env, drivers }: FleetRequest): Promise<Found | Invalid> {
  const place = file === undefined ? { cwd } : { cwd, file };
  const result = await loadConfig({ ...place, backends: Object.keys(drivers) });
  if (result.ok) return { status: "found", loaded: result.loaded, configured: true };
  const { diagnostics } = result;
  const missing = file === undefined && diagnostics.every(({ code }) => code === "no-config");
  if (!missing) return { status: "invalid", diagnostics };
  const root = pathFacts(cwd, env["HOME"]).realPath(cwd);
  const loaded: LoadedConfig = {
    rootFile: join(root, ROOT_NAMES[0]),
    root,
    files: [],
    config: { version: 1, fleet: EPHEMERAL },
    locate: () => undefined,
  };
  return { status: "found", loaded, configured: false };
}

async function withAgent(
  loaded: LoadedConfig,
  { drivers }: FleetRequest,
  wanted: EphemeralSettings,
): Promise<{ readonly loaded: LoadedConfig; readonly agent: string }> {
  const { config } = loaded;
  const agents = config.agents ?? {};
  const { agent = EPHEMERAL } = wanted;
  const known = knownAgent(agents, agent);
  const { profile = {} } = wanted;
  const host = wanted.host ?? profile.host;
  if (host !== undefined) requireKnownHost(config.hosts ?? {}, host);
  const named = wanted.backend ?? profile.backend ?? known?.sandbox?.backend;
  const there = host === undefined || named !== undefined ? {} : await engineOn(config, host, drivers);
  const below: SandboxSettings = { ...known?.sandbox, ...there };
  const own: SandboxSettings = { ...below, ...profile };
  const backend = wanted.backend ?? own.backend ?? config.sandbox?.backend ?? BUILT_IN.backend;
  const load = Object.hasOwn(drivers, backend) ? drivers[backend] : undefined;
  if (load === undefined)
    throw usage(`there is no backend "${backend}"`, `there are ${listWords(Object.keys(drivers))}`);
  if (wanted.image !== undefined && !(await load()).capabilities.images)
    throw usage(
      `the ${backend} backend has no images`,
      "leave out --image, or choose another with --backend",
    );
  const section = {
    ...(wanted.image === undefined ? {} : { image: wanted.image }),
    ...(wanted.program === true ? placeForProgram(backend, config.sandbox ?? {}, own) : {}),
  };
  const given = parseGiven({
    ...(wanted.backend === undefined ? {} : { backend }),
    ...(Object.keys(section).length === 0 ? {} : { [backend]: section }),
  });
  const sandbox: SandboxSettings = {
    ...own,
    ...ONE_OFF,
    ...given,
    ...(wanted.host === undefined ? {} : { host: wanted.host }),
    [backend]: { ...sectionOf(below, backend), ...sectionOf(own, backend), ...sectionOf(given, backend) },
  };
  const path = `agents.${agent}.sandbox`;
  const said = new Set([
    ...(wanted.backend === undefined ? [] : [`${path}.backend`]),
    ...(wanted.image === undefined ? [] : [`${path}.${backend}.image`]),
  ]);
  return {
    agent,
    loaded: {
      ...loaded,
      config: { ...config, agents: { ...agents, [agent]: { ...known, sandbox } } },
      // What the command line says stands in no file.
      locate: (key) => (said.has(key.join(".")) ? undefined : loaded.locate(key)),
    },
  };
}

function knownAgent(agents: NonNullable<Config["agents"]>, agent: string) {
  const known = Object.hasOwn(agents, agent) ? agents[agent] : undefined;
  if (known !== undefined || agent === EPHEMERAL) return known;
  const names = Object.keys(agents);
  const hint =
    names.length === 0 ? "the config declares no agents" : `the config declares ${listWords(names)}`;
  throw usage(`there is no agent "${agent}"`, hint);
}

/**
 * The engine that the fleet's agents have on a host, with what they say of it: the default one where they use it there, and one
 * that keeps sandboxes before one that keeps none. Nothing when no agent is there.
 */
async function engineOn(
  { agents = {}, sandbox = {} }: Config,
  host: string,
  drivers: FleetRequest["drivers"],
): Promise<SandboxSettings> {
  const usual = sandbox.backend ?? BUILT_IN.backend;
  const found = await Promise.all(
    Object.values(agents).map(async ({ sandbox: own = {} }) => {
      const backend = own.backend ?? usual;
      const load = Object.hasOwn(drivers, backend) ? drivers[backend] : undefined;
      const off = (own.mode ?? sandbox.mode) === "off";
      if (off || load === undefined || (own.host ?? sandbox.host ?? THIS_HOST) !== host) return [];
      const keeps = (await load()).capabilities.lifecycle !== "ephemeral";
      return [{ backend, own, rank: (keeps ? 0 : 2) + (backend === usual ? 0 : 1) }];
    }),
  );
  const [first] = found.flat().toSorted((a, b) => a.rank - b.rank);
  return first === undefined
    ? {}
    : { backend: first.backend, [first.backend]: sectionOf(first.own, first.backend) };
}

/** What a sandbox that is there for one run cannot be otherwise. */
const ONE_OFF = {
  mode: "all",
  scope: "session",
  protect: false,
  salvage: { when: "off" },
} as const satisfies SandboxSettings;

/** By the same schema as the config. */
function parseGiven(given: JsonObject): SandboxSettings {
  const parsed = sandboxSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw usage(
    `--image is not right: ${issue?.message ?? "it is no image"}`,
    "give a reference such as debian:12-slim",
  );
}

/** Where a backend keeps what may be written in memory, nothing there can be started unless a place is made for it. */
function placeForProgram(backend: string, fleet: SandboxSettings, own: SandboxSettings): JsonObject {
  const { tmpfs } = mergeSection(backend, sectionOf(fleet, backend), sectionOf(own, backend));
  return tmpfs !== undefined && isList(tmpfs) ? { tmpfs: [...tmpfs, PROGRAM_TMPFS] } : {};
}

function usage(message: string, hint: string): SandkeepError {
  return new SandkeepError(message, { code: "USAGE", hint, exitCode: 64 });
}
