import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Project, actionsOf, changeOf, filesBelow, outcomesOf, reasonsOf } from "./cli.ts";

// One fleet's life on the local backend, told in order: each test goes on where the one before it ended.

let project: Project;
const address = "agent/main";

beforeAll(async () => {
  project = await Project.open();
});
afterAll(async () => {
  await project[Symbol.asyncDispose]();
});

async function lineOf(part: string): Promise<number> {
  const lines = (await readFile(join(project.root, "sandkeep.toml"), "utf8")).split("\n");
  const index = lines.findIndex((line) => line.startsWith(part));
  if (index < 0) throw new Error(`no line starts with ${part}`);
  return index + 1;
}

async function manifestFile(): Promise<string> {
  const files = await filesBelow(join(project.state, "local"));
  const found = [...files.keys()].find((path) => path.endsWith("/manifest.json"));
  if (found === undefined) throw new Error("no manifest");
  return found;
}

describe("a local fleet from init to destroy", () => {
  test("init writes a file that is valid, and does not overwrite it", async () => {
    expect(await project.ok("init", "--fleet", project.fleet)).toContain("Wrote sandkeep.toml");
    const again = await project.run(["init"]);
    expect(again).toMatchObject({ code: 3, stdout: "" });
    expect(again.stderr).toContain("exists already");
    expect(await project.ok("validate")).toBe("The config is valid.\n");
    expect(await project.json("validate")).toEqual({ ok: true, diagnostics: [] });
  });

  test("explain tells every value and who said so", async () => {
    const line = await lineOf("backend = ");
    const text = await project.ok("explain");
    expect(text).toMatch(new RegExp(`backend +"local" +default: sandbox.backend at sandkeep.toml:${line}\n`));
    expect(text).toContain("would create: it does not exist");
    const [agent] = (await project.json("explain"))["agents"] as {
      settings: Record<string, { value: unknown; source: unknown }>;
      runtimes: unknown;
    }[];
    expect(agent?.settings["backend"]).toMatchObject({
      value: "local",
      source: { file: "sandkeep.toml", line },
    });
    expect(agent?.runtimes).toEqual([
      expect.objectContaining({ address, status: "missing", would: [expect.anything()] }),
    ]);
    expect(await project.ok("explain", address, "prune.idle")).toContain("prune.idle");
    expect(await project.ok("explain", "--tool", "browser")).toContain("browser");
  });

  test("plan tells what would be made, by exit code only when asked", async () => {
    expect(await project.run(["plan"])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("1 to create"),
    });
    expect(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({ code: 2 });
    const plan = await project.plan();
    expect(actionsOf(plan)).toEqual({ [address]: ["create"] });
    expect((await project.plan()).plan_id).toBe(plan.plan_id);
    expect([...(await filesBelow(join(project.folder, "home"))).keys()]).toEqual([]);
  });

  test("apply carries out a saved plan, once it is confirmed", async () => {
    const saved = await project.run(["plan", "--out", "plan.json"]);
    expect(saved.stderr).toContain("sandkeep apply plan.json");
    const plan: unknown = JSON.parse(await readFile(join(project.root, "plan.json"), "utf8"));
    const asked = await project.run(["apply", "plan.json"]);
    expect(asked).toMatchObject({ code: 3, stderr: expect.stringContaining("add --yes") });
    expect(actionsOf(await project.plan())).toEqual({ [address]: ["create"] });
    const result = await project.apply("plan.json");
    expect(outcomesOf(result)).toEqual({ [address]: "create done" });
    expect(result.plan_id).toBe((plan as { plan_id: string }).plan_id);
    expect(await project.run(["apply", "plan.json", "--yes"])).toMatchObject({ code: 4 });
  });

  test("then nothing is left to do, and a second apply writes nothing", async () => {
    expect(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("No changes"),
    });
    const before = await filesBelow(join(project.state, "local"));
    const result = await project.apply();
    expect(result).toMatchObject({ calls: { write: 0 }, exit_code: 0 });
    expect(outcomesOf(result)).toEqual({});
    expect(await filesBelow(join(project.state, "local"))).toEqual(before);
    expect(await project.list()).toEqual([
      expect.objectContaining({ address, status: "running", config: "match" }),
    ]);
    const inspection = await project.json("inspect", address);
    expect(JSON.stringify(inspection)).toContain(`"sandkeep.fleet":"${project.fleet}"`);
  });

  test("a config edit is told with before, after and its line, and mended in place", async () => {
    await project.edit("# env = ", 'env = { STAGE = "one" }\n# env = ');
    const line = await lineOf("env = ");
    const plan = await project.plan();
    expect(actionsOf(plan)).toEqual({ [address]: ["update"] });
    expect(changeOf(plan, address)).toMatchObject({
      origin: "config",
      reasons: [{ path: "env.STAGE", before: null, after: "one", source: { file: "sandkeep.toml", line } }],
    });
    expect(await project.ok("plan")).toContain(`env.STAGE:  (none) → "one"  sandkeep.toml:${line}`);
    await project.ok("apply", "--yes");
    expect(await project.ok("run", "--", "printenv", "STAGE")).toBe("one\n");
  });

  test("a hand edit of the manifest is told as drift, and repaired", async () => {
    const file = await manifestFile();
    const manifest = await readFile(file, "utf8");
    await writeFile(file, manifest.replace(/("STAGE": )"one"(?![^]*"STAGE": "one")/, '$1"meddled"'));
    const plan = await project.plan();
    expect(changeOf(plan, address)).toMatchObject({ origin: "live", actions: ["update"] });
    expect(reasonsOf(plan, address)).toEqual({ "env.STAGE": ["meddled", "one"] });
    expect(await project.list()).toEqual([expect.objectContaining({ config: "drift" })]);
    expect(await project.ok("apply", "--yes")).toContain("update done");
    expect(actionsOf(await project.plan())).toEqual({});
  });

  test("recreate asks, and makes a new one of the old name", async () => {
    const [before] = await project.list();
    expect(await project.run(["recreate", address])).toMatchObject({ code: 3 });
    expect(await project.list()).toEqual([expect.objectContaining({ object_id: before?.object_id })]);
    await project.ok("recreate", address, "--yes");
    const [after] = await project.list();
    expect(after?.object_id).not.toBe(before?.object_id);
    expect(after?.name).toBe(before?.name);
    await project.ok("recreate", "--all", "--force");
    expect((await project.list())[0]?.object_id).not.toBe(after?.object_id);
  });

  test("recreate --drifted replaces what list calls drifted, and nothing else", async () => {
    const none = await project.run(["recreate", "--drifted", "--yes"]);
    expect(none).toMatchObject({ code: 0, stderr: expect.stringContaining("No runtime fits") });
    const [before] = await project.list();
    await project.edit('STAGE = "one"', 'STAGE = "two"');
    expect(await project.list()).toEqual([expect.objectContaining({ config: "drift" })]);
    await project.ok("recreate", "--drifted", "--yes");
    const [after] = await project.list();
    expect(after).toMatchObject({ config: "match" });
    expect(after?.object_id).not.toBe(before?.object_id);
  });

  test("a held one is left alone by everything, and told, until it is released", async () => {
    await project.ok("hold", address, "--reason", "looking at a bug");
    await project.edit('STAGE = "two"', 'STAGE = "three"');
    const [before] = await project.list();
    expect(before).toMatchObject({ held: true });
    for (const argv of [
      ["apply", "--yes"],
      ["prune", "--idle", "1ms", "--yes"],
      ["destroy", "--all", "--yes"],
    ]) {
      expect(await project.ok(...argv)).toContain("looking at a bug");
    }
    for (const verb of ["recreate", "destroy"]) {
      const named = await project.run([verb, address, "--yes"]);
      expect(named).toMatchObject({
        code: 3,
        stdout: expect.stringContaining(`sandkeep release ${address}`),
      });
    }
    expect(await project.list()).toEqual([expect.objectContaining({ object_id: before?.object_id })]);
    const held = await project.plan("--detailed-exitcode");
    expect(held).toMatchObject({ exit_code: 0, held: [{ address, reason: "looking at a bug" }] });
    expect(await project.ok("plan")).toContain("No changes; 1 held.");
    expect(await project.ok("run", "--", "printenv", "STAGE")).toBe("two\n");
    await project.ok("release", address);
    expect(actionsOf(await project.plan())).toEqual({ [address]: ["update"] });
    await project.ok("apply", "--yes");
  });

  test("a hold ends by itself", async () => {
    const until = new Date(Date.now() + 1500).toISOString();
    await project.ok("hold", "fleet", "--reason", "for a moment", "--until", until);
    expect((await project.plan()).held).toEqual([expect.objectContaining({ reason: "for a moment" })]);
    await new Promise((resolve) => setTimeout(resolve, 1600));
    expect((await project.plan()).held).toEqual([]);
  });

  test("prune --dry-run changes nothing", async () => {
    const before = await filesBelow(join(project.state, "local"));
    const dry = await project.json("prune", "--idle", "1ms", "--dry-run");
    expect(dry).toMatchObject({
      calls: { write: 0 },
      outcomes: [{ address, status: "skipped", reason: expect.stringMatching(/^idle for /) }],
    });
    expect(await filesBelow(join(project.state, "local"))).toEqual(before);
    expect(await project.run(["prune", "--idle", "1ms"])).toMatchObject({ code: 3 });
    expect(actionsOf(await project.plan("--at", "+25h"))).toEqual({ [address]: ["remove"] });
  });

  test("an idle one is pruned and dormant: told, not pending, until its next use", async () => {
    expect(await project.ok("prune", "--idle", "1ms", "--yes")).toContain("remove done");
    const dormant = await project.plan("--detailed-exitcode");
    expect(dormant).toMatchObject({ exit_code: 0, dormant: [{ address }] });
    expect(actionsOf(dormant)).toEqual({});
    expect(await project.ok("plan")).toContain("No changes; 1 dormant.");
    expect(await project.list()).toEqual([]);
    expect(await project.apply()).toMatchObject({ calls: { write: 0 } });
    expect(await project.ok("run", "--", "printenv", "STAGE")).toBe("three\n");
    expect(await project.list()).toEqual([expect.objectContaining({ address, status: "running" })]);
    expect((await project.plan()).dormant).toEqual([]);
  });

  test("destroy and prune work by labels when the config is gone", async () => {
    await rename(join(project.root, "sandkeep.toml"), join(project.root, "gone"));
    expect(await project.run(["list"])).toMatchObject({ code: 78 });
    expect(await project.list("--fleet", project.fleet)).toEqual([expect.objectContaining({ address })]);
    const pruned = ["prune", "--fleet", project.fleet, "--idle", "1ms"];
    expect(await project.ok(...pruned, "--dry-run")).toContain("1 to remove");
    expect(await project.ok("destroy", "--all", "--yes", "--fleet", project.fleet)).toContain("remove done");
    expect(await project.list("--fleet", project.fleet)).toEqual([]);
    await rename(join(project.root, "gone"), join(project.root, "sandkeep.toml"));
  });

  test("destroy --all leaves nothing", async () => {
    await project.ok("apply", "--yes");
    expect(await project.run(["destroy", "--all"])).toMatchObject({ code: 3 });
    expect(await project.ok("destroy", "--all", "--yes")).toContain("remove done");
    expect(await project.list("--all")).toEqual([expect.objectContaining({ status: "missing" })]);
    expect([...(await filesBelow(join(project.state, "local"))).keys()]).toEqual([]);
    expect(await project.ok("destroy", "--all", "--yes")).toContain("Nothing to do");
  });
});
