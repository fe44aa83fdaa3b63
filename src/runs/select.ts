import { resolve } from "node:path";
import { SandkeepError } from "../errors.ts";
import type { RunManifest } from "../model/run-manifest.ts";
import type { FleetState } from "../state/directory.ts";
import { listWords, nearestWords } from "../util/suggestion.ts";
import type { RunFilter } from "./history.ts";
import { findRuns, Reading } from "./history.ts";
import { allIds } from "./latest-ids.ts";
import { runFolder } from "./layout.ts";
import { randomPart } from "./run-id.ts";

export interface RunSelector extends Omit<RunFilter, "status"> {
  /** An id, the beginning of one or of its random part, or a run's folder. */
  readonly target?: string;
  readonly latest?: boolean;
  readonly latestFailed?: boolean;
}

export interface SelectedRun {
  readonly folder: string;
  readonly manifest: RunManifest;
}

const SELECTORS =
  "give an id, the beginning of one, or a run's folder; or --latest or --latest-failed, with --source, --agent or --session";

/** The one run that is meant. Throws RUN_TARGET_REQUIRED, RUN_AMBIGUOUS or RUN_NOT_FOUND (exit 64). */
export async function selectRun(
  state: FleetState,
  selector: RunSelector,
  place: { readonly cwd: string; readonly now: number },
): Promise<SelectedRun> {
  const { target, latest, latestFailed } = selector;
  const ways = [target !== undefined, latest === true, latestFailed === true].filter(Boolean).length;
  if (ways === 0) throw refused("RUN_TARGET_REQUIRED", "which run is meant is not said", SELECTORS);
  if (ways > 1) throw refused("USAGE", "several runs are meant at once", SELECTORS);
  const folder =
    target === undefined
      ? await latestOf(state, selector, place.now)
      : /[/\\]|^\.\.?$/.test(target)
        ? resolve(place.cwd, target)
        : runFolder(state, await idOf(state, target));
  const manifest = await new Reading(state, place.now).manifest(folder);
  if (manifest !== undefined) return { folder, manifest };
  throw refused(
    "RUN_NOT_FOUND",
    `${folder} holds no manifest that this version reads`,
    "`sandkeep runs list` shows the runs that can be read",
  );
}

async function latestOf(state: FleetState, selector: RunSelector, now: number): Promise<string> {
  const { source, agent, session, latestFailed } = selector;
  const filter = {
    ...(source === undefined ? {} : { source }),
    ...(agent === undefined ? {} : { agent }),
    ...(session === undefined ? {} : { session }),
    ...(latestFailed === true ? { status: "failed" as const } : {}),
  };
  const [run] = (await findRuns(state, { ...filter, limit: 1, now })).runs;
  if (run !== undefined) return runFolder(state, run.id);
  const words = Object.entries({ ...filter, status: undefined }).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key} ${value}`],
  );
  const which = words.length === 0 ? "" : ` of ${words.join(", ")}`;
  throw refused(
    "RUN_NOT_FOUND",
    `no run${which} is ${latestFailed === true ? "recorded as failed" : "recorded"}`,
    "`sandkeep runs list` shows what is recorded",
  );
}

async function idOf(state: FleetState, target: string): Promise<string> {
  const ids = await allIds(state);
  if (ids.includes(target)) return target;
  const wanted = target.toLowerCase();
  const begins = wanted === "" ? [] : ids.filter((id) => id.startsWith(wanted));
  const found =
    begins.length > 0 || wanted === "" ? begins : ids.filter((id) => randomPart(id).startsWith(wanted));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  if (found.length > 1) {
    throw refused(
      "RUN_AMBIGUOUS",
      `${JSON.stringify(target)} is the beginning of ${found.length} runs`,
      `name one of ${listWords(found, 8)}`,
    );
  }
  const parts = nearestIds(wanted, ids);
  throw refused(
    "RUN_NOT_FOUND",
    `there is no run ${JSON.stringify(target)}`,
    parts.length > 0
      ? `did you mean ${listWords(parts, 3)}?`
      : ids.length === 0
        ? "nothing has been run yet"
        : `\`sandkeep runs list\` shows the runs; the latest is ${ids[0] ?? ""}`,
  );
}

const NEAREST = 3;

/** What people write of an id, and how many typing errors may be in that; the first with anything near counts. */
const FORMS: readonly {
  readonly of: (id: string) => string;
  readonly cut: boolean;
  readonly most: number;
}[] = [
  { of: (id) => id, cut: false, most: 4 },
  { of: randomPart, cut: false, most: 2 },
  { of: (id) => id, cut: true, most: 2 },
  { of: randomPart, cut: true, most: 1 },
];
/** Fewer letters are near to anything. */
const SHORTEST_BEGINNING = 4;

function nearestIds(wanted: string, ids: readonly string[]): readonly string[] {
  for (const { of, cut, most } of FORMS) {
    if (cut && wanted.length < SHORTEST_BEGINNING) continue;
    const forms = ids.map((id) => [cut ? of(id).slice(0, wanted.length) : of(id), id] as const);
    const near = nearestWords(wanted, new Set(forms.map(([form]) => form)), { limit: NEAREST, most });
    const meant = near.flatMap((word) => forms.filter(([form]) => form === word).map(([, id]) => id));
    if (meant.length > 0) return meant.slice(0, NEAREST);
  }
  return [];
}

function refused(code: string, message: string, hint: string): SandkeepError {
  return new SandkeepError(message, { code, hint, exitCode: 64 });
}
