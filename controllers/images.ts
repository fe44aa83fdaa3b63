/**
 * When to look again for the sake of tracked images: their registries are asked once a resync, each image at a moment of
 * its own, so that neither a burst of events nor a large fleet turns into a burst of requests.
 */
import type { Clock } from "../src/loop/clock.ts";
import type { WorkQueue } from "../src/loop/queue.ts";
import type { RegistryMemo } from "../src/observe/registry-memo.ts";
import { registryMemo } from "../src/observe/registry-memo.ts";
import { FLEET } from "./fleet.ts";

/** Without a resync answers still grow old, so that a look for another reason asks anew. */
const UNTIMED_MS = 300_000;
const SOONEST_MS = 1000;

export interface TrackedImages {
  readonly registry: RegistryMemo;
  /** To be called after each look at the whole fleet. */
  readonly looked: () => void;
}

export function trackedImages(
  clock: Clock,
  queue: WorkQueue,
  /** Milliseconds between resyncs; 0 when there are none. */
  resync: () => number,
): TrackedImages {
  const now = (): number => clock.now();
  const registry = registryMemo({ now, interval: () => resync() || UNTIMED_MS });
  return {
    registry,
    looked() {
      const due = registry.nextDue();
      if (due !== undefined && resync() > 0) queue.addAfter(FLEET, Math.max(SOONEST_MS, due - now()), "low");
    },
  };
}
