import { join } from "node:path";
import * as z from "zod";
import type { Address } from "../model/names.ts";
import { isAddress } from "../model/names.ts";
import type { DormancyMark } from "../model/observed.ts";
import type { FleetState } from "./directory.ts";
import { readJson, writeJson } from "./files.ts";

const addressSchema = z.custom<Address>((value) => typeof value === "string" && isAddress(value));
const dormantSchema = z.object({
  v: z.literal(1),
  marks: z.array(z.object({ address: addressSchema, since: z.number(), reason: z.string() })),
});

function file(state: FleetState): string {
  return join(state.dir, "dormant.json");
}

/** Keeps what was last observed; the marks themselves live in the backends. */
export async function cacheDormant(state: FleetState, marks: readonly DormancyMark[]): Promise<void> {
  const sorted = marks.toSorted((a, b) => a.address.localeCompare(b.address));
  const before = await readJson(file(state), dormantSchema, "quarantine", state.onProblem);
  if (before === undefined && sorted.length === 0) return;
  if (JSON.stringify(before?.marks) === JSON.stringify(sorted)) return;
  await writeJson(file(state), { v: 1, marks: sorted });
}

export async function readDormantCache(state: FleetState): Promise<readonly DormancyMark[]> {
  return (await readJson(file(state), dormantSchema, "report", state.onProblem))?.marks ?? [];
}
