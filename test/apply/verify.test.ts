import { describe, expect, it } from "vitest";
import type { Change } from "../../src/model/plan.ts";
import { wish } from "../support/runtimes.ts";
import { Bench } from "./applying.ts";

const LIMITED = { memory: 1024, network: "none" };
const plain = wish({ settings: { options: LIMITED } });
const attested = wish({ settings: { options: LIMITED, attest: true } });
const more = wish({ settings: { options: { ...LIMITED, memory: 2048 }, attest: true } });

describe("an engine that forgets what it was asked", () => {
  it("fails the creation, which leaves nothing, and the field is named with asked and found", async () => {
    const bench = new Bench();
    bench.world.dropped.add("memory.memory");
    const result = await bench.run({ desired: [plain] });
    expect(result).toMatchObject({
      exit_code: 5,
      outcomes: [
        {
          status: "rolled_back",
          error: {
            code: "NOT_ENFORCED",
            message: "the engine does not enforce memory.memory (asked 1024, found none)",
          },
        },
      ],
    });
    expect(bench.names()).toEqual([]);
  });

  it("fails an update, whose runtime stays as it is", async () => {
    const bench = new Bench();
    await bench.run({ desired: [plain] });
    bench.world.dropped.add("memory.memory");
    const result = await bench.run({ desired: [more] });
    expect(result).toMatchObject({ exit_code: 1, outcomes: [{ action: "update", status: "failed" }] });
    expect(result.outcomes[0]?.error?.message).toContain("memory.memory (asked 2048, found 1024)");
    expect(bench.names()).toEqual([`${plain.name} running`]);
  });

  it("counts where it only says so", async () => {
    const bench = new Bench();
    bench.world.warnings = [
      { path: "memory.memory", message: "Your kernel does not support memory limit capabilities." },
      { path: "memory.cpus", message: "of a limit that nobody asked for" },
      { path: undefined, message: "IPv4 forwarding is disabled" },
    ];
    const result = await bench.run({ desired: [plain] });
    expect(result.outcomes[0]?.error?.message).toBe(
      "the engine does not enforce memory.memory (asked 1024, found none: Your kernel does not support memory limit capabilities.)",
    );
    const notes = bench.events.flatMap((each) => (each.type === "note" ? [each.message] : []));
    expect(notes).toEqual(["agent/a: IPv4 forwarding is disabled"]);
  });
});

describe("an engine that shows a limit and does not keep it", () => {
  it("is believed, unless somebody looks from inside", async () => {
    const bench = new Bench();
    bench.world.unkept.add("memory.memory");
    expect((await bench.run({ desired: [plain] })).exit_code).toBe(0);
    expect(bench.world.log.map(({ op }) => op)).not.toContain("attest");
  });

  it("is found out by attest, and what it made is taken away", async () => {
    const bench = new Bench();
    bench.world.unkept.add("memory.network");
    const result = await bench.run({ desired: [attested] });
    expect(result).toMatchObject({ exit_code: 5, outcomes: [{ status: "rolled_back" }] });
    expect(result.outcomes[0]?.error).toMatchObject({
      code: "NOT_ENFORCED",
      message:
        "seen from inside, the sandbox does not have memory.network (asked none, found none: what holds)",
    });
    expect(bench.names()).toEqual([]);
  });

  it("fails a replacement, and the old one runs on", async () => {
    const bench = new Bench();
    await bench.run({ desired: [plain] });
    bench.world.unkept.add("memory.network");
    const settings = { options: LIMITED, attest: true, env: { A: "2" } };
    const result = await bench.run({ desired: [wish({ settings })] });
    expect(result).toMatchObject({
      exit_code: 5,
      outcomes: [{ status: "rolled_back", reason: "verify failed; the old one runs on" }],
    });
    expect(bench.names()).toEqual([`${plain.name} running`]);
  });

  it("is found out after an update as well", async () => {
    const bench = new Bench();
    await bench.run({ desired: [plain] });
    bench.world.unkept.add("memory.memory");
    expect(await bench.run({ desired: [more] })).toMatchObject({
      exit_code: 1,
      outcomes: [{ action: "update", status: "failed", error: { code: "NOT_ENFORCED" } }],
    });
  });
});

describe("attest", () => {
  it("has time for its commands, which take their turn on the engine", async () => {
    const bench = new Bench();
    const wishes = ["a", "b", "c"].map((name) =>
      wish({ address: `agent/${name}`, settings: attested.settings }),
    );
    const plan = await bench.plan({ desired: wishes });
    const nodes = plan.graph.filter(({ op }) => op === "verify");
    expect(nodes.map((node) => node.timeout_s)).toEqual([180, 180, 180]);
    const driver = await bench.open();
    let [now, most] = [0, 0];
    const looking: typeof driver.attest = async (...args) => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((done) => setTimeout(done, 5));
      now -= 1;
      return driver.attest(...args);
    };
    const drivers = new Map([["memory@local", { ...driver, attest: looking }]]);
    expect((await bench.apply(plan, { drivers, parallelism: 1 })).exit_code).toBe(0);
    expect(most).toBe(1);
  });

  it("fails where nothing can be looked at: what is not known is not proved", async () => {
    const bench = new Bench();
    bench.world.blind = true;
    const { outcomes } = await bench.run({ desired: [attested] });
    expect(outcomes[0]).toMatchObject({ status: "rolled_back", error: { code: "NOT_ENFORCED" } });
    expect(outcomes[0]?.error?.message).toContain("not known: nobody can look");
    expect(outcomes[0]?.error?.hint).toContain("sandbox.attest = false");
  });

  it("writes what it found to the journal, good or bad, and is no use of the runtime", async () => {
    const bench = new Bench();
    await bench.run({ desired: [attested] });
    const told = bench.journal.filter(({ op }) => op === "verify");
    expect(told).toMatchObject([
      {
        phase: "result",
        status: "done",
        object_id: expect.any(String),
        checks: [
          { path: "workspace.access", status: "held" },
          { path: "memory.memory", status: "held", asked: 1024, found: 1024 },
          { path: "memory.network", status: "held" },
        ],
      },
    ]);
    expect(bench.writes()).not.toContain("exec");
    bench.world.unkept.add("memory.memory");
    await bench.run({ desired: [more] });
    expect(bench.journal.filter(({ op }) => op === "verify").at(-1)).toMatchObject({ status: "failed" });
  });

  it("is no part of what a runtime is: turned on, it changes nothing that stands", async () => {
    const bench = new Bench();
    await bench.run({ desired: [plain] });
    expect(attested.spec_hash).toBe(plain.spec_hash);
    const { changes } = await bench.plan({ desired: [attested] });
    expect(changes.map((each: Change) => each.actions)).toEqual([["no-op"]]);
  });
});
