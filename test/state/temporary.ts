import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Diagnostic } from "../../src/model/diagnostic.ts";
import type { FleetState } from "../../src/state/directory.ts";
import { fleetState } from "../../src/state/directory.ts";

/** A new folder that goes away with the test. */
export async function temporaryDirectory(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "sandkeep-state-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  return dir;
}

export async function temporaryState(): Promise<{ state: FleetState; problems: Diagnostic[] }> {
  const problems: Diagnostic[] = [];
  const state = fleetState(await temporaryDirectory(), "team", (problem) => problems.push(problem));
  return { state, problems };
}
