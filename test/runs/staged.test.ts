import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CommandContext } from "../../src/drivers/memory/exec.ts";
import type { Engine } from "../../src/reconcile.ts";
import { reconcile } from "../../src/reconcile.ts";
import { listArtifacts } from "../../src/runs/artifacts.ts";
import { runFolder } from "../../src/runs/layout.ts";
import { stageKeeper } from "../../src/stage/keeper.ts";
import { stageTree } from "../../src/util/stage-place.ts";
import { HOUR, Lab, REMOTE } from "../support/memory-fleet.ts";
import { SANDBOX, labRun } from "./ledger.ts";

const OWNER = { fleet: "team", address: "agent/a" } as const;

/** A fleet with staged writes, its workspace on the disk. */
async function stagedFleet(lab: Lab, files: readonly string[], host?: "b1"): Promise<Engine> {
  await mkdir(join(lab.repo, "work/out"), { recursive: true });
  for (const name of files) await writeFile(join(lab.repo, "work", name), name);
  const sandbox = { ...SANDBOX, writes: "staged", workspace: { access: "rw", source: "work" } };
  const elsewhere = host === undefined ? {} : { hosts: REMOTE };
  await lab.write({ ...elsewhere, sandbox: { ...sandbox, host }, agents: { a: {} } });
  const engine = lab.engine();
  const { stateDir, env } = engine;
  const deps = { stateDir, env, now: () => engine.now(), randomId: () => engine.randomId() };
  return { ...engine, stages: stageKeeper(deps) };
}

describe.runIf(process.platform === "linux")("runs with staged writes", () => {
  it("that begin together where nothing is made share one whole copy", async () => {
    await using lab = new Lab({ lifecycle: "ephemeral" });
    const files = Array.from({ length: 100 }, (_, nth) => `file-${nth}`);
    const engine = await stagedFleet(lab, files);
    const runs = await Promise.all(Array.from({ length: 4 }, () => labRun(lab, ["true"], { engine })));
    for (const { manifest } of runs) expect(manifest).toMatchObject({ status: "ok", exit_code: 0 });
    const kept = await readdir(stageTree(engine.stateDir, OWNER));
    expect(kept.toSorted()).toEqual([...files, "out"].toSorted());
  });

  it("have their artifacts taken from the agent's copy", async () => {
    await using lab = new Lab();
    const engine = await stagedFleet(lab, ["out/before"]);
    const approve = () => Promise.resolve(true);
    const made = await reconcile(engine, { intent: { mode: "apply" } }, { approve });
    expect(made).toMatchObject({ status: "applied" });
    await writeFile(join(stageTree(engine.stateDir, OWNER), "out/report"), "done");
    const { manifest } = await labRun(lab, ["true"], { engine, artifacts: ["out/report"] });
    expect(manifest).toMatchObject({ exit_code: 0, artifacts: { file_count: 1, error: null } });
    expect(await listArtifacts(runFolder(lab.state(), manifest.run_id))).toEqual([
      { path: "out/report", bytes: 4 },
    ]);
  });

  const answer = { approve: () => Promise.resolve(true) };
  const work = async ({ files }: CommandContext): Promise<number> => {
    const { tree, path } = files("/workspace/made");
    tree.set(path, { type: "file", mode: 0o644, content: Buffer.from("work") });
    return 0;
  };
  /** On another machine, where what the agent did could not be fetched after its run. */
  async function unfetched(lab: Lab): Promise<Engine> {
    const engine = await stagedFleet(lab, ["before"], "b1");
    await reconcile(engine, { intent: { mode: "apply" } }, answer);
    const effect = { kind: "fail", when: "before", as: "unreachable" } as const;
    // First of all it is fetched and brought there.
    lab.world.inject({ op: "openWorkspace", nth: 3, effect });
    expect((await labRun(lab, ["work"], { engine })).manifest).toMatchObject({ status: "ok" });
    expect(lab.events).toContainEqual(expect.objectContaining({ code: "STAGE_NOT_FETCHED" }));
    lab.world.inject({ op: "openWorkspace", effect });
    return engine;
  }
  const made = (engine: Engine): string => join(stageTree(engine.stateDir, OWNER), "made");

  const destroy = { mode: "destroy", targets: [OWNER.address], unprotect: false } as const;
  const recreate = { mode: "recreate", targets: [OWNER.address] } as const;

  it.each([destroy, recreate])(
    "$mode on another machine fetches what is only there, and removes nothing while it cannot",
    async (intent) => {
      await using lab = new Lab({ commands: { work } });
      const engine = await unfetched(lab);
      const before = lab.objects().map(({ id, state }) => [id, state]);
      const failed = await reconcile(engine, { intent }, answer);
      expect(failed).toMatchObject({
        status: "applied",
        result: {
          outcomes: [{ status: "failed", error: { code: "STAGE_NOT_FETCHED" } }],
          exit_code: 69,
        },
      });
      expect(lab.objects().map(({ id, state }) => [id, state])).toEqual(before);
      await reconcile(engine, { intent }, answer);
      expect(await readFile(made(engine), "utf8")).toBe("work");
      const objects = lab.objects().map(({ id }) => id);
      expect(objects).toHaveLength(intent.mode === "destroy" ? 0 : 1);
      expect(objects).not.toContain(before[0]?.[0]);
    },
  );

  it("leave it there where a person says that nothing is to be kept", async () => {
    await using lab = new Lab({ commands: { work } });
    const engine = await unfetched(lab);
    await reconcile(engine, { intent: destroy, no_salvage: true }, answer);
    expect(lab.objects()).toEqual([]);
    await expect(readFile(made(engine))).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("are not deleted elsewhere while their sandbox is asleep, unless a person says so", async () => {
    await using lab = new Lab({ commands: { work } });
    const engine = await stagedFleet(lab, ["before"], "b1");
    await reconcile(engine, { intent: { mode: "apply" } }, answer);
    lab.time.advance(25 * HOUR);
    await reconcile(engine, { intent: { mode: "prune", orphans: false } }, answer);
    expect(lab.objects()).toEqual([]);
    expect(await reconcile(engine, { intent: destroy }, answer)).toMatchObject({
      plan: { blocked: [{ rule: "salvage" }] },
    });
    await reconcile(engine, { intent: destroy, no_salvage: true }, answer);
    expect(lab.world.machine("b1").volumes.size).toBe(0);
  });
});
