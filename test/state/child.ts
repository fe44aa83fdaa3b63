// Another sandkeep process for the tests: obeys one command a line on stdin, answers one line each on stdout.
import { readFile, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { SandkeepError } from "../../src/errors.ts";
import { lockAddress } from "../../src/state/address-lock.ts";
import { fleetState, ownerId } from "../../src/state/directory.ts";
import { recordEvents } from "../../src/state/events.ts";
import { hold } from "../../src/state/holds.ts";
import type { LaneTicket } from "../../src/state/lanes.ts";
import { takeTicket } from "../../src/state/lanes.ts";
import type { Lease } from "../../src/state/lease.ts";
import { acquireLease } from "../../src/state/lease.ts";
import { openRun } from "../../src/state/open-runs.ts";
import { stateKey } from "../../src/state/secret-key.ts";

const [base = "", fleet = "", ttl = "30000"] = process.argv.slice(2);
const state = fleetState(base, fleet);
const ttlMs = Number(ttl);
let lease: Lease | undefined;
let ticket: LaneTicket | undefined;

/** A lost update would show: reads, lets others run, writes one more. */
async function count(path: string): Promise<void> {
  const before = Number(await readFile(path, "utf8"));
  await new Promise((resolve) => setTimeout(resolve, 2));
  await writeFile(path, String(before + 1));
}

const commands: Record<string, (...args: string[]) => Promise<string>> = {
  async lease(waitMs = "0") {
    lease = await acquireLease(state, { now: Date.now, ttlMs, waitMs: Number(waitMs) });
    return `version ${lease.version}`;
  },
  async assert() {
    await lease?.assertHeld();
    return "held";
  },
  async release() {
    await lease?.[Symbol.asyncDispose]();
    return "released";
  },
  async race(counter = "", rounds = "1") {
    const versions: number[] = [];
    for (let round = 0; round < Number(rounds); round += 1) {
      await using mine = await acquireLease(state, { now: Date.now, ttlMs, waitMs: 30_000 });
      await mine.assertHeld();
      await count(counter);
      versions.push(mine.version);
    }
    return versions.join(",");
  },
  async lock(address = "", waitMs = "0") {
    await lockAddress(state, address, { waitMs: Number(waitMs) });
    return "locked";
  },
  async run(id = "") {
    await openRun(state, { run_id: id, address: "shared", agent: "a", session: "main", now: Date.now });
    return "open";
  },
  /** Answers when its turn has come. */
  async lane(agent = "") {
    const who = { fleet, agent, session: "main", run_id: agent, address: `agent/${agent}` };
    const limits = { max_parallel: 1, queue_capacity: 1 };
    ticket = await takeTicket(base, { engine: "buildkit@x", ...limits, who, now: Date.now });
    return String(await ticket.turn(new AbortController().signal));
  },
  async leave() {
    await ticket?.[Symbol.asyncDispose]();
    return "left";
  },
  async hold(address = "") {
    await hold(state, { address, reason: "test", by: "child", since: 1 });
    return "ok";
  },
  async events(times = "1", limit = "1000000") {
    for (let n = 0; n < Number(times); n += 1) {
      const facts = { type: "cleanup.ended", removed: n, kept: process.pid, failed: 0, bytes: 0 } as const;
      await recordEvents(state, [facts], Date.now(), Number(limit));
    }
    return "recorded";
  },
  async ids() {
    return `${await ownerId(base)} ${(await stateKey(base)).id}`;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name = "", ...args] = line.split(" ");
  const answer = await commands[name]?.(...args).catch((error: unknown) =>
    error instanceof SandkeepError ? error.code : String(error),
  );
  process.stdout.write(`${answer ?? "unknown command"}\n`);
}
