/**
 * Who may work on an endpoint, and who is next. Pure: tickets in, tickets out. Agents take turns, and each agent's commands
 * keep their order; who is dead, and what time it is, come in as values.
 */
import * as z from "zod";
import type { LaneBounds } from "../model/lanes.ts";
import { processIdentitySchema } from "./processes.ts";

export const ticketSchema = z.object({
  id: z.string(),
  fleet: z.string(),
  agent: z.string(),
  session: z.string(),
  run_id: z.string(),
  address: z.string(),
  process: processIdentitySchema,
  /** Order of arrival. */
  arrival: z.int().nonnegative(),
  /** Milliseconds since the epoch. */
  queued_at: z.number(),
  /** Null while it waits. */
  started_at: z.number().nullable(),
  heartbeat_at: z.number(),
});
export type Ticket = z.infer<typeof ticketSchema>;

export const laneSchema = z.object({
  v: z.literal(1),
  /** `buildkit@tcp://…`. */
  engine: z.string(),
  max_parallel: z.int().positive(),
  queue_capacity: z.int().nonnegative(),
  /** Rises with each arrival and each start. */
  clock: z.int().nonnegative(),
  /** When an agent's turn last was, by that clock. */
  served: z.record(z.string(), z.int().nonnegative()),
  tickets: z.array(ticketSchema),
});
export type Lane = z.infer<typeof laneSchema>;

/** Agents whose last turn is remembered; of more, the ones longest ago are forgotten, and go first when they come again. */
const REMEMBERED = 256;

export function emptyLane(engine: string, bounds: LaneBounds): Lane {
  return { v: 1, engine, ...bounds, clock: 0, served: {}, tickets: [] };
}

/** Agents of other fleets are others. */
export function turnKey({ fleet, agent }: Pick<Ticket, "fleet" | "agent">): string {
  return `${fleet}/${agent}`;
}

export const running = ({ tickets }: Lane): readonly Ticket[] =>
  tickets
    .filter((each) => each.started_at !== null)
    .toSorted((a, b) => (a.started_at ?? 0) - (b.started_at ?? 0));

/** In the order in which they would begin if nobody else came. */
export function waiting(lane: Lane): readonly Ticket[] {
  const order: Ticket[] = [];
  let left = { ...lane, tickets: lane.tickets.filter((each) => each.started_at === null) };
  for (let next = nextUp(left); next !== undefined; next = nextUp(left)) {
    order.push(next);
    left = without(served(left, next), next.id);
  }
  return order;
}

/** The earliest of the agent that has waited longest for a turn. */
function nextUp({ tickets, served: turns }: Lane): Ticket | undefined {
  return tickets
    .filter((each) => each.started_at === null)
    .toSorted((a, b) => turnOf(turns, a) - turnOf(turns, b) || a.arrival - b.arrival)[0];
}

function turnOf(turns: Lane["served"], ticket: Ticket): number {
  const key = turnKey(ticket);
  return Object.hasOwn(turns, key) ? (turns[key] ?? -1) : -1;
}

function served(lane: Lane, ticket: Ticket): Lane {
  const clock = lane.clock + 1;
  const turns = Object.entries({ ...lane.served, [turnKey(ticket)]: clock });
  const kept = turns.toSorted(([, a], [, b]) => b - a).slice(0, REMEMBERED);
  return { ...lane, clock, served: Object.fromEntries(kept) };
}

/** Lets as many begin as there is room for. */
export function admit(lane: Lane, { max_parallel }: Pick<LaneBounds, "max_parallel">, now: number): Lane {
  let at = lane;
  while (running(at).length < max_parallel) {
    const next = nextUp(at);
    if (next === undefined) break;
    const begun = { ...next, started_at: now };
    const turned = served(at, next);
    at = { ...turned, tickets: turned.tickets.map((each) => (each.id === next.id ? begun : each)) };
  }
  return at;
}

/** With one more, which begins where there is room; undefined when too many wait already. */
export function join(
  lane: Lane,
  ticket: Omit<Ticket, "arrival" | "started_at">,
  bounds: LaneBounds,
  now: number,
): Lane | undefined {
  const clock = lane.clock + 1;
  const arrived = { ...ticket, arrival: clock, started_at: null };
  const joined = admit({ ...lane, ...bounds, clock, tickets: [...lane.tickets, arrived] }, bounds, now);
  const waits = joined.tickets.filter((each) => each.started_at === null).length;
  // One that begins at once waits for nobody, however many places there are to wait.
  const began = joined.tickets.some((each) => each.id === ticket.id && each.started_at !== null);
  return began || waits <= bounds.queue_capacity ? joined : undefined;
}

export function without(lane: Lane, id: string): Lane {
  return { ...lane, tickets: lane.tickets.filter((each) => each.id !== id) };
}

/** Without those whose process is no more. */
export function swept(lane: Lane, isGone: (ticket: Ticket) => boolean): Lane {
  const tickets = lane.tickets.filter((each) => !isGone(each));
  return tickets.length === lane.tickets.length ? lane : { ...lane, tickets };
}
