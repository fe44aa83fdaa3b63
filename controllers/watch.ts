/**
 * Watch: triggers put keys in a queue, workers take them out and reconcile. Nothing else happens between two resyncs:
 * no engine is asked anything, only its event stream stays open.
 */
import { homedir } from "node:os";
import type { LoadedConfig } from "../src/config/index.ts";
import { Backoff } from "../src/loop/backoff.ts";
import { Claims } from "../src/loop/claims.ts";
import { type Clock, sleep, systemClock } from "../src/loop/clock.ts";
import { runPool } from "../src/loop/pool.ts";
import { WorkQueue } from "../src/loop/queue.ts";
import type { ResolvedFleet } from "../src/model/settings.ts";
import { type Engine, reconcile } from "../src/reconcile.ts";
import { resolve } from "../src/resolve/index.ts";
import { type FleetState, fleetState } from "../src/state/directory.ts";
import { LEFT_ALONE_BEAT_MS } from "../src/state/left-alone.ts";
import { pathFacts } from "../src/util/path-facts.ts";
import { Attention } from "./attention.ts";
import { ConfigKeeper, type ConfigKeeperOptions } from "./config.ts";
import { type FleetLoop, cycleFailed, lookAtFleet, workOn } from "./fleet.ts";
import { hostCare } from "./canary.ts";
import { trackedImages } from "./images.ts";
import { recordingSink } from "./recorded.ts";
import { runsCleaner } from "./runs.ts";
import { RolloutPauses } from "./rollouts.ts";
import { Triggers } from "./triggers.ts";

export interface WatchOptions {
  /** A config file or folder; absent means walk up from the working directory. */
  readonly file?: string | undefined;
  /** One full cycle, then the exit code of its result. */
  readonly once?: boolean | undefined;
  /** Milliseconds between resyncs; overrides `watch.resync`. 0 disables. */
  readonly intervalMs?: number | undefined;
  /** First signal: what runs may finish its steps. */
  readonly signal: AbortSignal;
  /** Second signal: leave at once. */
  readonly hardSignal?: AbortSignal | undefined;
  readonly clock?: Clock | undefined;
}

const INTERRUPTED = 130;
const NO_CONFIG = 78;
const DRAIN_MS = 30_000;
/** Most addresses that one cycle looks at: a burst of events costs few listings. */
const BATCH = 100;

/**
 * Resolves to the exit code: 0 after a drain, 130 when work was left behind, 78 without a valid config to begin with,
 * and with `once` that of the cycle. Throws only with `once`, what the cycle threw.
 */
export async function watch(engine: Engine, options: WatchOptions): Promise<number> {
  const running = options.once === true ? once(engine, options) : run(engine, options);
  // After the second signal nobody is left to care how it ends.
  running.catch(() => undefined);
  const { hardSignal } = options;
  if (hardSignal === undefined) return running;
  return Promise.race([running, aborted(hardSignal).then(() => INTERRUPTED)]);
}

async function once(engine: Engine, options: WatchOptions): Promise<number> {
  const clock = options.clock ?? systemClock;
  using queue = new WorkQueue({ clock });
  const config = new ConfigKeeper(configOptions(engine, options));
  return lookAtFleet(fleetLoop(engine, options, { clock, queue, config }));
}

