/** What puts keys in the queue: edited files, engine events, and time. None of them says more than where to look. */
import type { Clock } from "../src/loop/clock.ts";
import { Coalesce } from "../src/loop/coalesce.ts";
import type { Priority, WorkQueue } from "../src/loop/queue.ts";
import { startTicker } from "../src/loop/ticker.ts";
import { FileTrigger, type WatchedPaths } from "../src/loop/triggers/files.ts";
import type { EventBody } from "../src/model/event.ts";
import type { ResolvedFleet } from "../src/model/settings.ts";
import type { Engine } from "../src/reconcile.ts";
import { isConfigFile } from "./config.ts";
import { EngineEvents } from "./engines.ts";
import { FLEET } from "./fleet.ts";

export interface TriggersOptions {
  readonly engine: Engine;
  readonly queue: WorkQueue;
  readonly clock: Clock;
  readonly random: () => number;
  /** Milliseconds; overrides the config's. */
  readonly interval: number | undefined;
}

export type Cause = Extract<EventBody, { type: "watch.triggered" }>["trigger"];

const COALESCE_MS = 50;
const DEBOUNCE_MOST_MS = 5000;

export class Triggers implements AsyncDisposable {
  readonly #options: TriggersOptions;
  readonly #files: FileTrigger;
  readonly #changed: Coalesce;
  readonly #events: EngineEvents;
  #settings: ResolvedFleet["watch"] | undefined;
  #stopTicker: (() => void) | undefined;

  constructor(options: TriggersOptions) {
    this.#options = options;
    const { engine, clock, random } = options;
    const debounce = (): number => this.#settings?.debounce ?? 0;
    this.#files = new FileTrigger({
      clock,
      get quiet() {
        return debounce();
      },
      most: DEBOUNCE_MOST_MS,
      matches: isConfigFile,
      changed: () => this.pull(FLEET, "file"),
      trouble: (error) => this.#unwatched(error),
    });
    // A lost stream asks for everything; that may wait for what is known to have changed.
    this.#changed = new Coalesce(clock, COALESCE_MS, (keys) => {
      for (const key of keys) this.pull(key, "engine", key === FLEET ? "low" : "normal");
    });
    const { drivers, sink } = engine;
    this.#events = new EngineEvents({
      drivers,
      deps: engine,
      clock,
      random,
      sink,
      trigger: (key) => this.#changed.add(key),
    });
  }

  /** The first look at everything comes after subscribing, so what was told meanwhile is part of it. */
  begin(): void {
    this.#changed[Symbol.dispose]();
    this.pull(FLEET, "start");
  }

  pull(key: string, trigger: Cause, priority: Priority = "normal"): void {
    this.#options.engine.sink.notify({ type: "watch.triggered", key, trigger });
    this.#options.queue.add(key, priority);
  }

  /** `true` when these are other files than before. */
  watchFiles(paths: WatchedPaths): Promise<boolean> {
    return this.#files.watch(paths);
  }

  /** Follows what the fleet uses now, at the pace it asks for. The answer: milliseconds between resyncs. */
  async adopt(fleet: ResolvedFleet): Promise<number> {
    const { clock, random, interval = fleet.watch.resync } = this.#options;
    this.#settings = fleet.watch;
    this.#stopTicker?.();
    this.#stopTicker = startTicker({ clock, random, interval }, () => this.pull(FLEET, "resync", "low"));
    await this.#events.follow(fleet);
    return interval;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopTicker?.();
    this.#changed[Symbol.dispose]();
    await Promise.all([this.#files[Symbol.asyncDispose](), this.#events[Symbol.asyncDispose]()]);
  }

  #unwatched({ message }: Error): void {
    this.#options.engine.sink.notify({
      type: "note",
      level: "warn",
      code: "FILES_UNWATCHED",
      message: `${message}; edits are seen at the next resync`,
    });
  }
}
