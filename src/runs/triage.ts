/** In: a run that failed. Out: all that helps to say why, in one place. It reads, and changes nothing. */
import * as z from "zod";
import { toError } from "../errors.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { listedRuntimeSchema } from "../model/listing.ts";
import type { ListedRun } from "../model/run.ts";
import type { RunDifference } from "../model/run-answers.ts";
import type { RunManifest } from "../model/run-manifest.ts";
import type { Triage } from "../model/triage.ts";
import { inspectRuntime } from "../plan/inspect.ts";
import type { Engine } from "../reconcile.ts";
import type { FleetState } from "../state/directory.ts";
import { diagnose } from "./diagnosis.ts";
import { findRuns } from "./history.ts";
import { inspectRun } from "./inspect-run.ts";
import type { SelectedRun } from "./select.ts";

/** So many of the latest failures are compared, and so many shown. */
const COMPARED = 200;
const SHOWN = 5;

export interface TriageRequest {
  readonly state: FleetState;
  readonly run: SelectedRun;
  /** Of its output. */
  readonly lines: number;
  /** Where the config is, or the fleet's name without one. */
  readonly place: { readonly file?: string; readonly fleet?: string };
}

export async function triageRun(
  engine: Engine,
  request: TriageRequest,
): Promise<Omit<Triage, "rerun" | "bundle">> {
  const { run, state, lines } = request;
  const { manifest } = run;
  const [inspection, now, similar] = await Promise.all([
    inspectRun(run, lines),
    runtimeNow(engine, manifest, request.place),
    similarTo(state, manifest, engine.now()),
  ]);
  return { ...inspection, diagnosis: diagnose(manifest), ...now, similar };
}

type Now = Pick<Triage, "runtime" | "unobserved" | "drift">;

async function runtimeNow(engine: Engine, run: RunManifest, place: TriageRequest["place"]): Promise<Now> {
  const nothing = { runtime: null, unobserved: null, drift: [] };
  const { address } = run;
  if (address === null) return nothing;
  try {
    const found = await inspectRuntime(engine, { ...place, address });
    if (found.status === "invalid") return { ...nothing, unobserved: "the config is not valid any more" };
    if (found.status === "inspected") return seen(run, address, found.inspection);
    const [away] = found.unobserved;
    return { ...nothing, unobserved: away?.message ?? null };
  } catch (thrown) {
    return { ...nothing, unobserved: toError(thrown).message };
  }
}

const diffSchema = z.array(z.looseObject({ path: z.string(), before: z.json(), after: z.json() }));

function seen(run: RunManifest, address: string, inspection: JsonObject): Now {
  const row = listedRuntimeSchema.safeParse(inspection["runtime"]).data;
  const differing = diffSchema.safeParse(inspection["diff"]).data ?? [];
  const { object_id = null, status = "missing", config = "unknown", spec_hash = null } = row ?? {};
  const same = object_id !== null && object_id === run.object_id;
  const since: RunDifference[] =
    spec_hash === run.spec_hash ? [] : [{ field: "spec_hash", before: run.spec_hash, now: spec_hash }];
  const fields = differing.map(({ path, before, after }) => ({
    field: path,
    before: textOf(before),
    now: textOf(after),
  }));
  return {
    runtime: { address, status, config, object_id, same },
    unobserved: null,
    drift: [...since, ...fields],
  };
}

function textOf(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The same program of the same agent, ended the same way. */
async function similarTo(state: FleetState, run: RunManifest, now: number): Promise<ListedRun[]> {
  const { runs } = await findRuns(state, { status: "failed", agent: run.agent, limit: COMPARED, now });
  return runs
    .filter(
      (each) => each.id !== run.run_id && each.exit_class === run.exit_class && each.argv[0] === run.argv[0],
    )
    .slice(0, SHOWN);
}
