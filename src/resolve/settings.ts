import type { SandboxSettings } from "../config/schema/sandbox.ts";
import type { JsonObject } from "../model/json.ts";
import { OWN_NETWORK } from "../model/network.ts";
import type { EgressSettings, ReadySettings, Settings } from "../model/settings.ts";
import type { SalvageSettings } from "../model/salvage.ts";
import { BUILT_IN, READY, SECTIONS, sectionDefaults } from "./defaults.ts";
import { mergeSection, sectionOf } from "./merge.ts";
import type { PathFacts } from "../util/path-facts.ts";
import { absolutePath } from "./paths.ts";
import { placeOf } from "./places.ts";

/** `[sandbox]` and an agent's own table as one, every default filled in. */
export function mergeSettings(
  fleet: SandboxSettings,
  agent: SandboxSettings,
  root: string,
  facts: Pick<PathFacts, "home" | "realPath">,
): Settings {
  const backend = agent.backend ?? fleet.backend ?? BUILT_IN.backend;
  const options = withOwnNetwork(backend, mergeEgress(fleet, agent), fleet, agent);
  const host = placeOf(backend, options) ?? agent.host ?? fleet.host;
  const ready = mergeReady(fleet, agent);
  const egress = mergeEgress(fleet, agent);
  const source = agent.workspace?.source ?? fleet.workspace?.source ?? BUILT_IN.workspace.source;
  const { access } = sectionDefaults(backend);
  return {
    mode: agent.mode ?? fleet.mode ?? BUILT_IN.mode,
    scope: agent.scope ?? fleet.scope ?? BUILT_IN.scope,
    backend,
    ...(host === undefined ? {} : { host }),
    writes: agent.writes ?? fleet.writes ?? BUILT_IN.writes,
    provision: agent.provision ?? fleet.provision ?? BUILT_IN.provision,
    protect: agent.protect ?? fleet.protect ?? BUILT_IN.protect,
    attest: agent.attest ?? fleet.attest ?? BUILT_IN.attest,
    setup: agent.setup ?? fleet.setup ?? BUILT_IN.setup,
    env: { ...BUILT_IN.env, ...fleet.env, ...agent.env },
    secrets: { ...BUILT_IN.secrets, ...secretRefs(fleet), ...secretRefs(agent) },
    workspace: {
      source: facts.realPath(absolutePath(source, root, facts.home)),
      access: agent.workspace?.access ?? fleet.workspace?.access ?? access,
      target: agent.workspace?.target ?? fleet.workspace?.target ?? BUILT_IN.workspace.target,
      sync: agent.workspace?.sync ?? fleet.workspace?.sync ?? BUILT_IN.workspace.sync,
      ignore: agent.workspace?.ignore ?? fleet.workspace?.ignore ?? BUILT_IN.workspace.ignore,
    },
    ...(ready === undefined ? {} : { ready }),
    timeouts: {
      fetch: agent.timeouts?.fetch ?? fleet.timeouts?.fetch ?? BUILT_IN.timeouts.fetch,
      seed: agent.timeouts?.seed ?? fleet.timeouts?.seed ?? BUILT_IN.timeouts.seed,
      setup: agent.timeouts?.setup ?? fleet.timeouts?.setup ?? BUILT_IN.timeouts.setup,
    },
    ...(egress === undefined ? {} : { egress }),
    prune: {
      idle: agent.prune?.idle ?? fleet.prune?.idle ?? BUILT_IN.prune.idle,
      max_age: agent.prune?.max_age ?? fleet.prune?.max_age ?? BUILT_IN.prune.max_age,
    },
    disruption: {
      when: agent.disruption?.when ?? fleet.disruption?.when ?? BUILT_IN.disruption.when,
      max_wait: agent.disruption?.max_wait ?? fleet.disruption?.max_wait ?? BUILT_IN.disruption.max_wait,
    },
    salvage: mergeSalvage(fleet, agent),
    options,
  };
}

/** Also without an agent: what holds for a runtime that no agent declares any more. */
export function mergeSalvage(fleet: SandboxSettings, agent: SandboxSettings = {}): SalvageSettings {
  const [mine, all] = [agent.salvage ?? {}, fleet.salvage ?? {}];
  return {
    when: mine.when ?? all.when ?? BUILT_IN.salvage.when,
    include: mine.include ?? all.include ?? BUILT_IN.salvage.include,
    exclude: mine.exclude ?? all.exclude ?? BUILT_IN.salvage.exclude,
    max_bytes: mine.max_bytes ?? all.max_bytes ?? BUILT_IN.salvage.max_bytes,
    oversize: mine.oversize ?? all.oversize ?? BUILT_IN.salvage.oversize,
    keep: mine.keep ?? all.keep ?? BUILT_IN.salvage.keep,
    max_age: mine.max_age ?? all.max_age ?? BUILT_IN.salvage.max_age,
  };
}

/** With `egress` a sandbox has a network to itself, unless somebody says another, which is then told as a contradiction. */
function withOwnNetwork(
  backend: string,
  egress: EgressSettings | undefined,
  fleet: JsonObject,
  agent: JsonObject,
): JsonObject {
  const [base, own] = [sectionOf(fleet, backend), sectionOf(agent, backend)];
  const options = mergeSection(backend, base, own);
  const said = own["network"] ?? base["network"];
  const joins = SECTIONS[backend] === undefined || sectionDefaults(backend).values["network"] !== undefined;
  return egress === undefined || said !== undefined || !joins
    ? options
    : { ...options, network: OWN_NETWORK };
}

function mergeEgress(fleet: SandboxSettings, agent: SandboxSettings): EgressSettings | undefined {
  if (agent.egress === undefined && fleet.egress === undefined) return undefined;
  const allow = agent.egress?.allow ?? fleet.egress?.allow ?? [];
  const image = agent.egress?.image ?? fleet.egress?.image;
  return { allow, ...(image === undefined ? {} : { image }) };
}

function secretRefs(table: SandboxSettings): Settings["secrets"] {
  const entries = Object.entries(table.secrets ?? {}).map(([name, { for: uses, ...ref }]) => [
    name,
    uses === undefined ? ref : { ...ref, for: uses },
  ]);
  return Object.fromEntries(entries);
}

function mergeReady(fleet: SandboxSettings, agent: SandboxSettings): ReadySettings | undefined {
  const command = agent.ready?.command ?? fleet.ready?.command;
  if (command === undefined) return undefined;
  return {
    command,
    timeout: agent.ready?.timeout ?? fleet.ready?.timeout ?? READY.timeout,
    interval: agent.ready?.interval ?? fleet.ready?.interval ?? READY.interval,
  };
}
