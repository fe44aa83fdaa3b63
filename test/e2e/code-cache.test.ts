import { cp, mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { copyProgram } from "../support/built-program.ts";
import { eventually, Project } from "./cli.ts";

const ROOT = join(import.meta.dirname, "../..");
const LOCAL = '[sandbox]\nbackend = "local"\n[agents.first]';
/** Long after the second in which a command that lasts reads what it did not need so far. */
const READ_MS = 5_000;

/** Another copy of the built CLI, with nothing kept of what was compiled of it. */
async function copied(project: Project): Promise<{ readonly folder: string; readonly main: string }> {
  const folder = join(project.folder, "installed");
  const cli = join(folder, "dist/src/cli");
  await mkdir(cli, { recursive: true });
  await copyProgram(cli);
  await cp(join(ROOT, "package.json"), join(folder, "package.json"));
  return { folder, main: join(cli, "main.cjs") };
}

test("a command that tunes V8 while it runs leaves code that its next start takes", async () => {
  await using project = await Project.open();
  await project.config(LOCAL);
  const { folder, main } = await copied(project);
  const apply = async (): Promise<Readonly<Record<string, number>>> => {
    expect(await project.run(["apply", "--yes"], { main })).toMatchObject({ code: 0 });
    const program = join(folder, "dist/src/cli/program");
    const caches = (await readdir(program)).filter((name) => name.endsWith(".cache"));
    const inodes = caches.map(async (name) => [name, (await stat(join(program, name))).ino] as const);
    return Object.fromEntries(await Promise.all(inodes));
  };
  // The second has nothing to do, and needs less.
  await apply();
  const kept = await apply();
  expect(Object.keys(kept)).not.toEqual([]);
  expect(await apply()).toEqual(kept);
});

test("watch keeps a fleet in line, and what would be lost, though sandkeep is removed under it", async () => {
  await using project = await Project.open();
  await project.config(LOCAL.replace("\n[agents", '\nsalvage = { when = "always" }\n[agents'));
  const { folder, main } = await copied(project);
  const watch = project.start(["watch"], { main });
  const made = async (address: string): Promise<true | undefined> =>
    (await project.list()).some((each) => each.address === address && each.object_id !== null) || undefined;
  await eventually("the first", () => made("agent/first"));
  await project.ok("run", "--agent", "first", "--", "sh", "-c", "echo mine > $HOME/kept");
  await sleep(READ_MS);
  await rm(folder, { recursive: true });
  // To keep a bundle, it needs a library that it did not need so far.
  await project.edit("[agents.first]", "[agents.second]");
  await eventually("the second", () => made("agent/second"));
  await eventually("the first's end", async () => ((await made("agent/first")) ? undefined : true));
  const { bundles } = await project.json("salvage", "list");
  expect(bundles).toMatchObject([{ address: "agent/first" }]);
  watch.child.kill("SIGTERM");
  expect(await watch.ended).toMatchObject({ code: 0 });
});

test("a part that is missing is told by its name", async () => {
  await using project = await Project.open();
  await project.config(LOCAL);
  const { folder, main } = await copied(project);
  const program = join(folder, "dist/src/cli/program");
  for (const name of await readdir(program))
    if (!/^(common|rolldown-runtime)-/.test(name)) await rm(join(program, name));
  const { code, stderr } = await project.run(["plan"], { main });
  expect(code).not.toBe(0);
  expect(stderr).toContain("sandkeep was removed or replaced while it began; run it again");
});
