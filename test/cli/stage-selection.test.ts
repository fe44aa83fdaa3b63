import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Invocation } from "../../src/cli/invocation.ts";
import { findStages } from "../../src/cli/stage-selection.ts";
import type { DriverModule } from "../../src/drivers/driver.ts";
import type { Engine } from "../../src/reconcile.ts";
import { reconcile } from "../../src/reconcile.ts";
import { stageKeeper } from "../../src/stage/keeper.ts";
import { SANDBOX } from "../runs/ledger.ts";
import { Lab, REMOTE } from "../support/memory-fleet.ts";
import { testStreams } from "./streams.ts";

/** A fleet of three agents that work on another machine, applied. */
async function remoteStages(lab: Lab): Promise<Engine> {
  await mkdir(join(lab.repo, "work"));
  await writeFile(join(lab.repo, "work", "file"), "x");
  const workspace = { access: "rw", source: "work" };
  const sandbox = { ...SANDBOX, host: "b1", writes: "staged", workspace };
  await lab.write({ hosts: REMOTE, sandbox, agents: { a: {}, b: {}, c: {} } });
  const engine = lab.engine();
  const { stateDir, env } = engine;
  const deps = { stateDir, env, now: () => engine.now(), randomId: () => engine.randomId() };
  const staging = { ...engine, stages: stageKeeper(deps) };
  const made = await reconcile(
    staging,
    { intent: { mode: "apply" } },
    { approve: () => Promise.resolve(true) },
  );
  expect(made).toMatchObject({ status: "applied", result: { exit_code: 0 } });
  return staging;
}

function asked(lab: Lab, args: readonly string[], options: Invocation["options"] = {}): Invocation {
  const globals = { json: false, targets: [], logLevel: "info", logFormat: "pretty", colour: false } as const;
  const streams = testStreams();
  return {
    verb: "stage",
    args,
    options,
    globals: { ...globals, quiet: false },
    streams,
    env: {},
    cwd: lab.repo,
  };
}

/** Whose workspaces are opened on the other machine. */
async function fetched(lab: Lab, engine: Engine, invocation: Invocation): Promise<string[]> {
  lab.world.resetCalls();
  expect(await findStages(invocation, engine)).toMatchObject({ status: "found" });
  const opened = lab.world.log.filter(({ op }) => op === "openWorkspace").map(({ subject }) => subject);
  return lab
    .objects()
    .filter(({ id }) => opened.includes(id))
    .map(({ decoded }) => decoded?.address ?? "")
    .toSorted();
}

it.runIf(process.platform === "linux")("only the stages that are meant are fetched", async () => {
  await using lab = new Lab();
  const engine = await remoteStages(lab);
  const all = ["agent/a", "agent/b", "agent/c"];
  expect(await fetched(lab, engine, asked(lab, ["list"]))).toEqual(all);
  expect(await fetched(lab, engine, asked(lab, ["diff", "agent/b"]))).toEqual(["agent/b"]);
  expect(await fetched(lab, engine, asked(lab, ["diff"], { agent: "c" }))).toEqual(["agent/c"]);
  const two = { ...asked(lab, ["list"]) };
  const globals = { ...two.globals, targets: ["agent/a", "agent/c"] };
  expect(await fetched(lab, engine, { ...two, globals })).toEqual(["agent/a", "agent/c"]);
});

it.runIf(process.platform === "linux")("stages are fetched side by side", async () => {
  await using lab = new Lab();
  const engine = await remoteStages(lab);
  let [begun, all]: [number, () => void] = [0, () => undefined];
  const together = new Promise<void>((resolve) => (all = resolve));
  const module = await engine.drivers["docker"]?.();
  if (module === undefined) throw new Error("there is no driver");
  // None is answered before the last one is asked.
  const open: DriverModule["open"] = async (host, deps) => {
    begun += 1;
    if (begun === 3) all();
    await together;
    return await module.open(host, deps);
  };
  const drivers = { docker: () => Promise.resolve({ ...module, open }) };
  const room = await findStages(asked(lab, ["list"]), { ...engine, drivers });
  expect(room).toMatchObject({ status: "found", away: new Map() });
  expect(begun).toBe(3);
});
