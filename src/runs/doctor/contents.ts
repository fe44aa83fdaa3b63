/** What belongs where in the state directory, by name alone; and how each file reads when it is whole. Pure. */
import type { z } from "zod";
import { canaryReportSchema } from "../../model/canary.ts";
import { activitySchema } from "../../state/activity.ts";
import { STAGING } from "../../state/bundles.ts";
import { claimSchema } from "../../state/claim.ts";
import { OWNER } from "../../state/directory.ts";
import { endpointsSchema } from "../../state/endpoints.ts";
import { parseJson } from "../../state/files.ts";
import { firstSeenSchema } from "../../state/first-seen.ts";
import { holdsSchema } from "../../state/holds.ts";
import { journalEntrySchema } from "../../state/journal.ts";
import { hostStandingSchema } from "../../state/host-standing.ts";
import { leftAloneSchema } from "../../state/left-alone.ts";
import { openRunSchema } from "../../state/open-runs.ts";
import { pulledImagesSchema } from "../../state/pulled-images.ts";
import { HEX } from "../../state/secret-key.ts";
import { updateSchema } from "../../state/updates.ts";
import { DRAFT } from "../../util/durable-file.ts";
import { decodeFileName } from "../../util/file-name.ts";
import { LEAVING } from "../cleanup.ts";
import { isRunId } from "../run-id.ts";

export type StateFolder =
  | "base"
  | "fleet"
  | "activity"
  | "updates"
  | "open-runs"
  | "locks"
  | "journal"
  | "salvage"
  | "canaries"
  | "runs"
  | "run";

/** `temp`: a write that never came to its rename. `mutex`: a lock of a moment. `kept`: put aside for a person. */
export type NameKind = "file" | "folder" | "temp" | "mutex" | "kept" | "staging" | "leaving" | "foreign";

export interface KnownName {
  readonly kind: NameKind;
  /** Of a file that is read as a whole: whether this is what it should be. */
  readonly whole?: (text: string) => boolean;
}

/** Where `doctor` puts what nobody can read; nothing looks into it. */
export const SET_ASIDE = "set-aside";

const as =
  (schema: z.ZodType) =>
  (text: string): boolean =>
    parseJson(text, schema) !== undefined;

/** Lines that a crash cut short are left out by every reader; only a file without a single good one is damaged. */
const someLine =
  (schema: z.ZodType) =>
  (text: string): boolean =>
    text.split("\n").every((line) => line === "") ||
    text.split("\n").some((line) => parseJson(line, schema) !== undefined);

const FOLDER: KnownName = { kind: "folder" };
const file = (whole?: (text: string) => boolean): KnownName =>
  whole === undefined ? { kind: "file" } : { kind: "file", whole };

interface Contents {
  readonly names: Readonly<Record<string, KnownName>>;
  /** For names that hold an address, an id or a time. */
  readonly others?: (name: string) => KnownName | undefined;
  /** What is not known here may be another version's or another part's. */
  readonly open?: true;
}

const encoded =
  (known: KnownName, suffix = ".json") =>
  (name: string): KnownName | undefined =>
    name.endsWith(suffix) && decodeFileName(name.slice(0, -suffix.length)) !== undefined ? known : undefined;

const CONTENTS: Readonly<Record<StateFolder, Contents>> = {
  base: {
    names: {
      "owner-id": file((text) => OWNER.test(text.trim())),
      "secret-key": file((text) => HEX.test(text.trim())),
      [SET_ASIDE]: { kind: "kept" },
    },
    open: true,
  },
  fleet: {
    names: {
      "lease.json": file(as(claimSchema)),
      "holds.json": file(as(holdsSchema)),
      "deferred.json": file(as(firstSeenSchema)),
      "sightings.json": file(as(firstSeenSchema)),
      "hosts.json": file(as(hostStandingSchema)),
      "left-alone.json": file(as(leftAloneSchema)),
      "endpoints.json": file(as(endpointsSchema)),
      "images.json": file(as(pulledImagesSchema)),
      // Of this one only its mutex is ever there.
      "images-lock": file(),
      "index.jsonl": file(),
      "latest.json": file(),
      "events.jsonl": file(),
      "events.jsonl.1": file(),
      activity: FOLDER,
      updates: FOLDER,
      "open-runs": FOLDER,
      locks: FOLDER,
      journal: FOLDER,
      salvage: FOLDER,
      canaries: FOLDER,
      runs: FOLDER,
    },
  },
  activity: { names: {}, others: encoded(file(as(activitySchema))) },
  updates: { names: {}, others: encoded(file(as(updateSchema))) },
  "open-runs": { names: {}, others: encoded(file(as(openRunSchema))) },
  locks: { names: {}, others: encoded(file(as(claimSchema))) },
  journal: {
    names: {},
    others: (name) => (name.endsWith(".jsonl") ? file(someLine(journalEntrySchema)) : undefined),
  },
  salvage: {
    names: {},
    others: (name) => (name.startsWith(STAGING) ? { kind: "staging" } : FOLDER),
  },
  canaries: { names: {}, others: encoded(file(as(canaryReportSchema))) },
  runs: {
    names: {},
    others: (name) => (isRunId(name) ? FOLDER : name.startsWith(LEAVING) ? { kind: "leaving" } : undefined),
  },
  run: { names: { "manifest.json": file(), "cancel.json": file(), "disrupted.json": file() }, open: true },
};

const KEPT = /\.quarantined-\d+$/;
const MUTEX = /^(.+)\.lock$/;

/** What an entry of that name is there. */
export function nameIn(folder: StateFolder, name: string): KnownName {
  const { names, others, open } = CONTENTS[folder];
  const known = (each: string): KnownName | undefined =>
    (Object.hasOwn(names, each) ? names[each] : undefined) ?? others?.(each);
  const own = known(name);
  if (own !== undefined) return own;
  if (KEPT.test(name)) return { kind: "kept" };
  const [, locked = ""] = MUTEX.exec(name) ?? [];
  if (known(locked)?.kind === "file") return { kind: "mutex" };
  const [, written = ""] = DRAFT.exec(name) ?? [];
  if (known(written)?.kind === "file") return { kind: "temp" };
  return open === true ? FOLDER : { kind: "foreign" };
}
