import type { DriverDeps, DriverEvent, DriverRegistry, ObserveScope } from "../src/drivers/driver.ts";
import type { Clock } from "../src/loop/clock.ts";
import { sleep } from "../src/loop/clock.ts";
import { followEvents } from "../src/loop/triggers/engine.ts";
import type { EventSink } from "../src/model/event.ts";
import type { ResolvedFleet } from "../src/model/settings.ts";
import type { EngineRef } from "../src/observe/engines.ts";
import { engineKey, enginesOf, loadModules } from "../src/observe/engines.ts";
import { FLEET } from "./fleet.ts";

export interface EngineEventsOptions {
  readonly drivers: DriverRegistry;
  readonly deps: DriverDeps;
  readonly clock: Clock;
  readonly random: () => number;
  readonly sink: EventSink;
  /** A key is worth a look. */
  readonly trigger: (key: string) => void;
}

interface Stream {
  readonly stop: AbortController;
  /** Settles with the first subscription or the first failure of one. */
  readonly first: Promise<void>;
  readonly ended: Promise<void>;
}

/** How long a start waits for subscriptions; an engine that is away must not hold up the others. */
const PATIENCE_MS = 5000;

/** One event stream for each engine that the fleet uses and that pushes events. */
export class EngineEvents implements AsyncDisposable {
  readonly #options: EngineEventsOptions;
  readonly #streams = new Map<string, Stream>();

  constructor(options: EngineEventsOptions) {
    this.#options = options;
  }

  /** Follows this fleet's engines and no others. Resolves when all are subscribed, or have failed or been slow once. */
  async follow(fleet: ResolvedFleet): Promise<void> {
    const refs = enginesOf(fleet, []);
    const modules = await loadModules(
      this.#options.drivers,
      refs.map(({ backend }) => backend),
    );
    const wanted = new Map(
      refs
        .filter(({ backend }) => modules[backend]?.capabilities.events === true)
        .map((ref) => [JSON.stringify([engineKey(ref), ref.config, fleet.fleet, fleet.fleet_id]), ref]),
    );
    for (const [key, stream] of this.#streams) {
      if (wanted.has(key)) continue;
      stream.stop.abort();
      this.#streams.delete(key);
    }
    const scope = {
      fleet: fleet.fleet,
      ...(fleet.fleet_id === undefined ? {} : { fleet_id: fleet.fleet_id }),
      names: [],
    };
    const fresh: Promise<void>[] = [];
    for (const [key, ref] of wanted) {
      if (this.#streams.has(key)) continue;
      const stream = this.#open(ref, scope);
      this.#streams.set(key, stream);
      fresh.push(stream.first);
    }
    const patience = new AbortController();
    await Promise.race([Promise.all(fresh), sleep(this.#options.clock, PATIENCE_MS, patience.signal)]);
    patience.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const { stop } of streams) stop.abort();
    // A driver that does not heed the signal must not keep the process.
    const patience = new AbortController();
    const ended = Promise.all(streams.map((stream) => stream.ended));
    await Promise.race([ended, sleep(this.#options.clock, PATIENCE_MS, patience.signal)]);
    patience.abort();
  }

  #open(ref: EngineRef, scope: ObserveScope): Stream {
    const { clock, random, sink, trigger } = this.#options;
    const stop = new AbortController();
    const first = settleable();
    const ended = followEvents({
      clock,
      random,
      signal: stop.signal,
      subscribe: (signal) => this.#subscribe(ref, scope, signal),
      changed: trigger,
      gap: () => {
        trigger(FLEET);
        first.settle();
      },
      lost: (error, attempt, retry) => {
        first.settle();
        const again = `${(retry / 1000).toFixed(1)} s`;
        sink.notify({
          type: "note",
          level: attempt === 1 ? "warn" : "debug",
          code: "EVENTS_LOST",
          message: `no events from ${engineKey(ref)}: ${error.message}; subscribing again in ${again}`,
        });
      },
    });
    return { stop, first: first.promise, ended };
  }

  async #subscribe(
    ref: EngineRef,
    scope: ObserveScope,
    signal: AbortSignal,
  ): Promise<AsyncIterable<DriverEvent>> {
    const module = (await loadModules(this.#options.drivers, [ref.backend]))[ref.backend];
    if (module === undefined) throw new Error(`no driver for backend ${ref.backend}`);
    const reader = await module.openReader(ref.config, this.#options.deps);
    try {
      return closing(await reader.events(scope, signal), reader);
    } catch (error) {
      await reader[Symbol.asyncDispose]();
      throw error;
    }
  }
}

/** The connection lives as long as its stream. */
async function* closing(
  events: AsyncIterable<DriverEvent>,
  reader: AsyncDisposable,
): AsyncGenerator<DriverEvent> {
  try {
    yield* events;
  } finally {
    await reader[Symbol.asyncDispose]();
  }
}

function settleable(): { readonly promise: Promise<void>; readonly settle: () => void } {
  let resolve: (() => void) | undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, settle: () => resolve?.() };
}
