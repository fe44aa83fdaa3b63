import { FLEET_LABEL } from "../../model/labels.ts";
import type { Engine } from "./client.ts";
import { listContainers } from "./observe.ts";
import type { EngineEvent } from "./wire.ts";

interface News {
  /** The labels of a container of the fleet that joined or left a network. */
  readonly found: (labels: Readonly<Record<string, string>>) => void;
  /** The engine did not say whose some of them are. */
  readonly failed: () => void;
}

/** So many ids fit into the longest address that anything between an engine and us lets through. */
const IDS_AT_ONCE = 40;
/**
 * `none` is the network of most sandboxes, so each start and stop would be asked about; who leaves it reaches no more
 * than before, and to reach more must join another. What is on `host` cannot leave it.
 */
const UNTOLD: ReadonlySet<string | undefined> = new Set(["null", "host"]);

/**
 * Whose the containers are that events of networks tell by nothing but their ids, also those of strangers. One list at a
 * time for all that came up meanwhile: a host on which much goes on must not hold up what happens to the fleet.
 */
export class Members {
  readonly #engine: Pick<Engine, "json">;
  readonly #fleet: string;
  readonly #signal: AbortSignal;
  readonly #news: News;
  readonly #ids = new Set<string>();
  #asking = false;

  constructor(engine: Pick<Engine, "json">, fleet: string, signal: AbortSignal, news: News) {
    this.#engine = engine;
    this.#fleet = fleet;
    this.#signal = signal;
    this.#news = news;
  }

  heard({ Id, Labels: { container, type } }: EngineEvent): void {
    if (UNTOLD.has(type)) return;
    // Docker's actor is the network, and Podman's the container.
    this.#ids.add(container ?? Id);
    if (!this.#asking) void this.#ask();
  }

  async #ask(): Promise<void> {
    this.#asking = true;
    while (this.#ids.size > 0 && !this.#signal.aborted) {
      const ids = [...this.#ids].slice(0, IDS_AT_ONCE);
      for (const id of ids) this.#ids.delete(id);
      try {
        // Listed and not inspected: an inspect waits for a start that is under way.
        const filters = { id: ids, label: [`${FLEET_LABEL}=${this.#fleet}`] };
        for (const { Labels } of await listContainers(this.#engine, filters, this.#signal))
          this.#news.found(Labels);
      } catch {
        if (!this.#signal.aborted) this.#news.failed();
      }
    }
    this.#asking = false;
  }
}
