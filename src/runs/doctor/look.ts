/**
 * In: the state directory. Out: everything in it that could be wrong, each with a way to look at it again. It reads and
 * judges nothing, and writes nothing.
 */
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import type { FleetState } from "../../state/directory.ts";
import { fleetState } from "../../state/directory.ts";
import { listNames, readText } from "../../state/files.ts";
import { unlessMissing } from "../../util/errno.ts";
import { decodeFileName } from "../../util/file-name.ts";
import { runFolder, runsFolder } from "../layout.ts";
import type { KnownName, StateFolder } from "./contents.ts";
import { nameIn, SET_ASIDE } from "./contents.ts";
import type { Item, Subject } from "./item.ts";
import { runSubjects } from "./look-runs.ts";
import { stateSubjects } from "./look-state.ts";

export interface Look {
  readonly subjects: readonly Subject[];
  /** What was put aside earlier. */
  readonly kept: readonly string[];
  /** Fleets that have a folder. */
  readonly fleets: readonly FleetState[];
}

/** Folders of a fleet whose entries are looked at by name. */
const BELOW = [
  "activity",
  "updates",
  "open-runs",
  "locks",
  "journal",
  "salvage",
  "canaries",
  "runs",
] as const;

export async function lookAtState(base: string, now: () => number): Promise<Look> {
  const scan = new Scan(now);
  await scan.folder(null, base, "base");
  const fleets: FleetState[] = [];
  for (const name of await listNames(join(base, "fleets"))) {
    const fleet = decodeFileName(name);
    if (fleet === undefined) continue;
    const state = fleetState(base, fleet);
    fleets.push(state);
    await lookAtFleet(scan, state, now);
  }
  return { subjects: scan.subjects, kept: scan.kept, fleets };
}

async function lookAtFleet(scan: Scan, state: FleetState, now: () => number): Promise<void> {
  const { dir, fleet } = state;
  await scan.folder(fleet, dir, "fleet");
  for (const each of BELOW) await scan.folder(fleet, join(dir, each), each);
  for (const id of (await listNames(runsFolder(state))).filter(
    (name) => nameIn("runs", name).kind === "folder",
  ))
    await scan.folder(fleet, runFolder(state, id), "run");
  scan.subjects.push(...(await stateSubjects(state, now)), ...(await runSubjects(state, now)));
}

class Scan {
  readonly subjects: Subject[] = [];
  readonly kept: string[] = [];
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  async folder(fleet: string | null, dir: string, folder: StateFolder): Promise<void> {
    for (const name of await listNames(dir)) {
      const known = nameIn(folder, name);
      const path = join(dir, name);
      if (known.kind === "kept")
        this.kept.push(
          ...(name === SET_ASIDE ? (await listNames(path)).map((each) => join(path, each)) : [path]),
        );
      const again = (): Promise<Item | undefined> => this.#look({ fleet, path, folder, name }, known);
      const item = await again();
      if (item !== undefined) this.subjects.push({ item, again });
    }
  }

  async #look(
    { fleet, path, folder, name }: { fleet: string | null; path: string; folder: StateFolder; name: string },
    { kind, whole }: KnownName,
  ): Promise<Item | undefined> {
    if (kind === "folder" || kind === "kept") return undefined;
    if (kind === "file") {
      if (whole === undefined) return undefined;
      const text = await readText(path);
      return text === undefined || whole(text) ? undefined : { fleet, path, what: "torn", folder, name };
    }
    const stat = await unlessMissing(lstat(path));
    return stat && { fleet, path, what: "name", kind, folder, ageMs: this.#now() - stat.mtimeMs };
  }
}
