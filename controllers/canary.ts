/**
 * Hosts are tried by themselves where `[canary] every` says so, and their headroom is looked at where a host has limits: when
 * it is time, or after a look at the whole fleet, one host after the other, and never twice at once.
 */
import { toError } from "../src/errors.ts";
import type { DriverModule } from "../src/drivers/driver.ts";
import { runCanary } from "../src/hosts/canary/run.ts";
import { weighHost } from "../src/hosts/headroom.ts";
import { lookAtHost } from "../src/hosts/survey.ts";
import type { Clock } from "../src/loop/clock.ts";
import { startTicker } from "../src/loop/ticker.ts";
import type { ResolvedFleet } from "../src/model/settings.ts";
import { engineFor, loadModules } from "../src/observe/engines.ts";
import { loadFleet } from "../src/policy/fleet.ts";
import type { Engine } from "../src/reconcile.ts";

/** So often is a host with limits looked at. */
const HEADROOM_MS = 300_000;

/** A host is tried at most this part of its time late. */
const PRECISION = 10;

export interface HostCare {
  /** The fleet as a new config says. */
  adopt(fleet: ResolvedFleet): void;
  /** To be called after each look at the whole fleet; resolves when what is being done has ended. */
  looked(): Promise<void>;
}

interface Care {
  readonly engine: Engine;
  readonly file: string | undefined;
}

export function hostCare(
  engine: Engine,
  clock: Clock,
  { file, signal }: { readonly file?: string | undefined; readonly signal: AbortSignal },
): HostCare {
  const care: Care = { engine, file };
  let fleet: ResolvedFleet | undefined;
  let stopTicker: (() => void) | undefined;
  let running: Promise<void> | undefined;
  const last = new Map<string, number>();
  const due = (key: string, every: number): boolean => {
    const now = clock.now();
    if (signal.aborted || now - (last.get(key) ?? -Infinity) < every) return false;
    last.set(key, now);
    return true;
  };
  const tend = async (now: ResolvedFleet): Promise<void> => {
    for (const host of hostsWithLimits(now))
      if (due(`headroom ${host}`, HEADROOM_MS)) await guarded(care, host, weigh);
    const { canary, agents } = now;
    if (canary.every === "off") return;
    const modules = await loadModules(
      engine.drivers,
      agents.map(({ settings }) => settings.backend),
    );
    for (const host of hostsToTry(now, modules))
      if (due(`canary ${host}`, canary.every)) await guarded(care, host, attempt);
  };
  const looked = async (): Promise<void> => {
    if (fleet === undefined || signal.aborted) return;
    running ??= tend(fleet).finally(() => (running = undefined));
    await running;
  };
  signal.addEventListener("abort", () => stopTicker?.(), { once: true });
  return {
    adopt(next) {
      fleet = next;
      stopTicker?.();
      const { every } = next.canary;
      const interval = every === "off" || signal.aborted ? Infinity : every / PRECISION;
      stopTicker = startTicker({ clock, interval, jitter: 0, random: () => 0 }, () => void looked());
    },
    looked,
  };
}

async function guarded(care: Care, host: string, work: typeof weigh): Promise<void> {
  try {
    await work(care, host);
  } catch (thrown) {
    const message = `host ${host} could not be looked at: ${toError(thrown).message}`;
    care.engine.sink.notify({ type: "note", level: "warn", code: "HOST_LOOK", message });
  }
}

async function weigh({ engine, file }: Care, host: string): Promise<void> {
  const { cwd, env, drivers, stateDir } = engine;
  const config = await loadFleet({ file, cwd, env, drivers, stateDir });
  if (config.status === "invalid") return;
  if (config.fleet.hosts[host]?.headroom === undefined) return;
  await weighHost(engine, config, await lookAtHost(engine, config, host));
}

async function attempt({ engine, file }: Care, host: string): Promise<void> {
  const outcome = await runCanary(engine, { ...(file === undefined ? {} : { file }), host, keep: false });
  if (outcome.status === "invalid") {
    const why = outcome.diagnostics.filter(({ severity }) => severity === "error");
    const message = `no canary on host ${host}: ${why.map((each) => `${each.path}: ${each.message}`).join("; ")}`;
    engine.sink.notify({ type: "note", level: "warn", code: "CANARY_RUN", message });
    return;
  }
  const { verdict, duration_ms } = outcome.report;
  const message = `canary on host ${host} ${verdict} after ${String(Math.round(duration_ms / 1000))} s`;
  engine.sink.notify({
    type: "note",
    level: verdict === "passed" ? "info" : "error",
    code: "CANARY_RUN",
    message,
  });
}

function hostsWithLimits({ hosts }: ResolvedFleet): readonly string[] {
  return Object.values(hosts).flatMap(({ name, headroom }) => (headroom === undefined ? [] : [name]));
}

/** Those that the agents have kept sandboxes on, unless the config names others. */
export function hostsToTry(
  { agents, canary }: Pick<ResolvedFleet, "agents" | "canary">,
  modules: Readonly<Record<string, DriverModule>>,
): readonly string[] {
  if (canary.hosts !== undefined) return canary.hosts;
  const used = agents.flatMap(({ settings }) => {
    const place = engineFor(settings);
    if (place === undefined || modules[place.backend]?.capabilities.lifecycle === "ephemeral") return [];
    return [place.host];
  });
  return [...new Set(used)].toSorted();
}
