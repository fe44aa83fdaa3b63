import { join } from "node:path";
import * as z from "zod";
import type { LeftAlone } from "../model/facts.ts";
import { liveness, ownIdentity } from "../util/process-identity.ts";
import type { FleetState } from "./directory.ts";
import { readJson, writeJson } from "./files.ts";
import { processIdentitySchema } from "./processes.ts";

export const leftAloneSchema = z.object({
  v: z.literal(1),
  watcher: processIdentitySchema,
  /** Milliseconds since the epoch when its watch last said so; earlier versions did not tell. */
  told_at: z.number().default(0),
  addresses: z.array(
    z.object({
      address: z.string(),
      state: z.enum(["stalled", "back-off", "paused"]),
      why: z.string(),
      until: z.number().nullable(),
    }),
  ),
});

export function leftAloneFile(state: FleetState): string {
  return join(state.dir, "left-alone.json");
}

/** A watch says it again at least this often, as long as there is anything to say. */
export const LEFT_ALONE_BEAT_MS = 60_000;
const BELIEVED_MS = 5 * LEFT_ALONE_BEAT_MS;

/** What this process leaves alone from `now` on. For others to see; it decides nothing. */
export async function recordLeftAlone(
  state: FleetState,
  addresses: readonly LeftAlone[],
  now: number,
): Promise<void> {
  await writeJson(leftAloneFile(state), { v: 1, watcher: ownIdentity(), told_at: now, addresses });
}

/**
 * What a watch that still runs leaves alone at `now`: a dead one's memory died with it. Of one in another boot or pid
 * namespace nobody knows whether it runs, so it is believed only while it keeps saying so.
 */
export async function readLeftAlone(state: FleetState, now: number): Promise<LeftAlone[]> {
  const found = await readJson(leftAloneFile(state), leftAloneSchema, "report", state.onProblem);
  if (found === undefined) return [];
  const watcher = liveness(found.watcher);
  if (watcher === "dead") return [];
  if (watcher === "unknown" && Math.abs(now - found.told_at) >= BELIEVED_MS) return [];
  return found.addresses.filter(({ until }) => until === null || until > now);
}
