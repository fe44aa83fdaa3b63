/**
 * In: what is about to run. Out: its folder in the ledger, streams that write its output down, and in the end its
 * manifest. Nothing begins that could not be recorded; once it has begun, no fault of the disk changes how it ends.
 */
import { EventEmitter, once } from "node:events";
import { mkdir } from "node:fs/promises";
import type { Writable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import * as z from "zod";
import type { RunManifest } from "../model/run-manifest.ts";
import type { FleetState } from "../state/directory.ts";
import { readDisruption } from "../state/disruption.ts";
import { makeDirectory, readJson, stateError, writeJson } from "../state/files.ts";
import { ownIdentity } from "../util/process-identity.ts";
import { maskSecrets, StreamMask } from "../util/secret-mask.ts";
import type { Outcome } from "./exit-class.ts";
import { exitClassOf, signalOf, statusOf } from "./exit-class.ts";
import { cancelPath, logPath, manifestPath, runFolder, runsFolder, timesPath } from "./layout.ts";
import { LogFile } from "./log-file.ts";
import { appendToIndex, listed } from "./run-index.ts";
import { tellEnded, tellStarted } from "./run-events.ts";
import { ended, tee } from "./tee.ts";
import type { StreamName } from "./time-index.ts";
import { TimeFile, TimeIndex } from "./time-index.ts";

/** What the manifest says from the beginning. */
export type RunHead = Omit<
  RunManifest,
  | "format_version"
  | "status"
  | "ended_at"
  | "duration_ms"
  | "timed_out"
  | "cancelled"
  | "exit_code"
  | "signal"
  | "exit_class"
  | "error"
  | "disrupted"
  | "changes_lost"
  | "logs"
  | "artifacts"
  | "process"
>;

export interface RecordOptions {
  readonly head: RunHead;
  /** Values that no file of the ledger may hold. */
  readonly secrets: readonly string[];
  /** Where the output also goes; undefined when the command has the caller's terminal itself. */
  readonly readers: { readonly stdout: Writable; readonly stderr: Writable } | undefined;
  /** Most bytes kept of each stream. */
  readonly maxLog: number;
  readonly elapsed: () => number;
}

export interface RunRecord {
  readonly folder: string;
  /** As it stands in the ledger until its end. */
  readonly began: RunManifest;
  /** For the command; undefined when it has the caller's terminal itself. */
  readonly output: { readonly stdout: Writable; readonly stderr: Writable } | undefined;
  /** Settles when somebody asks for the run's end, with how long it may take over it; undefined once it has ended. */
  readonly cancelled: Promise<{ readonly graceMs: number } | undefined>;
  /** The command has ended: what comes now is not of its duration. */
  over(): void;
  /** Writes down how it ended. Never rejects: where it cannot be written, that is told beside the answer. */
  finish(told: Told): Promise<Finished>;
}

export type Told = Outcome & {
  readonly error: RunManifest["error"];
  readonly artifacts?: RunManifest["artifacts"];
  readonly changesLost?: boolean | undefined;
};

export interface Finished {
  readonly manifest: RunManifest;
  /** Why it could not be written. */
  readonly fault: unknown;
}

/** Of a command that has not begun, or has just begun. */
function beginning(head: RunHead, secrets: readonly string[]): RunManifest {
  return {
    format_version: 1,
    ...head,
    argv: head.argv.map((each) => maskSecrets(each, secrets)),
    status: "running",
    ended_at: null,
    duration_ms: null,
    timed_out: false,
    cancelled: false,
    exit_code: null,
    signal: null,
    exit_class: null,
    error: null,
    disrupted: null,
    changes_lost: false,
    logs: null,
    artifacts: null,
    process: ownIdentity(),
  };
}

async function createFolder(state: FleetState, runId: string): Promise<string> {
  await makeDirectory(runsFolder(state));
  const folder = runFolder(state, runId);
  try {
    // Not recursive: an id that is taken must not become two runs in one folder.
    await mkdir(folder, { mode: 0o700 });
  } catch (thrown) {
    throw stateError("create", folder, thrown);
  }
  return folder;
}

/** A run that could not begin: in the ledger from the first moment as what it is, since nobody may see it run. */
export async function recordRefusal(
  state: FleetState,
  { head, secrets }: Pick<RecordOptions, "head" | "secrets">,
  told: Told,
): Promise<void> {
  const folder = await createFolder(state, head.run_id);
  const manifest = end(beginning(head, secrets), told, 0, secrets);
  await writeEnd(state, folder, manifest);
  await tellEnded(state, manifest);
}

export async function recordRun(state: FleetState, options: RecordOptions): Promise<RunRecord> {
  const { head, secrets, readers, maxLog } = options;
  const folder = await createFolder(state, head.run_id);
  const began = beginning(head, secrets);
  await writeJson(manifestPath(folder), began);
  // Its event is there before that of its end; the command need not wait for it.
  const startTold = nextTurn().then(() => tellStarted(state, began));
  const started = options.elapsed();
  const lasted = (): number => Math.max(0, options.elapsed() - started);
  const times = new TimeFile(timesPath(folder), lasted);
  const log = (stream: StreamName): LogFile =>
    new LogFile(logPath(folder, stream), maxLog, new TimeIndex(times, stream));
  const logs = readers === undefined ? undefined : { stdout: log("stdout"), stderr: log("stderr") };
  const output = logs &&
    readers && {
      stdout: tee(readers.stdout, logs.stdout, new StreamMask(secrets)),
      stderr: tee(readers.stderr, logs.stderr, new StreamMask(secrets)),
    };
  const watching = watchForCancel(folder);
  let duration: number | undefined;
  return {
    folder,
    began,
    output,
    cancelled: watching.asked,
    over() {
      duration ??= lasted();
    },
    async finish(outcome) {
      watching.stop();
      if (output !== undefined) await Promise.all([ended(output.stdout), ended(output.stderr)]);
      for (const each of [logs?.stdout, logs?.stderr, times]) await each?.[Symbol.asyncDispose]();
      const told = logs === undefined ? null : { stdout: logs.stdout.told, stderr: logs.stderr.told };
      // How it ended is known without it, and is written down whatever becomes of it.
      const disrupted = await readDisruption(folder).catch(() => null);
      const manifest = { ...end(began, outcome, duration ?? lasted(), secrets), disrupted, logs: told };
      const endTold = startTold.then(() => tellEnded(state, manifest));
      const [fault] = await Promise.all([writeEnd(state, folder, manifest), endTold]);
      return { manifest, fault };
    },
  };
}

function end(began: RunManifest, told: Told, lasted: number, secrets: readonly string[]): RunManifest {
  const { error, artifacts = null, changesLost = false, ...outcome } = told;
  const exit_class = exitClassOf(outcome);
  const duration_ms = Math.round(lasted);
  return {
    ...began,
    status: statusOf(exit_class),
    ended_at: new Date(Date.parse(began.started_at) + duration_ms).toISOString(),
    duration_ms,
    timed_out: outcome.timedOut,
    cancelled: outcome.cancelled,
    exit_code: outcome.exitCode,
    signal: signalOf(outcome.exitCode),
    exit_class,
    artifacts,
    changes_lost: changesLost,
    error: error && { ...error, message: maskSecrets(error.message, secrets) },
  };
}

/** The manifest is the truth; what the index lacks is found again. */
async function writeEnd(state: FleetState, folder: string, manifest: RunManifest): Promise<unknown> {
  try {
    await writeJson(manifestPath(folder), manifest);
    await appendToIndex(state, [listed(manifest)]);
    return undefined;
  } catch (thrown) {
    return thrown;
  }
}

const LOOK_EVERY_MS = 500;
const cancelSchema = z.object({ v: z.literal(1), grace_ms: z.number().nonnegative() });
type Cancel = { readonly graceMs: number } | undefined;

/** Looked for, not watched for: that works on every file system and costs one `stat` twice a second. */
function watchForCancel(folder: string): { readonly asked: Promise<Cancel>; stop(): void } {
  const asked = new EventEmitter<{ answer: [Cancel] }>();
  const answer = once(asked, "answer").then(([cancel]: Cancel[]) => cancel);
  const look = async (): Promise<void> => {
    const found = await readJson(cancelPath(folder), cancelSchema, "report", undefined);
    if (found === undefined) return;
    clearInterval(timer);
    asked.emit("answer", { graceMs: found.grace_ms });
  };
  const timer = setInterval(() => void look().catch(() => undefined), LOOK_EVERY_MS).unref();
  const stop = (): void => {
    clearInterval(timer);
    asked.emit("answer", undefined);
  };
  return { asked: answer, stop };
}
