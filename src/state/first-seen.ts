import * as z from "zod";
import type { ProblemSink } from "./files.ts";
import { readJson, writeJson } from "./files.ts";
import { withMutex } from "./mutex.ts";

export const firstSeenSchema = z.object({ v: z.literal(1), since: z.record(z.string(), z.number()) });

export async function readFirstSeen(
  path: string,
  onProblem: ProblemSink | undefined,
): Promise<Record<string, number>> {
  return (await readJson(path, firstSeenSchema, "report", onProblem))?.since ?? {};
}

/** Keys keep the time they were first given; keys not given are dropped. Unchanged content is not written again. */
export async function recordFirstSeen(
  path: string,
  keys: readonly string[],
  now: number,
  onProblem: ProblemSink | undefined,
): Promise<void> {
  if (sameKeys(await readFirstSeen(path, undefined), keys)) return;
  await withMutex(path, async () => {
    const before = (await readJson(path, firstSeenSchema, "quarantine", onProblem))?.since ?? {};
    const since = Object.fromEntries(keys.toSorted().map((key) => [key, timeOf(before, key) ?? now]));
    await writeJson(path, { v: 1, since });
  });
}

function timeOf(times: Readonly<Record<string, number>>, key: string): number | undefined {
  return Object.hasOwn(times, key) ? times[key] : undefined;
}

function sameKeys(times: Readonly<Record<string, number>>, keys: readonly string[]): boolean {
  const wanted = new Set(keys);
  return Object.keys(times).length === wanted.size && keys.every((key) => Object.hasOwn(times, key));
}

/** Forgets one key that was first given at `at`; false when it was no longer so. */
export async function forgetFirstSeen(path: string, key: string, at: number): Promise<boolean> {
  return withMutex(path, async () => {
    const before = await readFirstSeen(path, undefined);
    if (timeOf(before, key) !== at) return false;
    const since = Object.fromEntries(Object.entries(before).filter(([each]) => each !== key));
    await writeJson(path, { v: 1, since });
    return true;
  });
}
