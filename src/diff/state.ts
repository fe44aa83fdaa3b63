import type { DesiredRuntime } from "../desire/desire.ts";
import type { ObservedRuntime, RuntimeState } from "../model/observed.ts";
import type { DriftOrigin } from "../model/plan.ts";
import type { Difference } from "./verdict.ts";

interface StateRow {
  readonly class: "recreate" | "live";
  readonly origin: DriftOrigin;
  readonly why: string;
}

/** What each run state other than running means for a runtime that should run. */
const STATES: Readonly<Record<Exclude<RuntimeState, "running">, StateRow>> = {
  stopped: { class: "live", origin: "live", why: "it should run and was stopped" },
  created: { class: "live", origin: "live", why: "it should run and was never started" },
  paused: { class: "live", origin: "live", why: "it should run and was paused" },
  restarting: { class: "recreate", origin: "unhealthy", why: "the engine restarts it again and again" },
  broken: { class: "recreate", origin: "live", why: "what is left of it cannot be mended in place" },
};

export function compareState(desired: DesiredRuntime, current: ObservedRuntime): Difference[] {
  if (current.state !== "running")
    return [word("state", current.state, "running", stateRow(current, current.state))];
  if (!isSick(desired, current)) return [];
  const why = `${desired.name} fails its health check`;
  return [word("health", "unhealthy", "healthy", { class: "recreate", origin: "unhealthy", why })];
}

function stateRow({ exit_code }: ObservedRuntime, state: keyof typeof STATES): StateRow {
  if (state !== "stopped" || exit_code === undefined) return STATES[state];
  return { ...STATES.stopped, why: `it should run and ended with exit code ${String(exit_code)}` };
}

/**
 * Whether its own health check counts, and fails. Where the config says how to tell that it is ready that check does not,
 * as little as when it comes up: one that was made before the config said so still has it.
 */
export function isSick(desired: DesiredRuntime | undefined, { health }: ObservedRuntime): boolean {
  return health === "unhealthy" && desired?.settings.ready === undefined;
}

function word(path: string, before: string, after: string, row: StateRow): Difference {
  return { path, field: path, before, after, source: null, key: null, ...row };
}
