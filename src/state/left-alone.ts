import { join } from "node:path";
import * as z from "zod";
import type { LeftAlone } from "../model/facts.ts";
import { liveness, ownIdentity } from "../util/process-identity.ts";
import type { FleetState } from "./directory.ts";
import { readJson, writeJson } from "./files.ts";
import { processIdentitySchema } from "./processes.ts";

const leftAloneSchema = z.object({
  v: z.literal(1),
  watcher: processIdentitySchema,
  addresses: z.array(
    z.object({
      address: z.string(),
      state: z.enum(["stalled", "back-off", "paused"]),
      why: z.string(),
      until: z.number().nullable(),
    }),
  ),
});

function file(state: FleetState): string {
  return join(state.dir, "left-alone.json");
}

/** What this process leaves alone from now on. For others to see; it decides nothing. */
export async function recordLeftAlone(state: FleetState, addresses: readonly LeftAlone[]): Promise<void> {
  await writeJson(file(state), { v: 1, watcher: ownIdentity(), addresses });
}

/** What a watch that still runs leaves alone at `now`: a dead one's memory died with it. */
export async function readLeftAlone(state: FleetState, now: number): Promise<LeftAlone[]> {
  const found = await readJson(file(state), leftAloneSchema, "report", state.onProblem);
  if (found === undefined || liveness(found.watcher) === "dead") return [];
  return found.addresses.filter(({ until }) => until === null || until > now);
}
