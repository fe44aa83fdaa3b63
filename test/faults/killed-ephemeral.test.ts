// A run with a sandbox of its own dies at each of its driver calls. Nothing of it stays, and nothing else is touched.
import PQueue from "p-queue";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { watch } from "../../controllers/watch.ts";
import { discard } from "../../src/apply/streams.ts";
import { runCommand } from "../../src/runs/run.ts";
import { HOUR, Lab, acting, portrait } from "../support/memory-fleet.ts";

// A process that hangs in this one must not go on with its heartbeats when it is counted as dead.
beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval"] }));
afterEach(() => void vi.useRealTimers());

const CONFIG = {
  sandbox: { backend: "docker", docker: { image: "img:a" }, setup: ["true"], egress: { allow: ["a.test"] } },
  agents: { a: {} },
};

async function scene(): Promise<Lab> {
  const lab = new Lab();
  await lab.write(CONFIG);
  await lab.apply();
  lab.world.resetCalls();
  return lab;
}

async function run(lab: Lab, keep = false): Promise<number> {
  const io = { stdout: discard(), stderr: discard() };
  const request = { argv: ["exit", "7"], env: {}, ephemeral: { keep } };
  const answer = await runCommand(lab.engine(), request, io);
  if (answer.status === "invalid") throw new Error("the config is invalid");
  return answer.manifest.exit_code;
}

const passing = (lab: Lab): string[] =>
  lab.objects().flatMap(({ name, decoded }) => (decoded?.role === "primary" ? [] : [name]));
const networks = (lab: Lab): number => lab.world.machine().networks.size;

async function callsOfRun(): Promise<number> {
  await using lab = await scene();
  expect(await run(lab)).toBe(7);
  expect(passing(lab)).toEqual([]);
  expect(networks(lab)).toBe(1);
  return lab.world.log.length;
}

/** Which call of a run is the last of this kind. */
async function callOf(op: string): Promise<number> {
  await using lab = await scene();
  await run(lab);
  const nth = lab.world.log.findLastIndex((call) => call.op === op) + 1;
  expect(nth).toBeGreaterThan(0);
  return nth;
}

interface Death {
  readonly nth: number;
  readonly when: "before" | "after";
}

async function killed({ nth, when }: Death): Promise<Lab> {
  const lab = await scene();
  lab.world.inject({ nth, effect: { kind: "kill", when, how: "hang" } });
  await Promise.race([lab.world.killed(), run(lab).catch(() => undefined)]);
  lab.world.clearFaults();
  return lab;
}

async function deaths(): Promise<Death[]> {
  const calls = await callsOfRun();
  return Array.from({ length: calls }, (_, index) => index + 1).flatMap((nth) =>
    (["before", "after"] as const).map((when) => ({ nth, when })),
  );
}

/** Several worlds at a time: most of an apply is waiting for files. */
async function each(all: readonly Death[], work: (death: Death) => Promise<void>): Promise<void> {
  const queue = new PQueue({ concurrency: 8 });
  await queue.addAll(all.map((death) => () => work(death)));
}

it("leaves nothing that the next apply or prune of its machine does not remove at once", async () => {
  await each(await deaths(), async (death) => {
    const told = `call ${death.nth}, ${death.when}`;
    await using lab = await killed(death);
    const declared = lab.primaries().map(portrait);
    await lab.inherit("one", "heir");
    lab.world.revive();
    const intent =
      death.nth % 2 === 0 ? { mode: "apply" as const } : { mode: "prune" as const, orphans: false };
    const { result } = await lab.apply({ intent }, "heir");
    expect(result.exit_code, told).toBe(0);
    expect(passing(lab), told).toEqual([]);
    // A prune makes no plans about networks that are without a runtime.
    const { result: second } = await lab.apply({}, "heir");
    expect(second.exit_code, told).toBe(0);
    expect(networks(lab), told).toBe(1);
    expect(lab.primaries().map(portrait), told).toEqual(declared);
    expect(acting(await lab.plan({}, "heir")), told).toEqual([]);
  });
});

it("leaves nothing that a watch does not remove by itself", async () => {
  await using lab = await killed({ nth: await callOf("exec"), when: "before" });
  const declared = lab.primaries().map(portrait);
  expect(passing(lab)).toHaveLength(1);
  await lab.inherit("one", "heir");
  lab.world.revive();
  const options = { once: true, signal: new AbortController().signal };
  expect(await watch(lab.engine("heir"), options)).toBe(0);
  expect(passing(lab)).toEqual([]);
  expect(networks(lab)).toBe(1);
  expect(lab.primaries().map(portrait)).toEqual(declared);
});

it("leaves nothing that another machine does not remove once its time is past", async () => {
  const after = (await deaths()).filter(({ when }) => when === "after");
  await each(after, async (death) => {
    const told = `call ${death.nth}`;
    await using lab = await killed(death);
    lab.world.revive();
    const left = passing(lab);
    await lab.apply({}, "two");
    expect(passing(lab), told).toEqual(left);
    lab.time.advance(2 * HOUR);
    await lab.apply({}, "two");
    expect(passing(lab), told).toEqual([]);
    expect(networks(lab), told).toBe(1);
  });
});

it("is never taken for what a dead one left while it runs, nor for an orphan", async () => {
  await using lab = await scene();
  const seen: string[] = [];
  lab.world.inject({
    op: "exec",
    matches: ({ subject }) => !lab.primaries().some(({ id }) => id === subject) && passing(lab).length > 0,
    // After the setup of `.new` comes the command itself.
    nth: 2,
    effect: {
      kind: "hook",
      when: "before",
      run: async () => {
        lab.time.advance(5 * HOUR);
        const plan = await lab.plan();
        seen.push(...plan.orphans.map(({ address }) => address));
        seen.push(...acting(plan).map(({ address, actions }) => `${address} ${actions.join()}`));
        await lab.apply();
        await lab.intent({ mode: "prune", orphans: true });
      },
    },
  });
  expect(await run(lab)).toBe(7);
  expect(seen).toEqual([]);
  expect(passing(lab)).toEqual([]);
});

it("stays with --keep until its time is up, and is no more than used in between", async () => {
  await using lab = await scene();
  expect(await run(lab, true)).toBe(7);
  const [kept] = lab.objects().filter(({ decoded }) => decoded?.role === "ephemeral");
  const address = kept?.decoded?.address ?? "";
  await lab.apply();
  await lab.intent({ mode: "prune", orphans: true });
  expect(passing(lab)).toHaveLength(1);
  const io = { stdout: discard(), stderr: discard() };
  const again = await runCommand(lab.engine(), { argv: ["exit", "5"], env: {}, inside: address }, io);
  expect(again).toMatchObject({ manifest: { exit_code: 5, address, ephemeral: null } });
  expect(passing(lab)).toHaveLength(1);
  lab.time.advance(2 * HOUR);
  await lab.apply();
  expect(passing(lab)).toEqual([]);
  const gone = runCommand(lab.engine(), { argv: ["true"], env: {}, inside: address }, io);
  await expect(gone).rejects.toMatchObject({ code: "NO_SUCH_RUNTIME", exitCode: 64 });
});
