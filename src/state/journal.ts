import { closeSync, fdatasync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import * as z from "zod";
import { toError } from "../errors.ts";
import type { Check } from "../model/attestation.ts";
import { checkSchema } from "../model/attestation.ts";
import type { EventBody, EventSink } from "../model/event.ts";
import { PRIVATE_FILE, syncDirectory } from "../util/durable-file.ts";
import { errnoOf } from "../util/errno.ts";
import type { FleetState } from "./directory.ts";
import { damaged, listNames, makeDirectory, parseJson, readText, removeFile, stateError } from "./files.ts";

const synced = promisify(fdatasync);

const KEPT = 200;
const SUFFIX = ".jsonl";

export const journalEntrySchema = z.object({
  v: z.literal(1),
  /** Milliseconds since the epoch. */
  at: z.number(),
  plan_id: z.string(),
  /** Graph node. */
  node: z.string(),
  op: z.string(),
  address: z.string(),
  phase: z.enum(["intent", "result"]),
  status: z.string().optional(),
  error: z.string().optional(),
  object_id: z.string().optional(),
  /** What was looked at from inside a runtime, and what was found. */
  checks: z.array(checkSchema).optional(),
});
export type JournalEntry = z.infer<typeof journalEntrySchema>;

export interface JournalStep {
  readonly node: string;
  readonly op: string;
  readonly address: string;
}

export interface JournalResult extends JournalStep {
  readonly status: string;
  readonly error?: string;
  readonly object_id?: string;
  readonly checks?: readonly Check[];
}

/** What one apply meant to do and did. It helps history and explain; no decision rests on it. */
export interface Journal extends AsyncDisposable {
  /** On disk before it returns, with all told before; rejects (STATE_IO) when they cannot be, and then the step must not happen. */
  intent(step: JournalStep): Promise<void>;
  /** Written at once, and on disk at the latest with the next intent or the end: nothing waits for what is past. */
  result(step: JournalResult): void;
}

/** The file is made with the first entry, so that an apply without changes leaves none. */
export async function openJournal(
  state: FleetState,
  options: {
    readonly planId: string;
    readonly now: () => number;
    /** Told at the end of a result that is not on disk, where no intent has failed of it. */
    readonly sink: EventSink;
  },
): Promise<Journal> {
  const lines = linesIn(join(state.dir, "journal"), options.planId);
  let tail: Promise<void> = Promise.resolve();
  /** Entries that go to disk together, as soon as those before them are there. */
  const waiting: { readonly line: string; readonly meant: boolean }[] = [];
  let next: Promise<void> | undefined;
  /** Why a result could not be written: told by the next intent, or at the end. */
  let lost: { readonly error: unknown } | undefined;
  let told = false;
  /** One write at a time, so that lines of parallel steps never mix; what comes meanwhile shares the one after it. */
  async function append(
    entry: JournalStep & { readonly phase: JournalEntry["phase"] } & Partial<JournalResult>,
  ): Promise<void> {
    const at = options.now();
    const line = `${JSON.stringify({ v: 1, at, plan_id: options.planId, ...entry })}\n`;
    waiting.push({ line, meant: entry.phase === "intent" });
    next ??= flush(tail, at);
    tail = next.catch(() => undefined);
    await next;
  }
  async function flush(before: Promise<void>, at: number): Promise<void> {
    await before;
    next = undefined;
    const entries = waiting.splice(0);
    const text = entries.map(({ line }) => line).join("");
    await lines.write(text, { at, onDisk: entries.some(({ meant }) => meant) });
  }
  return {
    async intent(step) {
      if (lost !== undefined) {
        told = true;
        throw lost.error;
      }
      await append({ ...step, phase: "intent" });
    },
    result(step) {
      append({ ...step, phase: "result" }).catch((error: unknown) => {
        lost = { error };
      });
    },
    async [Symbol.asyncDispose]() {
      await tail;
      await lines.close().catch((error: unknown) => {
        lost = { error };
      });
      if (lost !== undefined && !told) options.sink.notify(lostEntry(toError(lost.error)));
    },
  };
}

function lostEntry({ message }: Error): EventBody {
  return {
    type: "note",
    level: "warn",
    code: "JOURNAL_LOST",
    message: `what was done last is not in the history: ${message}`,
  };
}

/** Lines of one file. */
function linesIn(dir: string, planId: string) {
  let file: Promise<JournalFile> | undefined;
  /** After a failed write the file may end in half a line; the next entry then starts a new one. */
  let torn = false;
  return {
    /** On disk before it returns where that is asked for. */
    async write(
      lines: string,
      { at, onDisk }: { readonly at: number; readonly onDisk: boolean },
    ): Promise<void> {
      file ??= createFile(dir, at, planId);
      const { fd, path } = await file;
      try {
        writeFileSync(fd, torn ? `\n${lines}` : lines);
        if (onDisk) await synced(fd);
        torn = false;
      } catch (error) {
        torn = true;
        throw stateError("append to", path, error);
      }
    },
    async close(): Promise<void> {
      const opened = await file?.catch(() => undefined);
      if (opened === undefined) return;
      try {
        await synced(opened.fd);
      } catch (error) {
        throw stateError("append to", opened.path, error);
      } finally {
        closeSync(opened.fd);
      }
    },
  };
}

interface JournalFile {
  readonly fd: number;
  readonly path: string;
}

async function createFile(dir: string, at: number, planId: string): Promise<JournalFile> {
  await makeDirectory(dir);
  const stamp = new Date(at).toISOString().replaceAll(":", "-");
  const id = planId
    .replace(/^sha256:/, "")
    .replaceAll(/[^0-9A-Za-z]/g, "")
    .slice(0, 8);
  for (let n = 0; ; n += 1) {
    const path = join(dir, `${stamp}-${id}${n === 0 ? "" : `-${n}`}${SUFFIX}`);
    try {
      const fd = openSync(path, "ax", PRIVATE_FILE);
      try {
        await syncDirectory(dir);
        await dropOldest(dir);
      } catch (thrown) {
        closeSync(fd);
        throw thrown;
      }
      return { fd, path };
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw stateError("create", path, error);
    }
  }
}

async function dropOldest(dir: string): Promise<void> {
  const names = await journalNames(dir);
  for (const name of names.slice(0, Math.max(0, names.length - KEPT))) await removeFile(join(dir, name));
}

async function journalNames(dir: string): Promise<readonly string[]> {
  return (await listNames(dir)).filter((name) => name.endsWith(SUFFIX));
}

/** History, newest first; a torn tail is left out silently, a damaged line is reported and left out. */
export async function readJournal(
  state: FleetState,
  query: { readonly address?: string; readonly limit: number },
): Promise<readonly JournalEntry[]> {
  const dir = join(state.dir, "journal");
  const found: JournalEntry[] = [];
  for (const name of (await journalNames(dir)).toReversed()) {
    for (const entry of (await readEntries(join(dir, name), state)).toReversed()) {
      if (found.length >= query.limit) return found;
      if (query.address === undefined || entry.address === query.address) found.push(entry);
    }
  }
  return found;
}

async function readEntries(path: string, state: FleetState): Promise<readonly JournalEntry[]> {
  const lines = ((await readText(path)) ?? "").split("\n");
  // What follows the last newline is empty, or an append that a crash cut short.
  lines.pop();
  const entries = lines.map((line) => parseJson(line, journalEntrySchema));
  if (entries.includes(undefined)) await damaged(path, "report", state.onProblem);
  return entries.filter((entry) => entry !== undefined);
}
