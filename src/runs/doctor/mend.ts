/**
 * In: one finding and the thing it is about. Out: what became of it. Right before it acts it looks again and judges
 * again: it does what the finding says and nothing else, or nothing at all.
 */
import { mkdir, rename, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { assertNever, SandkeepError, toError } from "../../errors.ts";
import type { DoctorFinding } from "../../model/doctor.ts";
import { runManifestSchema } from "../../model/run-manifest.ts";
import { forgetActivity } from "../../state/activity.ts";
import { releaseGone } from "../../state/claim.ts";
import type { FleetState } from "../../state/directory.ts";
import { fleetState } from "../../state/directory.ts";
import { listNames, readJson, writeJson } from "../../state/files.ts";
import { forgetFirstSeen } from "../../state/first-seen.ts";
import { forgetHold } from "../../state/holds.ts";
import { acquireLease } from "../../state/lease.ts";
import { withMutex } from "../../state/mutex.ts";
import { encodeFileName } from "../../util/file-name.ts";
import { interrupted } from "../history.ts";
import { manifestPath } from "../layout.ts";
import { rebuildIndex } from "../rebuild-index.ts";
import { tellEnded } from "../run-events.ts";
import { appendToIndex, listed } from "../run-index.ts";
import { SET_ASIDE } from "./contents.ts";
import type { FleetKnowledge, Item, Subject } from "./item.ts";
import type { Judgement } from "./judge.ts";
import { judge } from "./judge.ts";

export interface Mending {
  readonly base: string;
  readonly now: () => number;
}

type Done = Pick<DoctorFinding, "status" | "error">;

const CHANGED: Done = { status: "changed", error: null };

export async function mend(
  mending: Mending,
  subject: Subject,
  wanted: Judgement,
  known: FleetKnowledge,
): Promise<Done> {
  if (wanted.fix === "none") return { status: "left", error: null };
  try {
    const item = await stillSo(subject, wanted, known);
    if (item === undefined) return CHANGED;
    return (await act(mending, subject, wanted, known, item)) ? { status: "fixed", error: null } : CHANGED;
  } catch (thrown) {
    return { status: "failed", error: toError(thrown).message };
  }
}

async function stillSo(
  subject: Subject,
  wanted: Judgement,
  known: FleetKnowledge,
): Promise<Item | undefined> {
  const item = await subject.again();
  const now = item === undefined ? undefined : judge(item, known);
  return typeof now === "object" && now.code === wanted.code && now.fix === wanted.fix ? item : undefined;
}

/** False when it was no longer so. */
async function act(
  mending: Mending,
  subject: Subject,
  wanted: Judgement,
  known: FleetKnowledge,
  item: Item,
): Promise<boolean> {
  const { base, now } = mending;
  const state = fleetState(base, item.fleet ?? "");
  switch (wanted.fix) {
    case "unlock":
      // Whoever takes it finds it stale, and gives it back.
      await withMutex(item.path.replace(/\.lock$/, ""), async () => undefined);
      return true;
    case "release":
      return item.what === "claim" && (await releaseGone(item.path, now(), item.role === "lease"));
    case "remove":
      return await remove(state, subject, wanted, known, item, now);
    case "interrupt":
      return item.what === "run" && (await interrupt(state, item.path));
    case "set-aside":
      return await setAside(base, subject, wanted, known, item);
    case "forget":
      return item.what === "mark" && (await forget(state, item));
    case "rebuild-index":
      await rebuildIndex(state, now(), () => undefined);
      return true;
    case "none":
      return false;
    default:
      return assertNever(wanted.fix);
  }
}

/** What is made in steps belongs to whoever has the lease; with it in hand nobody is at it. */
async function remove(
  state: FleetState,
  subject: Subject,
  wanted: Judgement,
  known: FleetKnowledge,
  item: Item,
  now: () => number,
): Promise<boolean> {
  if (wanted.code !== "half-bundle") {
    await rm(item.path, { recursive: true, force: true });
    return true;
  }
  await using _lease = await acquireLease(state, { now });
  if ((await stillSo(subject, wanted, known)) === undefined) return false;
  await rm(item.path, { recursive: true, force: true });
  return true;
}

async function interrupt(state: FleetState, folder: string): Promise<boolean> {
  const manifest = await readJson(manifestPath(folder), runManifestSchema, "report", undefined);
  if (manifest?.status !== "running") return false;
  const marked = await interrupted(folder, manifest);
  await writeJson(manifestPath(folder), marked);
  await appendToIndex(state, [listed(marked)]);
  await tellEnded(state, marked);
  return true;
}

async function forget(state: FleetState, item: Extract<Item, { readonly what: "mark" }>): Promise<boolean> {
  switch (item.mark) {
    case "activity":
      await forgetActivity(state, { [item.of]: item.at });
      return true;
    case "deferred":
    case "sighting":
      return await forgetFirstSeen(item.path, item.key, item.at);
    case "hold":
      return await forgetHold(state, item.of, item.at);
    default:
      return assertNever(item.mark);
  }
}

const MOST_OF_ONE_NAME = 1000;

/** Moves it out of the way, under a name that tells where it was. A file that several may write is moved in its mutex. */
async function setAside(
  base: string,
  subject: Subject,
  wanted: Judgement,
  known: FleetKnowledge,
  item: Item,
): Promise<boolean> {
  const folder = join(base, SET_ASIDE);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const move = async (): Promise<boolean> => {
    if ((await stillSo(subject, wanted, known)) === undefined) return false;
    await rename(item.path, join(folder, await freeName(folder, encodeFileName(relative(base, item.path)))));
    return true;
  };
  return item.what === "torn" ? await withMutex(item.path, move) : await move();
}

async function freeName(folder: string, name: string): Promise<string> {
  const taken = new Set(await listNames(folder));
  for (let n = 1; n <= MOST_OF_ONE_NAME; n += 1) {
    const each = n === 1 ? name : `${name}~${n}`;
    if (!taken.has(each)) return each;
  }
  throw new SandkeepError(`${folder} holds ${MOST_OF_ONE_NAME} of ${name}`, {
    code: "SET_ASIDE_FULL",
    hint: "look at them and remove what is no longer needed",
  });
}
