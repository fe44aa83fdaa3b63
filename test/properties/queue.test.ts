import fc from "fast-check";
import { expect, test } from "vitest";
import { runPool } from "../../src/loop/pool.ts";
import { type Priority, WorkQueue } from "../../src/loop/queue.ts";
import { VirtualClock, rest, settle } from "../loop/virtual-clock.ts";

const KEYS = ["fleet", "a", "b", "c", "d"];
const key = fc.constantFrom(...KEYS);
const priority = fc.constantFrom<Priority>("normal", "low");

/** What the queue owes: keys added since they were last handed out. */
interface Model {
  readonly owed: Set<string>;
  readonly working: Set<string>;
}

interface Real {
  readonly clock: VirtualClock;
  readonly queue: WorkQueue;
}

type Command = fc.AsyncCommand<Model, Real>;

class Add implements Command {
  readonly key: string;
  readonly priority: Priority;
  constructor(added: string, at: Priority) {
    this.key = added;
    this.priority = at;
  }
  check(): boolean {
    return true;
  }
  async run(model: Model, { queue }: Real): Promise<void> {
    queue.add(this.key, this.priority);
    model.owed.add(this.key);
  }
  toString = (): string => `add(${this.key}, ${this.priority})`;
}

class AddLater implements Command {
  readonly key: string;
  readonly ms: number;
  constructor(added: string, ms: number) {
    this.key = added;
    this.ms = ms;
  }
  check(): boolean {
    return true;
  }
  async run(model: Model, { queue, clock }: Real): Promise<void> {
    queue.addAfter(this.key, this.ms, "low");
    clock.advance(this.ms);
    model.owed.add(this.key);
  }
  toString = (): string => `addAfter(${this.key}, ${this.ms})`;
}

class Take implements Command {
  readonly limit: number;
  constructor(limit: number) {
    this.limit = limit;
  }
  check({ owed, working }: Readonly<Model>): boolean {
    return [...owed].some((each) => !working.has(each));
  }
  async run({ owed, working }: Model, { queue }: Real): Promise<void> {
    const keys = await queue.take(this.limit);
    expect(keys.length).toBeGreaterThan(0);
    expect(keys.length).toBeLessThanOrEqual(this.limit);
    for (const each of keys) {
      expect(working.has(each), `${each} is worked on twice at once`).toBe(false);
      expect(owed.delete(each), `${each} was handed out though nobody asked`).toBe(true);
      working.add(each);
    }
  }
  toString = (): string => `take(${this.limit})`;
}

class Done implements Command {
  readonly index: number;
  constructor(index: number) {
    this.index = index;
  }
  check({ working }: Readonly<Model>): boolean {
    return working.size > 0;
  }
  async run({ working }: Model, { queue }: Real): Promise<void> {
    const each = [...working][this.index % working.size] ?? "";
    working.delete(each);
    queue.done(each);
  }
  toString = (): string => `done(#${this.index})`;
}

const commands = fc.commands(
  [
    fc.tuple(key, priority).map(([each, at]) => new Add(each, at)),
    fc.tuple(key, fc.nat(5000)).map(([each, ms]) => new AddLater(each, ms)),
    fc.integer({ min: 1, max: 4 }).map((limit) => new Take(limit)),
    fc.nat(4).map((index) => new Done(index)),
  ],
  { maxCommands: 60 },
);

test("one key is never worked on twice at once, and nothing added is lost", async () => {
  await fc.assert(
    fc.asyncProperty(commands, async (sequence) => {
      const clock = new VirtualClock();
      const model: Model = { owed: new Set(), working: new Set() };
      const real: Real = { clock, queue: new WorkQueue({ clock, patience: 2000 }) };
      await fc.asyncModelRun(() => ({ model, real }), sequence);
      for (const each of model.working) real.queue.done(each);
      expect(new Set(await rest(real.queue))).toEqual(model.owed);
    }),
    { numRuns: 300 },
  );
});

test("no key starves, whatever else is added without end", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(key, { minLength: 1, maxLength: 4 }), { minLength: 40, maxLength: 40 }),
      fc.boolean(),
      async (flood, victimIsLow) => {
        const clock = new VirtualClock();
        const queue = new WorkQueue({ clock, patience: 1000 });
        queue.add("victim", victimIsLow ? "low" : "normal");
        let waited = 0;
        for (const keys of flood) {
          for (const each of keys) queue.add(each, victimIsLow ? "normal" : "low");
          const [taken = ""] = await queue.take(1);
          queue.done(taken);
          if (taken === "victim") break;
          waited += 1;
          clock.advance(100);
        }
        // Ten rounds make up the patience; the victim is the next one then.
        expect(waited).toBeLessThanOrEqual(victimIsLow ? 10 : 0);
      },
    ),
  );
});

test("workers in any interleaving: exclusive per key, everything served, and a drain ends", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(fc.tuple(key, priority), { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      async (scheduler, additions, workers, batch) => {
        const queue = new WorkQueue({ clock: new VirtualClock() });
        const working = new Set<string>();
        const version = new Map<string, number>();
        const served = new Map<string, number>();
        const pool = runPool({
          queue,
          workers,
          batch,
          failed: (_, error) => expect.fail(error.message),
          work: async (keys) => {
            const read = keys.map((each) => [each, version.get(each) ?? 0] as const);
            for (const each of keys) {
              expect(working.has(each)).toBe(false);
              working.add(each);
            }
            await scheduler.schedule(Promise.resolve(), `work ${keys.join()}`);
            for (const [each, seen] of read) {
              working.delete(each);
              served.set(each, seen);
            }
          },
        });
        const adding = additions.map(async ([each, at], index) => {
          await scheduler.schedule(Promise.resolve(), `add ${each}`);
          version.set(each, index + 1);
          queue.add(each, at);
        });
        await scheduler.waitFor(
          (async () => {
            await Promise.all(adding);
            const behind = (each: string): boolean => served.get(each) !== version.get(each);
            while (working.size > 0 || [...version.keys()].some(behind)) await settle();
          })(),
        );
        expect(served).toEqual(version);
        queue.close();
        await pool;
      },
    ),
    { numRuns: 100 },
  );
});
