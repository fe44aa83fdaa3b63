/**
 * In: what one cycle planned and what came of it. Out: what the loop is to remember and when to look again.
 * Pure: it decides nothing about runtimes, only about attention.
 */
import type { Input } from "../src/loop/backoff.ts";
import { isNetworkKey } from "../src/model/network.ts";
import type { ApplyResult, Outcome } from "../src/model/outcome.ts";
import { ROLLOUT_PAUSED } from "../src/model/outcome-codes.ts";
import type { Change, Plan } from "../src/model/plan.ts";
import { inputOf } from "./input.ts";

export interface Attempt {
  readonly address: string;
  readonly input: Input;
  /** Of what it failed, else what for it was made. */
  readonly why: string;
}

export type FollowUp =
  /** Was started or made anew, whatever came of it; too many of these stall the address. */
  | ({ readonly kind: "started" } & Attempt)
  /** Did not come to be: tried again after a back-off. */
  | ({ readonly kind: "failed" } & Attempt)
  /** Needs nothing now. */
  | { readonly kind: "healthy"; readonly address: string }
  /** Worth a look at that time, milliseconds since the epoch. */
  | { readonly kind: "again"; readonly address: string; readonly at: number }
  /** Put off until it is idle, whenever that is. */
  | { readonly kind: "soon"; readonly address: string }
  /** Could not be seen: tried again after a back-off, while everything else goes on. */
  | { readonly kind: "unobserved"; readonly engine: string; readonly why: string }
  | { readonly kind: "observed"; readonly engine: string };

export interface Cycle {
  readonly plan: Plan;
  readonly result: ApplyResult;
  /** Addresses of which the executor told that it started or created them. */
  readonly started: ReadonlySet<string>;
  /** Addresses that something is remembered of and that this cycle was free to touch. */
  readonly watched: readonly string[];
}

/** How each outcome is read; the first row that fits decides. */
const OUTCOMES: readonly {
  readonly fits: (outcome: Outcome, putOff: boolean) => boolean;
  readonly why: ((outcome: Outcome) => string) | undefined;
}[] = [
  { fits: ({ status }) => status === "done", why: undefined },
  // Busy, held and guarded changes have a time or a person of their own to wait for.
  { fits: ({ status }, putOff) => status === "skipped" && putOff, why: undefined },
  // Who waits for another's success has not failed: it goes on when that one does.
  { fits: ({ status, error }) => status === "skipped" && error?.code === ROLLOUT_PAUSED, why: undefined },
  { fits: ({ status }) => status === "skipped", why: ({ reason }) => reason },
  { fits: ({ status }) => status === "stale", why: ({ reason }) => reason },
  {
    fits: () => true,
    why: ({ error, reason }) => (error === null ? reason : `${error.code}: ${error.message}`),
  },
];

export function followUps(cycle: Cycle): FollowUp[] {
  const { plan } = cycle;
  const changes = new Map(plan.changes.map((change) => [change.address, change]));
  const putOff = new Set([...plan.blocked, ...plan.held].map(({ address }) => address));
  const failed = failures(cycle, changes, putOff);
  return [
    ...[...cycle.started].map((address): FollowUp => {
      const change = changes.get(address);
      const why = failed.get(address)?.why ?? change?.why ?? "";
      return { kind: "started", address, input: inputOf(change, plan), why };
    }),
    ...[...failed.values()].map((each): FollowUp => ({ kind: "failed", ...each })),
    ...health(cycle, changes, putOff).filter((each) => !failed.has(each.address)),
    ...times(plan),
    ...engines(plan),
  ];
}

function failures(
  { plan, result }: Cycle,
  changes: ReadonlyMap<string, Change>,
  putOff: ReadonlySet<string>,
): Map<string, Attempt> {
  const failed = new Map<string, Attempt>();
  for (const outcome of result.outcomes) {
    const row = OUTCOMES.find(({ fits }) => fits(outcome, putOff.has(outcome.address)));
    const why = row?.why?.(outcome);
    if (why === undefined) continue;
    const addresses = isNetworkKey(outcome.address)
      ? restingUsers(outcome, plan).filter((each) => isNoOp(changes.get(each)) && !putOff.has(each))
      : [outcome.address];
    for (const address of addresses) {
      const input = inputOf(changes.get(address), plan);
      if (!failed.has(address)) failed.set(address, { address, input, why });
    }
  }
  return failed;
}

/**
 * Who is on a network that could not be mended. Those that change fail by themselves; the others must back off too,
 * because every attempt is an event of theirs, which would bring on the next one at once.
 */
function restingUsers({ address, status }: Outcome, { networks = [] }: Plan): string[] {
  if (status !== "failed") return [];
  return networks.filter(({ network }) => network === address).flatMap(({ users }) => users);
}

function health(
  { plan, watched }: Cycle,
  changes: ReadonlyMap<string, Change>,
  putOff: ReadonlySet<string>,
): Extract<FollowUp, { kind: "healthy" }>[] {
  // What could not be seen is not healthy, and an incomplete plan does not say what it left out.
  if (!plan.complete) return [];
  return watched
    .filter((address) => isNoOp(changes.get(address)) && !putOff.has(address))
    .map((address) => ({ kind: "healthy", address }));
}

export function isNoOp(change: Change | undefined): boolean {
  return change === undefined || change.actions.every((action) => action === "no-op");
}

function times({ blocked, held }: Plan): FollowUp[] {
  const until = [
    ...blocked.map((each) => [each.address, each.until] as const),
    ...held.map((each) => [each.address, each.until === null ? null : Date.parse(each.until)] as const),
  ];
  const known = until.flatMap(([address, at]): FollowUp[] =>
    at === null || Number.isNaN(at) ? [] : [{ kind: "again", address, at }],
  );
  // A paused rollout goes on by a success, not by time.
  const deferred = blocked.filter((each) => each.deferred && each.rule !== "rollout");
  return [...known, ...deferred.map(({ address }): FollowUp => ({ kind: "soon", address }))];
}

function engines(plan: Plan): FollowUp[] {
  return plan.observed.flatMap(({ backend, host, status, message }): FollowUp[] => {
    const engine = `${backend}@${host}`;
    if (status === "complete") return [{ kind: "observed", engine }];
    // An engine that only the state directory remembers does not make a plan incomplete, and is not waited for.
    return plan.complete ? [] : [{ kind: "unobserved", engine, why: message ?? "no answer" }];
  });
}
