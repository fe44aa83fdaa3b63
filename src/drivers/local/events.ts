/** Changes of a fleet's folder, told as they happen. It reads and watches only, and makes no folder to watch. */
import type { FSWatcher } from "node:fs";
import { existsSync, watch } from "node:fs";
import { dirname } from "node:path";
import type { DriverEvent, ObserveScope } from "../driver.ts";
import type { LocalContext } from "./context.ts";
import type { FleetLayout } from "./layout.ts";
import { fleetLayout } from "./layout.ts";
import { readLabels } from "./manifest.ts";
import { listNames } from "./names.ts";

const GAP: DriverEvent = { kind: "gap" };

export async function watchFleet(
  context: LocalContext,
  scope: ObserveScope,
  signal: AbortSignal,
): Promise<AsyncIterable<DriverEvent>> {
  const watching = new FleetWatch(fleetLayout(context.deps.stateDir, scope.fleet));
  // The caller may stop before it begins to listen.
  signal.addEventListener("abort", () => watching[Symbol.dispose](), { once: true });
  if (signal.aborted) watching[Symbol.dispose]();
  await watching.refresh();
  return watching.events(signal);
}

function nearest(folder: string): string {
  let path = folder;
  while (!existsSync(path) && dirname(path) !== path) path = dirname(path);
  return path;
}

/** Owns the watchers: one for the names, one for each runtime's folder. */
class FleetWatch implements Disposable {
  private readonly layout: FleetLayout;
  private readonly queue: DriverEvent[] = [];
  private wake: () => void = () => undefined;
  private names: { readonly path: string; readonly watcher: FSWatcher } | undefined;
  private finished: FSWatcher | undefined;
  private readonly objects = new Map<string, FSWatcher>();
  private refreshing: Promise<void> = Promise.resolve();
  /** A look is queued and has not begun: it will see everything until now. */
  private waiting = false;
  private closed = false;

  constructor(layout: FleetLayout) {
    this.layout = layout;
  }

  /** Watches what exists now. One at a time: two at once would watch the same folder twice. */
  refresh(): Promise<void> {
    if (this.waiting) return this.refreshing;
    this.waiting = true;
    this.refreshing = this.refreshing.then(() => this.attach()).catch(() => this.push(GAP));
    return this.refreshing;
  }

  async *events(signal: AbortSignal): AsyncGenerator<DriverEvent> {
    const onAbort = () => this.wake();
    signal.addEventListener("abort", onAbort);
    try {
      while (!signal.aborted) {
        const event = this.queue.shift();
        if (event !== undefined) yield event;
        else {
          await new Promise<void>((resolve) => {
            this.wake = resolve;
            if (signal.aborted || this.queue.length > 0) resolve();
          });
        }
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      this[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    this.closed = true;
    this.names?.watcher.close();
    this.finished?.close();
    for (const watcher of this.objects.values()) watcher.close();
    this.objects.clear();
  }

  private async attach(): Promise<void> {
    this.waiting = false;
    if (this.closed) return;
    this.watchFolders();
    const alive = new Set<string>();
    for (const { objectId } of await listNames(this.layout)) {
      if (objectId === undefined || this.closed) continue;
      alive.add(objectId);
      if (this.objects.has(objectId)) continue;
      const labels = await readLabels(this.layout.object(objectId), objectId);
      if (labels === undefined || this.closed) continue;
      const { address } = labels;
      const changed: DriverEvent = { kind: "changed", address };
      const watcher = this.open(this.layout.object(objectId), () => this.push(changed));
      this.objects.set(objectId, watcher);
      this.push(changed);
    }
    for (const [objectId, watcher] of this.objects) {
      if (alive.has(objectId)) continue;
      watcher.close();
      this.objects.delete(objectId);
      this.push(GAP);
    }
  }

  /** The fleet's folder, or until it exists the nearest one above it; and `objects/`, where creation ends. */
  private watchFolders(): void {
    let path = nearest(this.layout.dir);
    while (this.names?.path !== path) {
      this.names?.watcher.close();
      const watched = path;
      const watcher = this.open(watched, () => {
        if (watched === this.layout.dir) this.push(GAP);
        void this.refresh();
      });
      this.names = { path: watched, watcher };
      // It may have come into being while the one above it was being attached.
      path = nearest(this.layout.dir);
    }
    const made = existsSync(this.layout.objects);
    if (!made) {
      this.finished?.close();
      this.finished = undefined;
    } else if (this.finished === undefined) {
      this.finished = this.open(this.layout.objects, () => void this.refresh());
    }
  }

  private open(path: string, onChange: () => void): FSWatcher {
    const watcher = watch(path, { persistent: false }, onChange);
    watcher.on("error", () => this.push(GAP));
    return watcher;
  }

  private push(event: DriverEvent): void {
    const same = this.queue.some(
      (each) =>
        each.kind === event.kind &&
        (each.kind === "gap" || (event.kind === "changed" && each.address === event.address)),
    );
    if (!same) this.queue.push(event);
    this.wake();
  }
}
