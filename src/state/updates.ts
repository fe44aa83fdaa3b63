/**
 * What was last set in place on runtimes whose labels cannot change, one file each. With the labels it tells what was last
 * applied, and so who changed a field since. Losing it costs a word of a plan.
 */
import { join } from "node:path";
import * as z from "zod";
import type { Json } from "../model/json.ts";
import { decodeFileName, encodeFileName } from "../util/file-name.ts";
import { equalJson } from "../util/json-path.ts";
import type { FleetState } from "./directory.ts";
import { listNames, readJson, removeFile, writeJson } from "./files.ts";

const SUFFIX = ".json";
const json: z.ZodType<Json> = z.json();
export const updateSchema = z.object({
  v: z.literal(1),
  /** By field path; null where nothing is set any more. */
  values: z.record(z.string(), json),
});

type Values = Readonly<Record<string, Json>>;

function directory(state: FleetState): string {
  return join(state.dir, "updates");
}

function updateFile(state: FleetState, objectId: string): string {
  return join(directory(state), encodeFileName(objectId) + SUFFIX);
}

/** All that was proved to be set on a runtime and that its labels do not tell; nothing, where they tell it all. */
export async function recordUpdate(state: FleetState, objectId: string, values: Values): Promise<void> {
  const path = updateFile(state, objectId);
  const before = await readJson(path, updateSchema, "quarantine", state.onProblem);
  if (Object.keys(values).length === 0) await removeFile(path);
  else if (!equalJson(before?.values, values)) await writeJson(path, { v: 1, values });
}

/** Forgets those of all other runtimes, which are no more. */
export async function keepUpdates(state: FleetState, there: ReadonlySet<string>): Promise<void> {
  for (const { name, objectId } of await listUpdates(state))
    if (!there.has(objectId)) await removeFile(join(directory(state), name));
}

/** Object id → field path → the value that was last set in place. */
export async function readUpdates(state: FleetState): Promise<Record<string, Values>> {
  const found: Record<string, Values> = {};
  for (const { name, objectId } of await listUpdates(state)) {
    const update = await readJson(join(directory(state), name), updateSchema, "report", state.onProblem);
    if (update !== undefined) found[objectId] = update.values;
  }
  return found;
}

async function listUpdates(
  state: FleetState,
): Promise<{ readonly name: string; readonly objectId: string }[]> {
  return (await listNames(directory(state))).flatMap((name) => {
    const objectId = name.endsWith(SUFFIX) ? decodeFileName(name.slice(0, -SUFFIX.length)) : undefined;
    return objectId === undefined ? [] : [{ name, objectId }];
  });
}
