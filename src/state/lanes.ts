/**
 * Turns on an endpoint, over all processes that share a state directory: a file an endpoint, changed under its mutex. In:
 * bounds, and who asks. Out: a ticket whose turn comes, or a refusal. What a killed process held is free again for the next
 * one that looks.
 */
import { randomUUID } from "node:crypto";
import { join as joinPath } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SandkeepError } from "../errors.ts";
import type { LaneBounds, LaneUse, ListedLane } from "../model/lanes.ts";
import { encodeFileName } from "../util/file-name.ts";
import { liveness, ownIdentity } from "../util/process-identity.ts";
import type { ProblemSink } from "./files.ts";
import { listNames, readJson, writeJson } from "./files.ts";
import type { Lane, Ticket } from "./lane-order.ts";
import { admit, emptyLane, join, laneSchema, running, swept, waiting, without } from "./lane-order.ts";
import { withMutex } from "./mutex.ts";

const HEARTBEAT = 5_000;
/** Milliseconds for which a heartbeat from another machine or container counts. */
const FRESH = 30_000;
/** Between two looks of one that waits. */
const LOOK = 100;
const SUFFIX = ".json";

export interface LaneRequest extends LaneBounds {
  /** `buildkit@tcp://…`. */
  readonly engine: string;
  readonly who: Pick<Ticket, "fleet" | "agent" | "session" | "run_id" | "address">;
  readonly now: () => number;
  readonly onProblem?: ProblemSink | undefined;
}

function directory(base: string): string {
  return joinPath(base, "lanes");
}

/** Throws LANE_FULL (exit 75) when too many wait already. */
export async function takeTicket(base: string, request: LaneRequest): Promise<LaneTicket> {
  const ticket = new LaneTicket(joinPath(directory(base), encodeFileName(request.engine) + SUFFIX), request);
  await ticket.enter();
  return ticket;
}

/** A place in the queue and then a slot, until disposed. */
export class LaneTicket implements AsyncDisposable {
  readonly #path: string;
  readonly #request: LaneRequest;
  readonly #own: Omit<Ticket, "arrival" | "started_at" | "heartbeat_at">;
  #timer: NodeJS.Timeout | undefined;
  #last: Ticket | undefined;
  #left = false;

  constructor(path: string, request: LaneRequest) {
    this.#path = path;
    this.#request = request;
    const { who, now } = request;
    this.#own = { id: randomUUID(), ...who, process: ownIdentity(), queued_at: now() };
  }

  async enter(): Promise<void> {
    const { engine, now } = this.#request;
    await this.#change((lane) => {
      const joined = join(lane, { ...this.#own, heartbeat_at: now() }, this.#request, now());
      if (joined === undefined) throw full(engine, lane);
      return joined;
    });
    this.#timer = setInterval(() => void this.#beat().catch(() => undefined), HEARTBEAT);
    this.#timer.unref();
  }

  /** True once it is its turn. */
  get begun(): boolean {
    return this.#last !== undefined && this.#last.started_at !== null;
  }

  /** Resolves with true when it is its turn, with false when `signal` was aborted before. */
  async turn(signal: AbortSignal): Promise<boolean> {
    while (!this.begun) {
      await sleep(LOOK, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return false;
      const lane = await readLane(this.#path, this.#request.onProblem);
      this.#note(lane);
      // Somebody else may have let it begin; else there may be room that nobody has given away yet.
      if (!this.begun && (lane === undefined || hasNews(lane, this.#own.id, this.#request))) {
        await this.#change((each) => each);
      }
    }
    return true;
  }

  async #beat(): Promise<void> {
    if (this.#left) return;
    const { now } = this.#request;
    await this.#change((lane) => ({
      ...lane,
      tickets: lane.tickets.map((each) =>
        each.id === this.#own.id ? { ...each, heartbeat_at: now() } : each,
      ),
    }));
  }

  /** One read, change and write under the mutex, in which the dead leave and whoever has room begins. */
  async #change(work: (lane: Lane) => Lane): Promise<void> {
    const { engine, now, onProblem } = this.#request;
    await withMutex(this.#path, async () => {
      const found = await readJson(this.#path, laneSchema, "quarantine", onProblem);
      const before = this.#restored(found ?? emptyLane(engine, this.#request));
      const lane = admit(work(swept(before, (each) => isGone(each, now()))), this.#request, now());
      await writeJson(this.#path, lane);
      this.#note(lane);
    });
  }

  /** A file that was lost or damaged does not take a place away. */
  #restored(lane: Lane): Lane {
    const last = this.#last;
    if (this.#left || last === undefined || lane.tickets.some((each) => each.id === last.id)) return lane;
    return { ...lane, clock: Math.max(lane.clock, last.arrival), tickets: [...lane.tickets, last] };
  }

  #note(lane: Lane | undefined): void {
    this.#last = lane?.tickets.find((each) => each.id === this.#own.id) ?? this.#last;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#left) return;
    this.#left = true;
    clearInterval(this.#timer);
    await this.#change((lane) => without(lane, this.#own.id));
  }
}

/** Whether a change of the file would let somebody begin, or is owed to one that is not in it any more. */
function hasNews(lane: Lane, id: string, { max_parallel, now }: LaneRequest): boolean {
  if (!lane.tickets.some((each) => each.id === id)) return true;
  return swept(lane, (each) => isGone(each, now())) !== lane || running(lane).length < max_parallel;
}

function isGone({ process, heartbeat_at }: Ticket, now: number): boolean {
  const state = liveness(process);
  return state === "dead" || (state === "unknown" && Math.abs(now - heartbeat_at) > FRESH);
}

function full(engine: string, lane: Lane): SandkeepError {
  const [works, waits] = [running(lane).length, waiting(lane).length];
  return new SandkeepError(`${engine} takes no more: ${works} at work and ${waits} waiting`, {
    code: "LANE_FULL",
    kind: "transient",
    hint: "try again later; `sandkeep lanes` shows who is there",
    exitCode: 75,
  });
}

async function readLane(path: string, onProblem?: ProblemSink): Promise<Lane | undefined> {
  return await readJson(path, laneSchema, "report", onProblem);
}

/** Every endpoint at which somebody is, or was: who works, and who waits in which order. Changes nothing. */
export async function readLanes(base: string, now: number, onProblem?: ProblemSink): Promise<ListedLane[]> {
  const names = (await listNames(directory(base))).filter((name) => name.endsWith(SUFFIX));
  const lanes = await Promise.all(names.map((name) => readLane(joinPath(directory(base), name), onProblem)));
  return lanes.flatMap((found) => {
    if (found === undefined) return [];
    const lane = swept(found, (each) => isGone(each, now));
    const { engine, max_parallel, queue_capacity } = lane;
    return [
      {
        engine,
        max_parallel,
        queue_capacity,
        running: running(lane).map((each) => useOf(each, each.started_at ?? each.queued_at, now)),
        waiting: waiting(lane).map((each) => useOf(each, each.queued_at, now)),
      },
    ];
  });
}

function useOf(
  { fleet, agent, session, run_id, address, process }: Ticket,
  since: number,
  now: number,
): LaneUse {
  return {
    fleet,
    agent,
    session,
    run_id,
    address,
    pid: process.pid,
    machine: process.host,
    since: new Date(since).toISOString(),
    for_s: Math.max(0, Math.round((now - since) / 1000)),
  };
}
