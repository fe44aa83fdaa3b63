import { join } from "node:path";
import * as z from "zod";
import type { Hold } from "../model/facts.ts";
import type { FleetState } from "./directory.ts";
import { readJson, writeJson } from "./files.ts";
import { withMutex } from "./mutex.ts";

const holdSchema = z.object({
  address: z.string(),
  reason: z.string(),
  until: z.number().optional(),
  by: z.string(),
  since: z.number(),
});
const holdsSchema = z.object({ v: z.literal(1), holds: z.array(holdSchema) });
type StoredHold = z.infer<typeof holdSchema>;

function file(state: FleetState): string {
  return join(state.dir, "holds.json");
}

/** Holds an address (or `fleet`); a later hold of the same address replaces the earlier. */
export async function hold(state: FleetState, wanted: Hold): Promise<void> {
  await change(state, (holds) => [...holds.filter((each) => each.address !== wanted.address), { ...wanted }]);
}

/** False when nothing was held. */
export async function release(state: FleetState, address: string): Promise<boolean> {
  let found = false;
  await change(state, (holds) => {
    const rest = holds.filter((each) => each.address !== address);
    found = rest.length < holds.length;
    return rest;
  });
  return found;
}

/** The holds that count at `now`, by address. */
export async function readHolds(state: FleetState, now: number): Promise<readonly Hold[]> {
  const stored = await readJson(file(state), holdsSchema, "report", state.onProblem);
  return (stored?.holds ?? []).filter((each) => each.until === undefined || each.until > now).map(asHold);
}

function asHold({ until, ...rest }: StoredHold): Hold {
  return until === undefined ? rest : { ...rest, until };
}

async function change(
  state: FleetState,
  edit: (holds: readonly StoredHold[]) => readonly StoredHold[],
): Promise<void> {
  await withMutex(file(state), async () => {
    const before = (await readJson(file(state), holdsSchema, "quarantine", state.onProblem))?.holds ?? [];
    const after = edit(before).toSorted((a, b) => a.address.localeCompare(b.address));
    await writeJson(file(state), { v: 1, holds: after });
  });
}
