import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Engine } from "../../src/reconcile.ts";
import { reconcile } from "../../src/reconcile.ts";
import { listArtifacts } from "../../src/runs/artifacts.ts";
import { runFolder } from "../../src/runs/layout.ts";
import { stageKeeper } from "../../src/stage/keeper.ts";
import { stageTree } from "../../src/util/stage-place.ts";
import { Lab } from "../support/memory-fleet.ts";
import { SANDBOX, labRun } from "./ledger.ts";

const OWNER = { fleet: "team", address: "agent/a" } as const;

/** A fleet with staged writes, its workspace on the disk. */
async function stagedFleet(lab: Lab, files: readonly string[]): Promise<Engine> {
  await mkdir(join(lab.repo, "work/out"), { recursive: true });
  for (const name of files) await writeFile(join(lab.repo, "work", name), name);
  const sandbox = { ...SANDBOX, writes: "staged", workspace: { access: "rw", source: "work" } };
  await lab.write({ sandbox, agents: { a: {} } });
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
});
