/** In: one survey. Out: the listing, row by row from the same decisions that a plan would be made of. Reads only. */
import type { Decision } from "../diff/diff.ts";
import type { DesiredRuntime } from "../desire/desire.ts";
import { assertNever } from "../errors.ts";
import type { LeftAlone } from "../model/facts.ts";
import type { ListedNetwork, ListedRuntime, Listing } from "../model/listing.ts";
import type { ObservedRuntime } from "../model/observed.ts";
import type { Situation } from "../diff/situation.ts";
import { isSick } from "../diff/state.ts";
import { engineKey } from "../observe/engines.ts";
import type { Invalid, LoadedFleet } from "../policy/fleet.ts";
import { getPath } from "../util/json-path.ts";
import { decideAll } from "./decide.ts";
import { decideNetworks } from "./networks.ts";
import type { Engine } from "./engine.ts";
import type { Survey } from "./survey.ts";
import { survey } from "./survey.ts";

export interface ListRequest {
  readonly file?: string;
  readonly fleet?: string;
  /** A fleet that is already loaded. */
  readonly config?: LoadedFleet | undefined;
  readonly kind?: "browser" | "sandbox";
  readonly backend?: string;
  /** Also what is declared but not there, such as on-use and dormant runtimes, and what other sandbox tools made. */
  readonly all?: boolean;
}

export async function listFleet(
  engine: Engine,
  request: ListRequest,
): Promise<
  | {
      readonly status: "listed";
      readonly listing: Listing;
      /** False when an engine that the fleet is known to use, or any of those it may be on, could not be seen. */
      readonly complete: boolean;
      /** Keys of the engines that were asked, seen or not. */
      readonly asked: ReadonlySet<string>;
    }
  | Invalid
> {
  const { file, fleet, config } = request;
  const seen = await survey(engine, { file, fleet, config, wanted: [], neighbours: request.all ?? false });
  if (seen.status === "invalid") return seen;
  const listing = listingOf(seen, request);
  const counting = countingEngines(seen);
  const complete = listing.unobserved.every((each) => !counting.has(engineKey(each)));
  const asked = new Set(seen.engines.map((each) => engineKey(each)));
  return { status: "listed", listing, complete, asked };
}

/** Without a config and with nothing remembered, whatever this machine has may hold the fleet. */
function countingEngines({ engines }: Survey): ReadonlySet<string> {
  const declared = engines.filter((each) => each.declared);
  return new Set((declared.length === 0 ? engines : declared).map((each) => engineKey(each)));
}

/** Engines that could not be seen, and why. Absence there proves nothing. */
export function unobservedEngines(seen: Survey): Listing["unobserved"] {
  return seen.observations.flatMap((each) =>
    each.status === "complete" ? [] : [{ backend: each.backend, host: each.host, message: each.message }],
  );
}

/** What apply would decide is what `config: match | drift` means. */
export function listDecisions(seen: Survey): Decision[] {
  return decideAll(seen, { intent: { mode: "apply" } });
}

function listingOf(seen: Survey, request: ListRequest): Listing {
  const decisions = listDecisions(seen);
  const wanted = (row: ListedRuntime): boolean =>
    (request.kind ?? row.kind) === row.kind && (request.backend ?? row.backend) === row.backend;
  const shown = decisions.filter((each) => request.all === true || isShown(each));
  const configless = seen.config === undefined;
  const declared = shown.filter((each) => configless || !isOrphan(each));
  const orphans = shown.filter((each) => !configless && isOrphan(each));
  const rowsOf = (some: readonly Decision[]): ListedRuntime[] =>
    some.map((each) => listRow(each, seen.now, seen.facts.left_alone));
  const sort = (rows: readonly ListedRuntime[]): ListedRuntime[] =>
    rows.filter(wanted).toSorted((a, b) => (a.address < b.address ? -1 : Number(a.address > b.address)));
  const networks = listNetworks(seen, decisions, request);
  return {
    ...(networks.length === 0 ? {} : { networks }),
    runtimes: sort([...rowsOf(declared), ...unreachable(seen)]),
    dormant: marksOf(seen),
    orphans: sort(rowsOf(orphans)),
    foreign: seen.observations.flatMap((each) =>
      each.status === "complete"
        ? each.foreign.map((object) => ({ backend: each.backend, host: each.host, ...object }))
        : [],
    ),
    unobserved: unobservedEngines(seen).filter(({ backend }) => (request.backend ?? backend) === backend),
    ...degradedHosts(seen),
  };
}

function degradedHosts({ facts, engines }: Survey): Pick<Listing, "degraded_hosts"> {
  const used = new Set(engines.map(({ host }) => host));
  const hosts = facts.hosts
    .filter(({ host }) => used.has(host))
    .map((each) => ({ ...each, since: new Date(each.since).toISOString() }));
  return hosts.length === 0 ? {} : { degraded_hosts: hosts };
}

