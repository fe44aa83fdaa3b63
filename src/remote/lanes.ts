/**
 * The connections to one host, and who uses them. Commands share one connection up to a bound below sshd's MaxSessions;
 * what runs for long makes another one open, so that nobody waits for it. A connection that went is made again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { hasKind, SandkeepError } from "../errors.ts";
import type { Transport } from "./transport.ts";

/** sshd allows 10 by default, and frees a slot late. */
const CHANNELS = 4;
const MOST_LANES = 8;
const CONNECT_TRIES = 4;
const PAUSE_MS = 200;

interface Lane {
  readonly transport: Promise<Transport>;
  used: number;
  /** Streams to sockets, which sshd does not count. */
  streams: number;
  cap: number;
  dead: boolean;
}

export interface Slot {
  readonly transport: Transport;
  release(): void;
  /** The host allowed fewer sessions than we thought. */
  narrow(): void;
  /** It answers no more: nobody is to be given it again. */
  discard(): void;
}

export class Lanes implements AsyncDisposable {
  readonly #connect: () => Promise<Transport>;
  readonly #waiting: (() => void)[] = [];
  #lanes: Lane[] = [];
  #closed = false;

  constructor(connect: () => Promise<Transport>) {
    this.#connect = connect;
  }

  /** Of sessions the host bounds how many one connection has; all streams share the first one that there is. */
  async take(use: "used" | "streams" = "used"): Promise<Slot> {
    for (;;) {
      if (this.#closed) throw closed();
      const lane = this.#free(use) ?? this.#open();
      if (lane === undefined) {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
        continue;
      }
      lane[use] += 1;
      const transport = await lane.transport.catch((thrown: unknown) => {
        this.#leave(lane, use);
        this.#drop(lane);
        throw thrown;
      });
      if (transport.alive() && !lane.dead) return this.#slot(lane, use, transport);
      this.#leave(lane, use);
      this.#drop(lane);
    }
  }

  #free(use: "used" | "streams"): Lane | undefined {
    return this.#lanes.find((lane) => !lane.dead && (use === "streams" || lane.used < lane.cap));
  }

  #open(): Lane | undefined {
    if (this.#lanes.length >= MOST_LANES) return undefined;
    const lane: Lane = {
      transport: persistently(this.#connect),
      used: 0,
      streams: 0,
      cap: CHANNELS,
      dead: false,
    };
    lane.transport.catch(() => undefined);
    this.#lanes.push(lane);
    return lane;
  }

  #slot(lane: Lane, use: "used" | "streams", transport: Transport): Slot {
    transport.hold(true);
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      this.#leave(lane, use);
      if (lane.used + lane.streams === 0) transport.hold(false);
    };
    return {
      transport,
      release,
      narrow: () => {
        lane.cap = Math.max(1, Math.min(lane.cap, lane.used - 1));
      },
      discard: () => this.#drop(lane),
    };
  }

  #leave(lane: Lane, use: "used" | "streams"): void {
    lane[use] -= 1;
    this.#waiting.shift()?.();
  }

  #drop(lane: Lane): void {
    if (lane.dead) return;
    lane.dead = true;
    this.#lanes = this.#lanes.filter((each) => each !== lane);
    this.#waiting.shift()?.();
    // Also one that is gone already has left something behind.
    void Promise.allSettled([lane.transport.then(async (each) => each[Symbol.asyncDispose]())]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const lanes = this.#lanes;
    this.#lanes = [];
    for (const wake of this.#waiting.splice(0)) wake();
    await Promise.allSettled(lanes.map(async (lane) => (await lane.transport)[Symbol.asyncDispose]()));
  }
}

/** Above MaxStartups sshd hangs up on newcomers; a host that is down or refuses us does not get better by asking. */
async function persistently(connect: () => Promise<Transport>): Promise<Transport> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await connect();
    } catch (thrown) {
      if (tries >= CONNECT_TRIES || !isHangUp(thrown)) throw thrown;
      await sleep(PAUSE_MS * 2 ** tries * (0.5 + Math.random() / 2));
    }
  }
}

function isHangUp(thrown: unknown): boolean {
  if (!hasKind(thrown, "unreachable")) return false;
  return /closed|reset|EPIPE|handshake/i.test(thrown.message) && !/timed out/i.test(thrown.message);
}

function closed(): SandkeepError {
  return new SandkeepError("the connection was closed", { code: "SSH_CLOSED", kind: "unreachable" });
}
