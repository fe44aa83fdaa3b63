/** In: one fleet's folder. Out: its locks, leases, open runs, and what it remembers of addresses. Reads only. */
import { join } from "node:path";
import { activityFile, readActivity } from "../../state/activity.ts";
import { listBundles } from "../../state/bundles.ts";
import { goneHolder } from "../../state/claim.ts";
import { deferredFile, readDeferred } from "../../state/deferred.ts";
import type { FleetState } from "../../state/directory.ts";
import { listNames, readJson } from "../../state/files.ts";
import { holdsFile, readAllHolds } from "../../state/holds.ts";
import { leaseFile } from "../../state/lease.ts";
import { leftAloneFile, leftAloneSchema } from "../../state/left-alone.ts";
import { deadOpenRuns, readOpenRuns } from "../../state/open-runs.ts";
import { readSightings, sightingsFile } from "../../state/sightings.ts";
import { liveness } from "../../util/process-identity.ts";
import { nameIn } from "./contents.ts";
import type { Item, Subject } from "./item.ts";

/** Everything of one kind that there is now. */
type Lister = (state: FleetState, now: number) => Promise<readonly Item[]>;

const claims: Lister = async ({ dir, fleet, ...state }, now) => {
  const locks = join(dir, "locks");
  const names = (await listNames(locks)).filter((name) => nameIn("locks", name).kind === "file");
  const paths = [leaseFile({ dir, fleet, ...state }), ...names.map((name) => join(locks, name))];
  const found: Item[] = [];
  for (const [index, path] of paths.entries()) {
    const holder = await goneHolder(path, now);
    if (holder === undefined) continue;
    const role = index === 0 ? "lease" : "lock";
    found.push({ fleet, path, what: "claim", role, holder: `process ${holder.pid} on ${holder.host}` });
  }
  return found;
};

const openRuns: Lister = async (state, now) =>
  (await deadOpenRuns(state, now, "report")).map(({ path, file: { run_id: id, address } }) => ({
    fleet: state.fleet,
    path,
    what: "open-run",
    id,
    address,
  }));

const bundles: Lister = async (state) =>
  (await listBundles(state)).damaged.map((path) => ({ fleet: state.fleet, path, what: "bundle" }));

const leftAlone: Lister = async (state, now) => {
  const path = leftAloneFile(state);
  const found = await readJson(path, leftAloneSchema, "report", undefined);
  if (found === undefined) return [];
  const watcher = liveness(found.watcher);
  return [{ fleet: state.fleet, path, what: "left-alone", watcher, quietMs: now - found.told_at }];
};

const marks: Lister = async (state, now) => {
  const { fleet } = state;
  const [activity, deferred, sightings, holds, open] = await Promise.all([
    readActivity(state),
    readDeferred(state),
    readSightings(state),
    readAllHolds(state),
    readOpenRuns(state, now),
  ]);
  const users = new Set(open.map(({ address }) => address));
  const mark = { fleet, what: "mark", ended: null } as const;
  return [
    ...Object.entries(activity).map(([of, at]): Item => {
      const path = activityFile(state, of);
      return { ...mark, mark: "activity", path, key: of, of, at, used: users.has(of) };
    }),
    ...Object.entries(deferred).map(([key, at]): Item => {
      const of = key.slice(0, key.lastIndexOf(" "));
      return { ...mark, mark: "deferred", path: deferredFile(state), key, of, at, used: users.has(of) };
    }),
    ...Object.entries(sightings).map(([of, at]): Item => ({
      ...mark,
      mark: "sighting",
      path: sightingsFile(state),
      key: of,
      of,
      at,
      used: false,
    })),
    ...holds.map(({ address: of, since: at, until }): Item => {
      const ended = until === undefined || until > now ? null : until;
      return { ...mark, mark: "hold", path: holdsFile(state), key: of, of, at, ended, used: false };
    }),
  ];
};

const LISTERS: readonly Lister[] = [claims, openRuns, bundles, leftAlone, marks];

export async function stateSubjects(state: FleetState, now: () => number): Promise<Subject[]> {
  const found: Subject[] = [];
  for (const list of LISTERS) {
    for (const item of await list(state, now())) {
      const again = async (): Promise<Item | undefined> =>
        (await list(state, now())).find((each) => identity(each) === identity(item));
      found.push({ item, again });
    }
  }
  return found;
}

/** The same thing, and not only one that has taken its place. */
function identity(item: Item): string {
  return JSON.stringify(item.what === "mark" ? [item.path, item.key, item.at] : [item.path, item.what]);
}