/** Networks of the fleet's own; without a config nobody knows which of them are wanted. */
function listNetworks(
  seen: Survey,
  decisions: readonly Decision[],
  { backend, all }: ListRequest,
): ListedNetwork[] {
  return decideNetworks(seen, decisions, { mode: "apply" })
    .filter((each) => backend === undefined || each.backend === backend)
    .filter((each) => all === true || each.observed !== undefined || each.verdict.action !== "none")
    .map((each): ListedNetwork => {
      const { network, host, name, desired, observed } = each;
      const orphan = desired === undefined && seen.config !== undefined;
      const gate = desired?.spec.gate;
      const closed = each.verdict.action === "update" || observed?.gate?.state === "stopped";
      return {
        network,
        backend: each.backend,
        host,
        name,
        object_id: observed?.object_id ?? null,
        status: observed === undefined ? "missing" : orphan ? "orphan" : closed ? "closed" : "ready",
        gate: gate === undefined ? null : { allow: [...gate.allow], image: gate.image },
        users: (observed?.users ?? []).map((user) => user.name),
      };
    });
}

/** Those of passing roles are declared nowhere, and still no orphans. */
function isOrphan({ situation }: Decision): boolean {
  return situation.desired === undefined && (situation.current?.labels.role ?? "primary") === "primary";
}

function isShown({ situation, verdict }: Decision): boolean {
  if (situation.current !== undefined) return true;
  return verdict.action !== "none" || verdict.rest === "held" || verdict.rest === "ready";
}

export function listRow(
  { situation, verdict }: Decision,
  now: number,
  leftAlone: readonly LeftAlone[],
): ListedRuntime {
  const { current, desired, usage } = situation;
  return {
    address: situation.address,
    kind: desired?.kind ?? current?.labels.kind ?? "sandbox",
    role: current?.labels.role ?? "primary",
    backend: situation.backend,
    host: situation.host,
    name: current?.name ?? situation.name,
    object_id: current?.object_id ?? null,
    status: statusOf(situation),
    agent: desired?.agent ?? current?.labels.agent ?? null,
    session: desired?.session ?? current?.labels.session ?? null,
    spec_hash: current?.labels.spec_hash ?? desired?.spec_hash ?? null,
    config: configOf(situation, verdict.action),
    image: imageOf(desired, current),
    created_at: time(current?.created_at),
    age_s: current === undefined ? null : seconds(Math.max(0, now - current.created_at)),
    last_used_at: time(usage?.last_used),
    idle_s: seconds(usage?.idle_ms),
    busy: (usage?.busy ?? 0) > 0,
    held: situation.hold !== undefined,
    expires_at: time(current?.labels.expires_at),
    watch: leftAlone.find((each) => each.address === situation.address)?.state ?? null,
  };
}

function seconds(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.round(ms / 1000);
}

function time(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

export function statusOf({
  desired,
  current,
  ephemeral,
}: Pick<Situation, "desired" | "current" | "ephemeral">): ListedRuntime["status"] {
  if (ephemeral === true) return "ready";
  if (current === undefined) return "missing";
  if (isSick(desired, current)) return "unhealthy";
  switch (current.state) {
    case "running":
      return "running";
    case "created":
      return "created";
    case "stopped":
    case "paused":
      return "stopped";
    case "restarting":
    case "broken":
      return "unhealthy";
    default:
      return assertNever(current.state);
  }
}

function configOf(
  { desired, current, ephemeral, differences, repairs }: Situation,
  action: string,
): ListedRuntime["config"] {
  // There is nothing that could differ: the next command is as the config says.
  if (desired !== undefined && ephemeral === true) return "match";
  if (desired === undefined || current === undefined) return "unknown";
  return differences.length + repairs.length === 0 && action !== "recreate" ? "match" : "drift";
}

function imageOf(desired: DesiredRuntime | undefined, current: ObservedRuntime | undefined): string | null {
  const spec = current?.labels.spec ?? desired?.spec;
  const ref = spec === undefined ? undefined : getPath(spec.values, `${spec.backend}.image`);
  return typeof ref === "string" ? ref : null;
}

/** What is wanted on an engine that could not be seen: neither missing nor stopped. */
function unreachable(seen: Survey): ListedRuntime[] {
  const away = new Set(
    seen.observations.filter((each) => each.status !== "complete").map((each) => engineKey(each)),
  );
  return seen.desired
    .filter((each) => away.has(engineKey(each)))
    .map((desired) => {
      const { address, backend, host, name } = desired;
      const situation = {
        address,
        backend,
        host,
        name,
        desired,
        repairs: [],
        differences: [],
        protected: false,
      };
      const verdict = { action: "none", rest: "waiting", why: "its engine cannot be observed" } as const;
      return {
        ...listRow({ situation, verdict }, seen.now, seen.facts.left_alone),
        status: "unreachable" as const,
      };
    });
}

function marksOf(seen: Survey): Listing["dormant"] {
  return seen.observations
    .flatMap((each) => (each.status === "complete" ? each.dormant : []))
    .map((mark) => ({
      address: mark.address,
      since: new Date(mark.since).toISOString(),
      reason: mark.reason,
    }))
    .toSorted((a, b) => (a.address < b.address ? -1 : 1));
}
