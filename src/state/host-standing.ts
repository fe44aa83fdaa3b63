import { join } from "node:path";
import * as z from "zod";
import type { HostStanding } from "../model/facts.ts";
import type { EventFacts } from "../model/recorded-event.ts";
import type { FleetState } from "./directory.ts";
import { recordEvents } from "./events.ts";
import { readJson, writeJson } from "./files.ts";
import { withMutex } from "./mutex.ts";

const standingSchema = z.object({
  host: z.string(),
  /** Who says so; each takes back only its own word. */
  by: z.enum(["canary", "headroom"]),
  why: z.string(),
  /** Milliseconds since the epoch. */
  since: z.number(),
  /** Whether nothing new is made there. */
  blocks: z.boolean(),
});
export const hostStandingSchema = z.object({ v: z.literal(1), hosts: z.array(standingSchema) });

function hostStandingFile(state: FleetState): string {
  return join(state.dir, "hosts.json");
}

/** What is the matter with hosts; a host of which nothing is told is in order. */
export async function readHostStanding(state: FleetState): Promise<readonly HostStanding[]> {
  return (
    (await readJson(hostStandingFile(state), hostStandingSchema, "report", state.onProblem))?.hosts ?? []
  );
}

/** Says what is the matter, or (without `word`) that nothing is any more. True when that is news. */
export async function recordHostStanding(
  state: FleetState,
  { host, by }: Pick<HostStanding, "host" | "by">,
  word: Omit<HostStanding, "host" | "by"> | undefined,
  now: number,
): Promise<boolean> {
  const path = hostStandingFile(state);
  const before = (await readHostStanding(state)).find((each) => each.host === host && each.by === by);
  if (before === undefined && word === undefined) return false;
  await withMutex(path, async () => {
    const all = (await readJson(path, hostStandingSchema, "quarantine", state.onProblem))?.hosts ?? [];
    const rest = all.filter((each) => each.host !== host || each.by !== by);
    // What goes on has not begun anew.
    const told = word === undefined ? [] : [{ host, by, ...word, since: before?.since ?? word.since }];
    await writeJson(path, {
      v: 1,
      hosts: [...rest, ...told].toSorted((a, b) => order(a) - order(b) || (a.host < b.host ? -1 : 1)),
    });
  });
  const news = before?.why !== word?.why || before?.blocks !== word?.blocks;
  if (news) await recordEvents(state, [standing(by, word)], now);
  return news;
}

function standing(by: HostStanding["by"], word: { readonly blocks: boolean } | undefined): EventFacts {
  const status = word === undefined ? "recovered" : "degraded";
  return { type: "host.standing", by, status, blocks: word?.blocks ?? false };
}

function order({ by }: Pick<HostStanding, "by">): number {
  return by === "canary" ? 0 : 1;
}
