import { toError } from "../errors.ts";
import type { RunArtifacts } from "../model/artifacts.ts";
import type { RunManifest } from "../model/run-manifest.ts";
import type { Engine } from "../reconcile.ts";
import type { FleetState } from "../state/directory.ts";
import { formatDuration } from "../util/duration.ts";
import type { ArtifactPlace } from "./artifacts.ts";
import { artifactsNote, collectArtifacts } from "./artifacts.ts";
import type { Ended, RunIo, RunRequest } from "./command.ts";
import type { ConfigCommit } from "./config-commit.ts";
import type { RunRecord } from "./record.ts";
import type { Chosen } from "./where.ts";

/** A manifest whose command has told how it ended. */
export type EndedRun = RunManifest & { readonly exit_code: number };

/** One run, from the moment it is known where it runs. */
export interface Run extends Pick<Chosen, "config" | "whom"> {
  readonly engine: Engine;
  readonly request: RunRequest;
  readonly io: RunIo;
  readonly run_id: string;
  readonly state: FleetState;
  /** Asked for early and awaited late: git takes longer than all else. */
  readonly commit: Promise<ConfigCommit>;
}

/** Of a command that has ended. */
export async function artifactsOf(
  { request, config, engine }: Run,
  { folder: runFolder }: RunRecord,
  place: ArtifactPlace,
  secrets: readonly string[],
): Promise<RunArtifacts | null> {
  const { artifacts: declared, max_artifacts: mostBytes } = config.fleet.runs;
  const globs = [...new Set([...declared, ...(request.artifacts ?? [])])];
  if (globs.length === 0) return null;
  const { stateDir } = engine;
  return await collectArtifacts({ globs, place, runFolder, mostBytes, secrets, stateDir });
}

/** Writes down how it ended, and tells what went wrong with that. */
export async function finish(
  run: Run,
  record: RunRecord,
  ended: Ended & { readonly artifacts: RunArtifacts | null },
): Promise<EndedRun> {
  const { manifest, fault } = await record.finish({ ...ended, failure: undefined, error: null });
  if (fault !== undefined) tellUnrecorded(run, fault);
  for (const [stream, log] of Object.entries(manifest.logs ?? {})) {
    if (log.error === null) continue;
    const message = `the last ${log.lost} bytes of ${stream} could not be recorded: ${log.error}`;
    run.engine.sink.notify({ type: "note", level: "warn", code: "LOG_NOT_RECORDED", message });
  }
  const note = artifactsNote(manifest);
  if (note !== undefined)
    run.engine.sink.notify({ type: "note", level: "warn", code: "ARTIFACTS_LEFT_OUT", message: note });
  if (manifest.disrupted !== null) {
    const message = `its sandbox was taken from it while it ran: ${manifest.disrupted.why}`;
    run.engine.sink.notify({ type: "note", level: "warn", code: "DISRUPTED", message });
  }
  if (manifest.changes_lost) {
    const message =
      "nothing of what it changed in its workspace came back: its copy went with it when it was ended";
    run.engine.sink.notify({ type: "note", level: "warn", code: "CHANGES_LOST", message });
  }
  if (ended.timedOut) tellTimeout(run);
  return { ...manifest, exit_code: ended.exitCode };
}

/** What follows a command changes nothing about how it ended: where it fails, that is only told. */
export function atTheEnd(run: Run, work: () => PromiseLike<void>): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      try {
        await work();
      } catch (thrown) {
        tellUnrecorded(run, thrown);
      }
    },
  };
}

function tellUnrecorded({ engine }: Run, thrown: unknown): void {
  const message = `the end of the run could not be recorded: ${toError(thrown).message}`;
  engine.sink.notify({ type: "note", level: "warn", code: "RUN_NOT_RECORDED", message });
}

/** A command may exit with 124 by itself: which of the two it was must be told apart. */
function tellTimeout({ engine, request }: Run): void {
  const message = `timed out after ${formatDuration(request.timeoutMs ?? 0)}`;
  engine.sink.notify({ type: "note", level: "error", code: "TIMED_OUT", message });
}
