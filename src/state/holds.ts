import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import * as z from "zod";
import type { Hold } from "../model/facts.ts";
import { unlessMissing } from "../util/errno.ts";
import type { FleetState } from "./directory.ts";
import { keepCopy, parseJson, readText, writeJson } from "./files.ts";
import { withMutex } from "./mutex.ts";

/** What a hold of everything is filed under. */
export const WHOLE_FLEET = "fleet";

const holdSchema = z.object({
  address: z.string(),
  reason: z.string(),
  until: z.number().optional(),
  by: z.string(),
  since: z.number(),
});
export const holdsSchema = z.object({ v: z.literal(1), holds: z.array(holdSchema) });
type StoredHold = z.infer<typeof holdSchema>;

export function holdsFile(state: FleetState): string {
  return join(state.dir, "holds.json");
}

/** Holds an address (or `fleet`); a later hold of the same address replaces the earlier. */
export async function hold(state: FleetState, wanted: Hold): Promise<void> {
  await change(state, (holds) => [...holds.filter((each) => each.address !== wanted.address), { ...wanted }]);
}

/** False when nothing was held. Releasing `fleet` also puts a damaged file right. */
export async function release(state: FleetState, address: string): Promise<boolean> {
  let found = false;
  await change(state, (holds) => {
    const rest = holds.filter((each) => each.address !== address);
    found = rest.length < holds.length;
    return rest;
  });
  return found;
}

/** Releases the very hold that was set at `since`; false when there is none such any more. */
export async function forgetHold(state: FleetState, address: string, since: number): Promise<boolean> {
  let found = false;
  await change(state, (holds) => {
    const rest = holds.filter((each) => each.address !== address || each.since !== since);
    found = rest.length < holds.length;
    return rest;
  });
  return found;
}

/** Every hold that stands in a whole file, also those whose time is over. */
export async function readAllHolds(state: FleetState): Promise<readonly Hold[]> {
  const text = await readText(holdsFile(state));
  const stored = text === undefined ? undefined : parseJson(text, holdsSchema);
  return (stored?.holds ?? []).map(asHold);
}

/** The holds that count at `now`, by address; the whole fleet is held while the file is damaged. */
export async function readHolds(state: FleetState, now: number): Promise<readonly Hold[]> {
  const text = await readText(holdsFile(state));
  if (text === undefined) return [];
  const stored = parseJson(text, holdsSchema);
  if (stored === undefined) {
    tellDamage(state);
    return [asHold(await damageHold(holdsFile(state)))];
  }
  return stored.holds.filter((each) => each.until === undefined || each.until > now).map(asHold);
}

/** Nobody knows what a damaged file held, so everything is left alone until a person says otherwise. */
async function damageHold(path: string): Promise<StoredHold> {
  const reason = `holds.json is damaged, so nobody knows what was held: see ${basename(path)} in the state directory`;
  const since = (await unlessMissing(stat(path)))?.mtimeMs ?? 0;
  return { address: WHOLE_FLEET, reason, by: "sandkeep", since };
}

function tellDamage(state: FleetState): void {
  state.onProblem?.({
    severity: "warning",
    code: "holds-damaged",
    message:
      "holds.json is torn or not in a form this version reads; until it is put right everything is held",
    path: "",
    file: holdsFile(state),
    hint: "See what it held, then `sandkeep release fleet` sets it aside, and `sandkeep hold` holds again what is to be.",
  });
}

function asHold({ until, ...rest }: StoredHold): Hold {
  return until === undefined ? rest : { ...rest, until };
}

async function change(
  state: FleetState,
  edit: (holds: readonly StoredHold[]) => readonly StoredHold[],
): Promise<void> {
  await withMutex(holdsFile(state), async () => {
    const after = edit(await takeStored(state)).toSorted((a, b) => a.address.localeCompare(b.address));
    await writeJson(holdsFile(state), { v: 1, holds: after });
  });
}

/** What is held, as it is about to be written again: a damaged file is kept aside, and what it stands for goes on. */
async function takeStored(state: FleetState): Promise<readonly StoredHold[]> {
  const text = await readText(holdsFile(state));
  if (text === undefined) return [];
  const stored = parseJson(text, holdsSchema);
  if (stored !== undefined) return stored.holds;
  tellDamage(state);
  return [await damageHold((await keepCopy(holdsFile(state))) ?? holdsFile(state))];
}
