/**
 * Puts what watch tells into the fleet's ring of events, where `sandkeep events` finds it: closed values and hashes only.
 * It adds nothing to what is told and keeps nobody waiting; closing it waits for what is still being written.
 */
import type { EventBody, EventSink } from "../src/model/event.ts";
import type { EventFacts } from "../src/model/recorded-event.ts";
import { knownExit } from "../src/model/recorded-event.ts";
import type { Engine } from "../src/reconcile.ts";
import { fleetState } from "../src/state/directory.ts";
import { recordEvents } from "../src/state/events.ts";
import { FLEET } from "./fleet.ts";

export interface RecordingSink extends EventSink, AsyncDisposable {}

export function recordingSink(engine: Pick<Engine, "sink" | "stateDir" | "now">): RecordingSink {
  const { sink, stateDir } = engine;
  let fleet: string | undefined;
  let writing: Promise<void> = Promise.resolve();
  return {
    notify(event) {
      sink.notify(event);
      if (event.type === "watch.started") fleet = event.fleet;
      const facts = factsOf(event);
      if (facts === undefined || fleet === undefined) return;
      const state = fleetState(stateDir, fleet);
      const at = engine.now();
      writing = writing.then(() => recordEvents(state, [facts], at));
    },
    async [Symbol.asyncDispose]() {
      await writing;
    },
  };
}

/** Undefined for what is not recorded, or is recorded where it happens. */
function factsOf(event: EventBody): EventFacts | undefined {
  switch (event.type) {
    case "watch.started":
      return { type: event.type, resync_ms: Math.round(event.resync_s * 1000) };
    case "watch.cycle": {
      const { key, changes, exit_code, duration_ms } = event;
      return {
        type: event.type,
        whole: key === FLEET,
        changes,
        exit_code: knownExit(exit_code),
        duration_ms: Math.round(duration_ms),
      };
    }
    case "watch.config":
      return { type: event.type, status: event.status, errors: event.errors };
    case "watch.backoff": {
      const { address: workspace, attempt, retry_in_ms } = event;
      return { type: event.type, workspace, attempt, retry_in_ms: Math.round(retry_in_ms) };
    }
    case "watch.stalled":
      return { type: event.type, workspace: event.address };
    case "watch.stopped":
      return { type: event.type, drained: event.drained };
    default:
      return undefined;
  }
}
