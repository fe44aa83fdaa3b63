import type { Decision } from "../diff/diff.ts";
import type { JsonObject } from "../model/json.ts";
import { encodeLabels } from "../model/labels.ts";
import type { Listing } from "../model/listing.ts";
import type { Invalid } from "../policy/fleet.ts";
import { readJournal } from "../state/journal.ts";
import { listDecisions, listRow, unobservedEngines } from "./listing.ts";
import type { Engine } from "./engine.ts";
import type { Survey } from "./survey.ts";
import { survey } from "./survey.ts";

export interface InspectRequest {
  readonly file?: string;
  readonly fleet?: string;
  readonly address: string;
}

const HISTORY = 50;

/** One runtime in full: what is wanted, what is there, how they differ, who uses it, and what was done to it. */
export async function inspectRuntime(
  engine: Engine,
  request: InspectRequest,
): Promise<
  | { readonly status: "inspected"; readonly inspection: JsonObject }
  | {
      readonly status: "absent";
      readonly candidates: readonly string[];
      /** When any is named here, it may well be there. */
      readonly unobserved: Listing["unobserved"];
    }
  | Invalid
> {
  const { file, fleet, address } = request;
  const seen = await survey(engine, { file, fleet, wanted: [] });
  if (seen.status === "invalid") return seen;
  const decisions = listDecisions(seen);
  const found = decisions.find(({ situation }) => situation.address === address);
  if (found === undefined) {
    const candidates = decisions.map(({ situation }) => situation.address);
    return { status: "absent", candidates, unobserved: unobservedEngines(seen) };
  }
  return { status: "inspected", inspection: await inspection(found, seen) };
}

/** How many entries back the last look from inside is searched. */
const LONGEST_SEARCH = 2000;

/** What the last look from inside this very object found, as far as this state directory knows; null for none. */
async function lastAttestation(
  objectId: string | undefined,
  address: string,
  seen: Survey,
): Promise<JsonObject[] | null> {
  if (objectId === undefined) return null;
  const entries = await readJournal(seen.state, { address, limit: LONGEST_SEARCH });
  const last = entries.find((each) => each.checks !== undefined && each.object_id === objectId);
  if (last?.checks === undefined) return null;
  const at = new Date(last.at).toISOString();
  return last.checks.map(({ path, status, asked, found, why }) => ({ path, status, asked, found, why, at }));
}

async function inspection(decision: Decision, seen: Survey): Promise<JsonObject> {
  const { situation, verdict } = decision;
  const { current, desired, address } = situation;
  const history = await readJournal(seen.state, { address, limit: HISTORY });
  return {
    address,
    runtime: { ...listRow(decision, seen.now, seen.facts.left_alone) },
    would: { action: verdict.action, why: verdict.why },
    spec:
      desired === undefined
        ? null
        : { kind: desired.spec.kind, backend: desired.backend, values: desired.spec.values },
    observed:
      current === undefined
        ? null
        : {
            state: current.state,
            health: current.health,
            fields: { ...current.fields },
            image: current.image === undefined ? null : { ...current.image },
          },
    diff: situation.differences.map(({ path, before, after, origin, why }) => ({
      path,
      before,
      after,
      origin,
      why,
    })),
    attested: await lastAttestation(current?.object_id, address, seen),
    labels: current === undefined ? null : encodeLabels(current.labels),
    open_runs: seen.facts.open_runs
      .filter((each) => each.address === address)
      .map(({ run_id, agent, session, started_at }) => ({
        run_id,
        agent,
        session,
        started_at: new Date(started_at).toISOString(),
      })),
    history: history.map(({ at, op, phase, status, error }) => ({
      at: new Date(at).toISOString(),
      op,
      phase,
      ...(status === undefined ? {} : { status }),
      ...(error === undefined ? {} : { error }),
    })),
  };
}
