/**
 * In: what was found stale. Out: what became of each. Only what was listed as removable goes, each looked at once more by the
 * very program that removes it; what is the fleet's own goes by the flow that all of its removals go by.
 */
import { SandkeepError, toError } from "../errors.ts";
import type { HostReap, ReapEntry, Stale } from "../model/host.ts";
import type { Change, Plan } from "../model/plan.ts";
import type { LoadedFleet } from "../policy/fleet.ts";
import type { Engine } from "../reconcile.ts";
import { reconcile } from "../reconcile.ts";
import { fleetState } from "../state/directory.ts";
import type { Journal } from "../state/journal.ts";
import { openJournal } from "../state/journal.ts";
import type { Look } from "./look.ts";
import { containerTemplate } from "./containers.ts";
import { enginesApart } from "./place.ts";
import { callOn } from "./reach.ts";
import { REMOVE_CONTAINER, REMOVE_DIRECTORY } from "./script.ts";
import { REAPED } from "./stale.ts";
import type { Judged } from "./survey.ts";

type Ending = Pick<ReapEntry, "status" | "message">;

const REMOVAL_MS = 600_000;
const FAILED = 1;
const UNREACHABLE = 69;

export async function reap(
  engine: Engine,
  config: LoadedFleet,
  { looks, report }: Judged,
  request: { readonly dryRun: boolean; readonly signal?: AbortSignal },
): Promise<HostReap> {
  const { stale, ...rest } = report;
  const endings = request.dryRun
    ? new Map<Stale, Ending>()
    : await removeAll(engine, config, {
        looks,
        stale,
        signal: request.signal,
        olderThan: report.older_than_s * 1000,
      });
  const entries = stale.map((each): ReapEntry => {
    const dry = {
      status: each.reap === null ? "kept" : "would_remove",
      message: each.kept?.why ?? null,
    } as const;
    return { ...each, ...(endings.get(each) ?? dry) };
  });
  const failed = entries.some((each) => each.status === "failed");
  const exit_code = failed ? FAILED : report.unobserved.length > 0 ? UNREACHABLE : 0;
  return { dry_run: request.dryRun, ...rest, entries, exit_code };
}

interface Removing {
  readonly looks: ReadonlyMap<string, Look>;
  readonly stale: readonly Stale[];
  readonly signal: AbortSignal | undefined;
  /** Milliseconds. */
  readonly olderThan: number;
}

async function removeAll(
  engine: Engine,
  config: LoadedFleet,
  removing: Removing,
): Promise<Map<Stale, Ending>> {
  const endings = new Map<Stale, Ending>();
  const { looks, stale, signal, olderThan } = removing;
  const own = stale.filter((each) => each.reap === "fleet");
  for (const [each, ending] of await removeOwn(engine, config, own)) endings.set(each, ending);
  const state = fleetState(engine.stateDir, config.fleet.fleet);
  const planId = `reap${engine.randomId()}`;
  await using journal = await openJournal(state, { planId, now: () => engine.now(), sink: engine.sink });
  for (const each of stale) {
    const look = looks.get(each.host);
    if (each.reap === null || each.reap === "fleet" || look === undefined) continue;
    if (signal?.aborted === true) {
      endings.set(each, { status: "kept", message: "interrupted before its turn" });
      continue;
    }
    const ending = await recorded(journal, each, () => removeOne(engine, config, { each, look, olderThan }));
    endings.set(each, ending);
    engine.sink.notify({
      type: "note",
      level: ending.status === "failed" ? "error" : "info",
      code: "HOST_REAPED",
      message: `${each.host}: ${each.what}: ${ending.status}${ending.message === null ? "" : `: ${ending.message}`}`,
    });
  }
  return endings;
}

/** What is meant to be done is on disk before it is done. */
async function recorded(journal: Journal, each: Stale, remove: () => Promise<Ending>): Promise<Ending> {
  const step = {
    node: `reap:${each.host}:${each.what}`,
    op: "reap",
    address: each.address ?? `${each.host}:${each.what}`,
  };
  await journal.intent(step);
  const ending = await remove().catch((thrown: unknown): Ending => ({
    status: "failed",
    message: toError(thrown).message,
  }));
  journal.result({
    ...step,
    status: ending.status,
    object_id: each.object_id,
    ...(ending.message === null ? {} : { error: ending.message }),
  });
  return ending;
}

