/**
 * The gates before elevated commands, which run on the host: in come the `[tools.elevated]` tables of fleet and agent,
 * out comes which channels may ask and, for a closed gate, the key to change. It judges the config, never a sender.
 */
import type { KeyPath, Source } from "../model/source.ts";
import { formatKeyPath } from "../model/source.ts";
import type { ElevatedPolicy } from "../model/settings.ts";
import type { ConfigInput } from "../resolve/agents.ts";

export interface ElevatedFailure {
  readonly gate: "enabled" | "allow_from";
  /** Key that closes the gate, or that would open it when nobody wrote it. */
  readonly key: string;
  readonly source?: Source;
}

export interface ElevatedFix {
  readonly key: string;
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly why: string;
}

export interface ElevatedJudgement {
  /** True when every gate is open for the channel asked about, or for at least one channel when none was named. */
  readonly enabled: boolean;
  /** Sorted. */
  readonly allowed_channels: readonly string[];
  readonly failures: readonly ElevatedFailure[];
  readonly fix_it: readonly ElevatedFix[];
}

export interface ElevatedInput {
  readonly policy: ElevatedPolicy;
  readonly agent: string;
  /** Where a key stands in the config; undefined for one that is not written. */
  locate(key: KeyPath): Source | undefined;
}

/** The `[tools.elevated]` tables that concern one agent. */
export function elevatedInput(loaded: ConfigInput, agent: string): ElevatedInput {
  const { tools, agents = {} } = loaded.config;
  const fleet = tools?.elevated;
  const own = Object.hasOwn(agents, agent) ? agents[agent]?.tools?.elevated : undefined;
  return {
    policy: {
      enabled: { fleet: fleet?.enabled, agent: own?.enabled },
      allow_from: { fleet: fleet?.allow_from, agent: own?.allow_from },
    },
    agent,
    locate: (key) => loaded.locate(key),
  };
}

interface Gate {
  readonly gate: ElevatedFailure["gate"];
  readonly why: string;
  readonly key: (input: ElevatedInput, channel: string) => KeyPath;
  readonly closed: (policy: ElevatedPolicy, channel: string) => boolean;
}

const fleetKey = ["tools", "elevated"] as const;
const agentKey = (agent: string): KeyPath => ["agents", agent, ...fleetKey];

/** All gates must be open. An agent can only narrow what the fleet allows. */
const GATES: readonly Gate[] = [
  {
    gate: "enabled",
    why: "the fleet turns elevated commands off: set it to true or remove it",
    key: () => [...fleetKey, "enabled"],
    closed: ({ enabled }) => enabled.fleet === false,
  },
  {
    gate: "enabled",
    why: "the agent turns elevated commands off: set it to true or remove it",
    key: ({ agent }) => [...agentKey(agent), "enabled"],
    closed: ({ enabled }) => enabled.agent === false,
  },
  {
    gate: "allow_from",
    why: "list who may ask for elevated commands on this channel",
    key: (_, channel) => [...fleetKey, "allow_from", channel],
    closed: ({ allow_from }, channel) => !lists(allow_from.fleet, channel),
  },
  {
    gate: "allow_from",
    why: "the agent has its own allow_from, so the channel must be listed there too",
    key: ({ agent }, channel) => [...agentKey(agent), "allow_from", channel],
    closed: ({ allow_from }, channel) => allow_from.agent !== undefined && !lists(allow_from.agent, channel),
  },
];

/** Stands in a key for the channel that nobody has named yet. */
const ANY_CHANNEL = "<channel>";

/** Which channels may ask for elevated commands; with `channel`, whether that one may. */
export function judgeElevated(input: ElevatedInput, channel?: string): ElevatedJudgement {
  const { policy } = input;
  const known = [...new Set([...channels(policy.allow_from.fleet), ...channels(policy.allow_from.agent)])];
  const allowed = known.filter((each) => GATES.every((gate) => !gate.closed(policy, each))).toSorted();
  const enabled = channel === undefined ? allowed.length > 0 : allowed.includes(channel);
  const asked = channel === undefined ? known.toSorted() : [channel];
  const closed = new Map<string, { failure: ElevatedFailure; fix: ElevatedFix }>();
  for (const each of asked.length === 0 ? [ANY_CHANNEL] : asked) {
    for (const gate of GATES) {
      if (!gate.closed(policy, each)) continue;
      const report = describe(input, gate, each);
      closed.set(report.failure.key, report);
    }
  }
  const reports = [...closed.values()];
  return {
    enabled,
    allowed_channels: allowed,
    failures: reports.map((report) => report.failure),
    fix_it: reports.map((report) => report.fix),
  };
}

function describe(input: ElevatedInput, gate: Gate, channel: string) {
  const path = gate.key(input, channel);
  const source = input.locate(path);
  const key = channel === ANY_CHANNEL ? path.join(".") : formatKeyPath(path);
  return {
    failure: { gate: gate.gate, key, ...(source === undefined ? {} : { source }) },
    fix: { key, file: source?.file, line: source?.line, why: gate.why },
  };
}

type AllowFrom = Readonly<Record<string, readonly string[]>> | undefined;

function lists(from: AllowFrom, channel: string): boolean {
  return from !== undefined && Object.hasOwn(from, channel) && (from[channel]?.length ?? 0) > 0;
}

function channels(from: AllowFrom): readonly string[] {
  return Object.keys(from ?? {});
}
