import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { FileTree } from "../../src/drivers/memory/file-tree.ts";
import type { Engine } from "../../src/reconcile.ts";
import { reconcile } from "../../src/reconcile.ts";
import { stageKeeper } from "../../src/stage/keeper.ts";
import { stageTree } from "../../src/util/stage-place.ts";
import { SANDBOX, labRun } from "../runs/ledger.ts";
import { initRepository, makeHostile } from "../support/hostile-repository.ts";
import { Lab, REMOTE } from "../support/memory-fleet.ts";

const OWNER = { fleet: "team", address: "agent/a" } as const;
const PATH = process.env["PATH"] ?? "";
const approve = () => Promise.resolve(true);

/** A fleet whose agent works on another machine, applied; its workspace is a repository that says what it ignores. */
async function remoteStage(lab: Lab): Promise<Engine> {
  const work = join(lab.repo, "work");
  await mkdir(work);
  initRepository(work);
  const files = {
    ".gitignore": "built\n",
    ".sandkeepignore": "secret\n",
    built: "b",
    secret: "s",
    plain: "p",
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(work, name), text);
  const workspace = { access: "rw", source: "work", ignore: "gitignore" };
  const sandbox = { ...SANDBOX, host: "b1", writes: "staged", workspace };
  await lab.write({ hosts: REMOTE, sandbox, agents: { a: {} } });
  const engine = lab.engine();
  const { stateDir, env } = engine;
  const deps = { stateDir, env, now: () => engine.now(), randomId: () => engine.randomId() };
  const staging = { ...engine, stages: stageKeeper(deps) };
  expect(await reconcile(staging, { intent: { mode: "apply" } }, { approve })).toMatchObject({
    status: "applied",
    result: { exit_code: 0 },
  });
  return staging;
}

/** The copy on the other machine. */
function copyOf(lab: Lab): FileTree {
  const [volume] = lab.world.machine("b1").volumes.values();
  if (volume === undefined) throw new Error("there is no copy");
  return volume.files;
}

const top = (tree: FileTree): string[] => [...tree.entries.keys()].filter((path) => !path.includes("/"));

/** As the agent leaves its copy: a repository that has a command run, and rules that lead elsewhere and are none. */
async function spoil(lab: Lab, engine: Engine): Promise<{ readonly mark: string; readonly rules: string }> {
  const tree = stageTree(engine.stateDir, OWNER);
  const [mark, rules] = [join(lab.repo, "mark"), join(lab.repo, "rules")];
  makeHostile(tree, mark);
  await writeFile(rules, "!secret\n");
  await rm(join(tree, ".sandkeepignore"));
  await symlink(rules, join(tree, ".sandkeepignore"));
  return { mark, rules };
}

describe.runIf(process.platform === "linux")("a stage whose agent works on another machine", () => {
  it("is fetched and brought by the workspace's own rules, whatever the agent's copy says", async () => {
    await using lab = new Lab({ env: { PATH } });
    const engine = await remoteStage(lab);
    const { mark, rules } = await spoil(lab, engine);
    for (const name of ["secret", "built", "made"])
      copyOf(lab).set(name, { type: "file", mode: 0o644, content: Buffer.from("agent") });
    const { manifest } = await labRun(lab, ["true"], { engine });
    expect(manifest).toMatchObject({ status: "ok", exit_code: 0 });
    expect(existsSync(mark)).toBe(false);
    expect(await readdir(stageTree(engine.stateDir, OWNER))).toContain("made");
    expect(copyOf(lab).get(".sandkeepignore")).toEqual({ type: "link", target: rules });
    // What the workspace leaves out is not sent, and what lies there by that name does not come.
    expect(copyOf(lab).text("secret")).toBe("agent");
    expect(await readFile(join(stageTree(engine.stateDir, OWNER), "secret"), "utf8")).toBe("s");
    expect(lab.events).not.toContainEqual(expect.objectContaining({ code: "STAGE_NOT_FETCHED" }));
  });

  it("fills a new copy by the workspace's own rules as well", async () => {
    await using lab = new Lab({ env: { PATH } });
    const engine = await remoteStage(lab);
    expect(top(copyOf(lab)).toSorted()).toEqual([".git", ".gitignore", ".sandkeepignore", "plain"]);
    const { mark, rules } = await spoil(lab, engine);
    const intent = { mode: "recreate", targets: [OWNER.address] } as const;
    const made = await reconcile(engine, { intent }, { approve });
    expect(made).toMatchObject({ status: "applied", result: { exit_code: 0 } });
    expect(existsSync(mark)).toBe(false);
    expect(top(copyOf(lab)).toSorted()).toEqual([".git", ".sandkeepignore", "plain"]);
    expect(copyOf(lab).get(".sandkeepignore")).toEqual({ type: "link", target: rules });
  });
});