async function removeOne(
  engine: Engine,
  config: LoadedFleet,
  { each, look, olderThan }: Removable,
): Promise<Ending> {
  const [said, why] = await askToRemove(engine, config, { each, look, olderThan });
  switch (said) {
    case "removed":
      return { status: "removed", message: null };
    case "gone":
      return { status: "removed", message: "it was gone already" };
    case "kept":
      return { status: "kept", message: why ?? null };
    case "changed":
      return { status: "changed", message: why ?? null };
    default:
      return { status: "failed", message: why ?? "the host did not say how it ended" };
  }
}

interface Removable {
  readonly each: Stale;
  readonly look: Look;
  readonly olderThan: number;
}

async function askToRemove(
  engine: Engine,
  { fleet }: LoadedFleet,
  { each, look, olderThan }: Removable,
): Promise<readonly [said: string, why?: string | undefined]> {
  const { place, labels } = look;
  if (each.engine !== null && enginesApart(place)[each.engine] !== undefined) {
    const { removeThroughEngine } = await import("./engine-look.ts");
    const at = { name: each.host, host: fleet.hosts[each.host], place, labels };
    const { said, why } = await removeThroughEngine(at, each, toldOf(each, look), engine);
    return [said, why];
  }
  const call =
    each.reap === "container"
      ? containerRemoval(each, look)
      : directoryRemoval(engine, each, look, olderThan);
  const answer = await callOn(each.host, place, { ...call, timeoutMs: REMOVAL_MS }, engine);
  const [said = "", why] = (answer.toString("utf8").split("\0")[0] ?? "").split("\t");
  return [said, why];
}

function toldOf(each: Stale, { told }: Look): string {
  const line = told.get(each.object_id);
  if (line === undefined) throw vanished(each);
  return line;
}

function directoryRemoval(engine: Engine, each: Stale, look: Look, olderThan: number) {
  const found = look.snapshot.directories.find(({ parent, name }) => `${parent}/${name}` === each.what);
  if (found?.changed_at === undefined || found.changed_at === null) throw vanished(each);
  const seconds = String(Math.round(Date.parse(found.changed_at) / 1000));
  const aside = `${REAPED}${engine.randomId()}`;
  // What was cut short passed this before it began, and its removal left young folders behind.
  const anyAge = olderThan === 0 || found.name.startsWith(REAPED);
  const cutoff = anyAge ? "" : String(Math.floor((engine.now() - olderThan) / 1000));
  const { parent, name, identity } = found;
  return { script: REMOVE_DIRECTORY, args: [parent, name, identity, seconds, aside, cutoff] };
}

function containerRemoval(each: Stale, look: Look) {
  const told = toldOf(each, look);
  if (each.engine === null) throw vanished(each);
  const endpoint = look.place.engines[each.engine] ?? "";
  const template = containerTemplate(look.labels);
  return { script: REMOVE_CONTAINER, args: [each.engine, endpoint, each.object_id, template, told] };
}

function vanished({ what }: Stale): SandkeepError {
  return new SandkeepError(`${what} was not part of the look`, { code: "HOST_NOT_LISTED" });
}

/** Through the fleet's own plan, which must be about nothing but what was listed. */
async function removeOwn(
  engine: Engine,
  { loaded }: LoadedFleet,
  own: readonly Stale[],
): Promise<Map<Stale, Ending>> {
  const endings = new Map<Stale, Ending>();
  if (own.length === 0) return endings;
  const targets = [...new Set(own.flatMap(({ address }) => (address === null ? [] : [address])))];
  const outcome = await reconcile(
    engine,
    { intent: { mode: "prune", orphans: true, targets } },
    { approve: async (plan) => onlyListed(plan, own), loaded },
  );
  for (const each of own)
    endings.set(each, { status: "kept", message: "the fleet's own plan does not remove it" });
  if (outcome.status === "invalid") return endings;
  if (outcome.status === "declined") {
    const message =
      "the fleet's plan for its address would touch more than was listed: look at `sandkeep plan`";
    for (const each of own) endings.set(each, { status: "changed", message });
    return endings;
  }
  for (const each of own) {
    const done = outcome.result.outcomes.find(({ address }) => address === each.address);
    if (done === undefined) continue;
    const message = done.error?.message ?? done.reason ?? null;
    if (done.status === "done") endings.set(each, { status: "removed", message: null });
    else endings.set(each, { status: done.status === "failed" ? "failed" : "kept", message });
  }
  return endings;
}

function onlyListed(plan: Plan, own: readonly Stale[]): boolean {
  const listed = new Set(own.map(({ host, address }) => `${host} ${address ?? ""}`));
  const changes = plan.changes.filter(({ actions }) => actions.some((action) => action !== "no-op"));
  return changes.every((each) => isRemoval(each) && listed.has(`${each.host} ${each.address}`));
}

function isRemoval({ actions }: Change): boolean {
  return actions.every((action) => action === "remove");
}
