import { join } from "node:path";
import * as z from "zod";
import type { FleetState } from "./directory.ts";
import { readJson, writeJson } from "./files.ts";
import { withMutex } from "./mutex.ts";

const pulledSchema = z.object({
  backend: z.string(),
  host: z.string(),
  /** The engine's own id: an address may come to mean another one. */
  engine_id: z.string(),
  image_id: z.string(),
  /** References it was fetched for. */
  refs: z.array(z.string()),
  /** Milliseconds since the epoch. */
  fetched_at: z.number(),
});
export const pulledImagesSchema = z.object({ v: z.literal(1), images: z.array(pulledSchema) });

/** An image that an engine did not have before sandkeep pulled it: only such may be pruned. */
export type PulledRecord = Readonly<z.infer<typeof pulledSchema>>;
type Key = Pick<PulledRecord, "engine_id" | "image_id">;

function file(state: FleetState): string {
  return join(state.dir, "images.json");
}

export async function readPulled(state: FleetState): Promise<readonly PulledRecord[]> {
  return (await readJson(file(state), pulledImagesSchema, "report", state.onProblem))?.images ?? [];
}

export async function recordPulled(
  state: FleetState,
  pulled: Omit<PulledRecord, "refs" | "fetched_at"> & { readonly ref: string },
  now: number,
): Promise<void> {
  const { ref, ...place } = pulled;
  await change(state, (before) => {
    const known = before.find((each) => sameImage(each, place));
    const refs = [...new Set([...(known?.refs ?? []), ref])].toSorted();
    return [...before.filter((each) => each !== known), { ...place, refs, fetched_at: now }];
  });
}

/** What is no longer on its engine, or was removed. */
export async function forgetPulled(state: FleetState, gone: readonly Key[]): Promise<void> {
  if (gone.length === 0) return;
  await change(state, (before) => before.filter((each) => !gone.some((key) => sameImage(each, key))));
}

function sameImage(a: Key, b: Key): boolean {
  return a.engine_id === b.engine_id && a.image_id === b.image_id;
}

async function change(
  state: FleetState,
  edit: (before: readonly PulledRecord[]) => readonly PulledRecord[],
): Promise<void> {
  await withMutex(file(state), async () => {
    const before =
      (await readJson(file(state), pulledImagesSchema, "quarantine", state.onProblem))?.images ?? [];
    const images = edit(before).toSorted((a, b) => (a.image_id < b.image_id ? -1 : 1));
    await writeJson(file(state), { v: 1, images });
  });
}
