import { expect, it } from "vitest";
import { endOf } from "../../src/apply/command.ts";
import { Bench } from "./applying.ts";
import { wish } from "../support/runtimes.ts";

const a = wish({ address: "agent/a" });

it("a command that ends tells its code", async () => {
  const handle = {
    result: Promise.resolve({ exitCode: 7 }),
    signal: async () => undefined,
    resize: async () => undefined,
  };
  expect(await endOf(handle, new AbortController().signal)).toBe(7);
});

it("a command whose time is up is killed and not waited for", async () => {
  const signals: string[] = [];
  const handle = {
    result: new Promise<never>(() => undefined),
    signal: async (name: string) => void signals.push(name),
    resize: async () => undefined,
  };
  await expect(endOf(handle, AbortSignal.timeout(20))).rejects.toMatchObject({ code: "COMMAND_TIMEOUT" });
  expect(signals).toEqual(["SIGKILL"]);
});

it("a live change does not mind a use that goes on meanwhile: it ends nothing", async () => {
  const bench = new Bench({ lifecycle: "directory" });
  await bench.run({ desired: [a] });
  const changed = wish({ address: "agent/a", settings: { env: { A: "2" } } });
  const inUse = { useOf: async () => ({ open: true, last: bench.now }) };
  const result = await bench.run({ desired: [changed] }, inUse);
  expect(result.outcomes.map((each) => each.status)).toEqual(["done"]);
});

it("a creation whose connection broke after it happened is found again", async () => {
  const bench = new Bench();
  bench.world.inject({ op: "create", effect: { kind: "fail", when: "after", as: "unreachable" } });
  const result = await bench.run({ desired: [a] });
  expect(result.outcomes.map((each) => each.status)).toEqual(["done"]);
  expect(bench.world.find(a.name)).toBeDefined();
});
