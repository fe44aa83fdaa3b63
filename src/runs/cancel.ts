import { setTimeout as sleep } from "node:timers/promises";
import { SandkeepError } from "../errors.ts";
import type { RunManifest } from "../model/run-manifest.ts";
import type { FleetState } from "../state/directory.ts";
import { writeJson } from "../state/files.ts";
import { elapsed } from "../util/elapsed.ts";
import { Reading } from "./history.ts";
import { cancelPath } from "./layout.ts";
import type { SelectedRun } from "./select.ts";

const LOOK_EVERY_MS = 100;
/** So long it may take a process to hear of it, and to write down the end. */
const HEARING_MS = 15_000;

/** Asks the process that records a run to end its command: TERM, and KILL after the grace. Answers how it ended. */
export async function cancelRun(
  state: FleetState,
  { folder, manifest }: SelectedRun,
  graceMs: number,
): Promise<RunManifest> {
  if (manifest.status !== "running") {
    throw new SandkeepError(`${manifest.run_id} does not run: it is ${manifest.status}`, {
      code: "NOT_RUNNING",
      hint: "`sandkeep runs list --status running` shows what runs",
    });
  }
  await writeJson(cancelPath(folder), { v: 1, grace_ms: graceMs });
  const until = elapsed() + graceMs + HEARING_MS;
  while (elapsed() < until) {
    const now = await new Reading(state, Date.now()).manifest(folder);
    if (now !== undefined && now.status !== "running") return now;
    await sleep(LOOK_EVERY_MS);
  }
  throw new SandkeepError(`${manifest.run_id} was asked to end, and has not`, {
    code: "NOT_CANCELLED",
    hint: "look at its process, or at the runtime it runs in",
    kind: "transient",
    exitCode: 75,
  });
}
