import { stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { OpenRun } from "../model/facts.ts";
import { isMissing } from "../util/errno.ts";
import { encodeFileName } from "../util/file-name.ts";
import { liveness, ownIdentity } from "../util/process-identity.ts";
import type { FleetState } from "./directory.ts";
import type { Damage } from "./files.ts";
import { listNames, readJson, removeFile, stateError, writeJson } from "./files.ts";
import { processIdentitySchema } from "./processes.ts";

const SUFFIX = ".json";
const HEARTBEAT = 5_000;
/** Milliseconds for which a heartbeat from another machine counts. */
const FRESH = 30_000;
/** Milliseconds after which such a run is over for good: a machine that only slept goes on beating. */
const OVER = 86_400_000;

export const openRunSchema = z.object({
  v: z.literal(1),
  run_id: z.string(),
  address: z.string(),
  agent: z.string(),
  session: z.string(),
  started_at: z.number(),
  process: processIdentitySchema,
});
type OpenRunFile = z.infer<typeof openRunSchema>;

/** Ends the run's claim on its runtime when disposed. */
export interface OpenRunHandle extends AsyncDisposable {
  readonly run_id: string;
}

export interface OpenRunRequest {
  readonly run_id: string;
  readonly address: string;
  readonly agent: string;
  readonly session: string;
  readonly now: () => number;
}

function directory(state: FleetState): string {
  return join(state.dir, "open-runs");
}

/** From here on the address is busy, for every process that reads this state directory. */
export async function openRun(state: FleetState, request: OpenRunRequest): Promise<OpenRunHandle> {
  const { run_id, address, agent, session, now } = request;
  const path = join(directory(state), encodeFileName(run_id) + SUFFIX);
  const started_at = now();
  const file: OpenRunFile = { v: 1, run_id, address, agent, session, started_at, process: ownIdentity() };
  await writeJson(path, file);
  const touch = async (): Promise<void> => utimes(path, now() / 1000, now() / 1000);
  await touch();
  // A missed beat is caught up by the next; the process itself proves the run on this machine.
  const timer = setInterval(() => void touch().catch(() => undefined), HEARTBEAT);
  timer.unref();
  return {
    run_id,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await removeFile(path);
    },
  };
}

/** Runs that go on at `now`, oldest first. */
export async function readOpenRuns(state: FleetState, now: number): Promise<readonly OpenRun[]> {
  const found = await readAll(state, now, FRESH, "report");
  return found
    .filter((each) => each.open)
    .map(({ file: { run_id, address, agent, session, started_at } }) => ({
      run_id,
      address,
      agent,
      session,
      started_at,
    }))
    .toSorted((a, b) => a.started_at - b.started_at || a.run_id.localeCompare(b.run_id));
}

/** What killed processes left. */
export async function deadOpenRuns(
  state: FleetState,
  now: number,
  damage: Damage,
): Promise<readonly FoundRun[]> {
  return (await readAll(state, now, OVER, damage)).filter((each) => !each.open);
}

/** Removes what killed processes left; returns the ids of those runs. */
export async function sweepOpenRuns(state: FleetState, now: number): Promise<readonly string[]> {
  const dead = await deadOpenRuns(state, now, "quarantine");
  for (const { path } of dead) await removeFile(path);
  return dead.map(({ file }) => file.run_id);
}

export interface FoundRun {
  readonly path: string;
  readonly file: OpenRunFile;
  readonly open: boolean;
}

async function readAll(
  state: FleetState,
  now: number,
  fresh: number,
  damage: Damage,
): Promise<readonly FoundRun[]> {
  const found: FoundRun[] = [];
  for (const name of await listNames(directory(state))) {
    if (!name.endsWith(SUFFIX)) continue;
    const path = join(directory(state), name);
    const file = await readJson(path, openRunSchema, damage, state.onProblem);
    if (file !== undefined) found.push({ path, file, open: await isOpen(path, file, now, fresh) });
  }
  return found;
}

async function isOpen(path: string, file: OpenRunFile, now: number, fresh: number): Promise<boolean> {
  const life = liveness(file.process);
  if (life !== "unknown") return life === "alive";
  try {
    return now - (await stat(path)).mtimeMs < fresh;
  } catch (error) {
    if (isMissing(error)) return false;
    throw stateError("read", path, error);
  }
}