async function run(told: Engine, options: WatchOptions): Promise<number> {
  await using sink = recordingSink(told);
  const engine = { ...told, sink };
  const clock = options.clock ?? systemClock;
  using queue = new WorkQueue({ clock });
  const random = chance(engine);
  await using triggers = new Triggers({ engine, queue, clock, random, interval: options.intervalMs });
  const config = new ConfigKeeper({
    ...configOptions(engine, options),
    watch: (paths) => triggers.watchFiles(paths),
  });
  const loaded = await config.refresh();
  if (loaded === undefined) return NO_CONFIG;
  // Subscribed before the first listing, so that nothing falls between them.
  const fleet = resolved(engine, loaded);
  let interval = fleet === undefined ? 0 : await triggers.adopt(fleet);
  const { registry, looked } = trackedImages(clock, queue, () => interval);
  const cleaner = runsCleaner(engine, clock);
  const care = hostCare(engine, clock, { file: options.file, signal: options.signal });
  if (fleet !== undefined) {
    cleaner.adopt(fleet);
    care.adopt(fleet);
  }
  engine.sink.notify({ type: "watch.started", fleet: loaded.config.fleet, resync_s: interval / 1000 });
  triggers.begin();
  const loop = fleetLoop({ ...engine, registry }, options, {
    clock,
    queue,
    config,
    looked: () => {
      looked();
      void cleaner.looked();
      void care.looked();
    },
    adopted: async (next) => {
      const changed = resolved(engine, next);
      if (changed === undefined) return;
      cleaner.adopt(changed);
      care.adopt(changed);
      interval = await triggers.adopt(changed);
    },
  });
  using _telling = await beginTelling(loop, loaded);
  const pool = runPool({
    queue,
    // Their number is fixed until the next start; all else in [watch] follows the config.
    workers: fleet?.watch.workers ?? 1,
    batch: BATCH,
    work: (keys) => workOn(loop, keys),
    failed: (keys, error) => cycleFailed(loop, keys, error),
  });
  await aborted(options.signal);
  queue.close();
  return drain(engine, clock, pool, options.hardSignal);
}

/** Others hear at once that an earlier watch is over, and from then on that this one still runs. */
async function beginTelling(loop: FleetLoop, first: LoadedConfig): Promise<Disposable> {
  const { attention, backoff, clock, engine } = loop;
  const state = (): FleetState => fleetState(engine.stateDir, (loop.config.good ?? first).config.fleet);
  await attention.begin(state(), backoff, engine.now(), engine.sink);
  let cancel = arm();
  return { [Symbol.dispose]: () => cancel() };

  function arm(): () => void {
    return clock.setTimer(LEFT_ALONE_BEAT_MS, () => {
      void attention.beat(state(), backoff, engine.now(), engine.sink);
      cancel = arm();
    });
  }
}

/** What runs may finish; the signal has told it to begin no new step. */
async function drain(
  engine: Engine,
  clock: Clock,
  pool: Promise<void>,
  hard: AbortSignal | undefined,
): Promise<number> {
  const over = new AbortController();
  const until = hard === undefined ? over.signal : AbortSignal.any([hard, over.signal]);
  const late = sleep(clock, DRAIN_MS, until).then(() => false);
  const drained = await Promise.race([pool.then(() => true), late]);
  over.abort();
  const reason = drained ? "asked to stop" : "asked to stop, and work was left behind";
  engine.sink.notify({ type: "watch.stopped", reason, drained });
  return drained ? 0 : INTERRUPTED;
}

function fleetLoop(
  engine: Engine,
  options: WatchOptions,
  parts: Pick<FleetLoop, "clock" | "queue" | "config" | "adopted" | "looked">,
): FleetLoop {
  const { clock, queue } = parts;
  const { file } = options;
  const random = chance(engine);
  return {
    ...parts,
    engine,
    reconcile,
    asked: file === undefined ? {} : { file },
    backoff: new Backoff({ clock, random }),
    cycles: new Backoff({ clock, random }),
    rollouts: new RolloutPauses(),
    attention: new Attention(),
    claims: new Claims((address) => queue.add(address)),
    stop: options.signal,
  };
}

function configOptions(engine: Engine, { file }: WatchOptions): ConfigKeeperOptions {
  const { cwd, drivers, sink } = engine;
  return { sink, request: { ...(file === undefined ? {} : { file }), cwd, backends: Object.keys(drivers) } };
}

/** Undefined for a config that contradicts itself; reconcile tells why. */
function resolved(engine: Engine, loaded: LoadedConfig): ResolvedFleet | undefined {
  return resolve(loaded, pathFacts(loaded.root, engine.env["HOME"] ?? homedir())).fleet;
}

/** A number from 0 up to 1 out of the engine's own randomness, so that tests can hand theirs in. */
function chance(engine: Engine): () => number {
  return () => Number.parseInt(engine.randomId().slice(0, 8), 16) / 2 ** 32;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((stop) => {
    signal.addEventListener("abort", () => stop(), { once: true });
  });
}
