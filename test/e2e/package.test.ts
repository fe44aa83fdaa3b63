import { mkdtempSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ROOT, execute } from "../examples/example.ts";
import { copyProgram } from "../support/built-program.ts";

/** A project that has this package as a dependency. */
function project(): string {
  const folder = mkdtempSync(join(tmpdir(), "sandkeep-package-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules/sandkeep"));
  return folder;
}

function node(folder: string, code: string) {
  const env = { PATH: process.env["PATH"], HOME: folder, TMPDIR: folder };
  return execute(process.execPath, ["--input-type=module", "--eval", code], { cwd: folder, env });
}

test("importing the package does nothing but give its names", async () => {
  const folder = project();
  const before = readdirSync(folder);
  const ended = await node(
    folder,
    // That it ends by itself says that nothing was left open.
    `const { reconcile, planFleet, watch } = await import("sandkeep");
     console.log(typeof reconcile, typeof planFleet, typeof watch);`,
  );
  expect(ended).toEqual({ code: 0, stdout: "function function function\n", stderr: "" });
  expect(readdirSync(folder)).toEqual(before);
});

test("importing it loads no driver's client", async () => {
  const ended = await node(
    project(),
    `const { builtInDrivers } = await import("sandkeep");
     const loaded = () => process.moduleLoadList.includes("NativeModule _http_client");
     const docker = await builtInDrivers.docker();
     console.log(docker.backend, loaded());
     const env = { DOCKER_HOST: "tcp://127.0.0.1:1" };
     await (await docker.openReader(undefined, { env, now: Date.now, stateDir: "/nonexistent" })).probe();
     console.log(loaded());`,
  );
  expect(ended).toEqual({ code: 0, stdout: "docker false\ntrue\n", stderr: "" });
});

test("the bundled program knows where it is, whatever a library of it asks", () => {
  const built = join(ROOT, "dist/src/cli");
  const names = readdirSync(join(built, "program")).filter((name) => name.endsWith(".cjs"));
  for (const name of ["program.cjs", ...names.map((each) => join("program", each))]) {
    const program = readFileSync(join(built, name), "latin1");
    // What bundlers put where they have no answer.
    expect(program, name).not.toContain("import_meta={}");
    expect(program, name).not.toMatch(/\{\}\)?\.(url|dirname|filename|resolve)\b/);
  }
});

test("files that were taken out of their package say what they lack, and end", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sandkeep-parts-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  await copyProgram(folder);
  const env = { PATH: process.env["PATH"], HOME: folder, TMPDIR: folder };
  const main = join(folder, "main.cjs");
  expect(await execute(process.execPath, [main, "--version"], { cwd: folder, env })).toMatchObject({
    code: 0,
    stdout: "unknown\n",
  });
  const ended = await execute(process.execPath, [main, "import", "nothing.toml"], { cwd: folder, env });
  expect(ended.code).not.toBe(0);
  expect(ended.stderr.split("\n").length).toBeLessThan(60);
});

test("its schemas can be found by name", async () => {
  const ended = await node(
    project(),
    `import { readFileSync } from "node:fs";
     import { fileURLToPath } from "node:url";
     const file = fileURLToPath(import.meta.resolve("sandkeep/schemas/plan.schema.json"));
     console.log(JSON.parse(readFileSync(file, "utf8")).title);`,
  );
  expect(ended).toEqual({ code: 0, stdout: "sandkeep plan\n", stderr: "" });
});
