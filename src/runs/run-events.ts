import type { EventFacts } from "../model/recorded-event.ts";
import { knownSource } from "../model/recorded-event.ts";
import type { RunManifest } from "../model/run-manifest.ts";
import type { FleetState } from "../state/directory.ts";
import { recordEvents } from "../state/events.ts";

/** Told as the runtime that it uses; on the host as its session. */
function workspaceOf({ address, agent, session }: RunManifest): string {
  return address ?? `host agent:${agent}:${session}`;
}

export async function tellStarted(state: FleetState, run: RunManifest): Promise<void> {
  const { run_id, sandboxed, tty, source } = run;
  const started: EventFacts = {
    type: "run.started",
    run: run_id,
    workspace: workspaceOf(run),
    sandboxed,
    tty,
    source: knownSource(source),
  };
  await recordEvents(state, [started], Date.parse(run.started_at));
}

export async function tellEnded(state: FleetState, run: RunManifest): Promise<void> {
  const { run_id, status, exit_class, duration_ms, ended_at, started_at } = run;
  if (exit_class === null) return;
  const ended: EventFacts = {
    type: "run.ended",
    run: run_id,
    workspace: workspaceOf(run),
    status,
    exit_class,
    duration_ms: Math.round(duration_ms ?? 0),
  };
  await recordEvents(state, [ended], Date.parse(ended_at ?? started_at));
}
