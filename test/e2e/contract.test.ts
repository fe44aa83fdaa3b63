import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Diagnostic } from "../../src/model/diagnostic.ts";
import { MAIN, Project, documentOf } from "./cli.ts";

// What every verb promises, whatever the fleet: exit codes, one document on stdout, no colour for machines.

let project: Project;
let invalid: Project;

beforeAll(async () => {
  [project, invalid] = await Promise.all([Project.open(), Project.open()]);
  await project.config("[agents.main]\n[agents.work]");
  await project.ok("apply", "--yes");
  await invalid.config(
    [
      "unknown_key = 1", // line 4
      "[sandbox]",
      'mode = "sometimes"', // line 6
      'scpoe = "agent"',
      "[sandbox.prune]",
      "idle = 5", // line 9
      "[agents.work.sandbox]",
      'host = "nowhere"', // line 11
    ].join("\n"),
  );
});
afterAll(async () => {
  await project[Symbol.asyncDispose]();
  await invalid[Symbol.asyncDispose]();
});

const ESCAPE = "\u001b";

describe("usage", () => {
  test.concurrent.each([
    [["plna"], "plan"],
    [["plan", "--detailed-exit-code"], "--detailed-exitcode"],
    [["inspect", "agent/wrok"], "agent/work"],
    [["init", "--backend", "dokcer"], "docker"],
  ])("%j is told what was probably meant: %s", async (argv, meant) => {
    const ran = await project.run(argv);
    expect(ran.stdout).toBe("");
    expect(ran.stderr).toMatch(new RegExp(`Did you mean ${meant}\\?`));
    expect(ran.code).not.toBe(0);
  });

  test.concurrent.each([
    [[]],
    [["plna"]],
    [["plan", "--nope"]],
    [["inspect"]],
    [["prune", "--idle", "5"]],
    [["hold", "agent/work"]],
    [["destroy", "--yes"]],
    [["run", "--agent", "nobody", "--", "true"]],
    [["run", "--session", "agent:main", "--", "true"]],
    [["recreate", "--yes"]],
    [["shell", "--agent", "main"]],
    [["list", "--log-level", "loud"]],
    [["plan", "--at", "+25h", "--out", "then.json"]],
    [["plan", "--fleet", "another"]],
    [["watch", "--once", "--target", "agent/work"]],
  ])("%j exits 64", async (argv) => {
    expect(await project.run(argv)).toMatchObject({
      code: 64,
      stdout: "",
      stderr: expect.stringMatching(/^sandkeep: /m),
    });
    const json = await project.run(argv, { env: { SANDKEEP_JSON: "1" } });
    expect(json.code).toBe(64);
    expect(documentOf(json)).toEqual({
      error: { code: "USAGE", message: expect.any(String), hint: expect.any(String) },
    });
  });

  // One after the other: to be sure what exists, they take the fleet's lease.
  test.each(["destroy", "recreate"])("%s refuses a mistyped address", async (verb) => {
    const ran = await project.run([verb, "agent/wrok", "--yes"]);
    expect(ran).toMatchObject({ code: 64, stdout: "" });
    expect(ran.stderr).toMatch(/agent\/wrok is no runtime[^]*did you mean agent\/work\?/);
  });

  test.concurrent("--version and --help answer on stdout", async () => {
    const { version } = JSON.parse(
      await readFile(join(import.meta.dirname, "../../package.json"), "utf8"),
    ) as {
      version: string;
    };
    expect(await project.ok("--version")).toBe(`${version}\n`);
    const help = await project.ok("--help");
    for (const verb of ["init", "plan", "apply", "watch", "run", "destroy"])
      expect(help).toContain(`  ${verb}`);
    expect(await project.ok("plan", "--help")).toContain("--detailed-exitcode");
  });
});

describe("an invalid config", () => {
  const verbs = [
    ["validate"],
    ["explain"],
    ["plan"],
    ["apply", "--yes"],
    ["list"],
    ["recreate", "--all", "--yes"],
    ["run", "--", "true"],
  ];

  test.concurrent("is told whole, each problem with its place", async () => {
    const document = await invalid.json("validate");
    expect(document["ok"]).toBe(false);
    const diagnostics = document["diagnostics"] as readonly Diagnostic[];
    const places = diagnostics.map(({ file, line, column, path }) => [file, line, column, path]);
    expect(places).toEqual([
      ["sandkeep.toml", 4, 1, "unknown_key"],
      ["sandkeep.toml", 6, 1, "sandbox.mode"],
      ["sandkeep.toml", 7, 1, "sandbox.scpoe"],
      ["sandkeep.toml", 9, 1, "sandbox.prune.idle"],
      ["sandkeep.toml", 11, 1, "agents.work.sandbox.host"],
    ]);
    expect(diagnostics.every((each) => each.message !== "" && each.code !== "")).toBe(true);
    expect(JSON.stringify(diagnostics[2])).toContain("scope");
  });

  test.concurrent.each(verbs)("%s exits 78 and names every place", async (...argv) => {
    const ran = await invalid.run(argv);
    expect(ran).toMatchObject({ code: 78 });
    const said = ran.stdout + ran.stderr;
    for (const place of ["4:1", "6:1", "7:1", "9:1", "11:1"])
      expect(said).toContain(`sandkeep.toml:${place}`);
    expect(said).toContain("5 errors");
    const json = await invalid.run([...argv.slice(0, 1), "--json", ...argv.slice(1)]);
    expect(json.code).toBe(78);
    expect(documentOf(json)).toHaveProperty("diagnostics.length", 5);
  });

  test.concurrent("none at all is told with what to do", async () => {
    const ran = await project.run(["plan"], { cwd: project.folder });
    expect(ran).toMatchObject({ code: 78, stderr: expect.stringContaining("sandkeep init") });
  });
});

describe("output", () => {
  const readers = [
    ["validate"],
    ["explain"],
    ["plan"],
    ["plan", "--verbose", "--at", "+30d"],
    ["list", "--all"],
    ["inspect", "agent/work"],
    ["prune", "--dry-run"],
    ["schema", "plan"],
    ["release", "agent/work"],
  ];

  test.concurrent.each(readers)("%s: no colour in a pipe, one document with --json", async (...argv) => {
    const plain = await project.run(argv, { env: { FORCE_COLOR: undefined, TERM: "xterm-256color" } });
    expect(plain).toMatchObject({ code: 0 });
    expect(plain.stdout + plain.stderr).not.toContain(ESCAPE);
    documentOf(await project.run([...argv, "--json"]));
  });

  test.each([
    ["apply", "--yes"],
    ["recreate", "--browser", "--yes"],
    ["prune", "--yes"],
  ])("%s answers one document with --json", async (...argv) => {
    const ran = await project.run([...argv, "--json"]);
    expect(documentOf(ran)).toHaveProperty("exit_code", ran.code);
  });

  test("a change that nobody can confirm is refused with 3, also with --json", async () => {
    const before = await project.list();
    for (const argv of [
      ["recreate", "agent/work"],
      ["destroy", "--all"],
      ["prune", "--idle", "1ms"],
    ]) {
      const ran = await project.run(argv);
      expect(ran).toMatchObject({ code: 3, stderr: expect.stringContaining("--yes") });
      const json = await project.run([...argv, "--json"], { input: "y\n" });
      expect(json.code).toBe(3);
      expect(documentOf(json)).toMatchObject({ error: { code: expect.any(String) } });
    }
    expect((await project.list()).map((each) => each.object_id)).toEqual(
      before.map((each) => each.object_id),
    );
  });

  test.concurrent("ps is list", async () => {
    const [ps, list] = await Promise.all(
      ["ps", "list"].map((verb) => project.json(verb, "--target", "agent/work")),
    );
    expect(JSON.stringify(ps).replaceAll(/"(age|idle)_s":\d+/g, "")).toBe(
      JSON.stringify(list).replaceAll(/"(age|idle)_s":\d+/g, ""),
    );
  });

  test.concurrent("every global flag has its twin in the environment", async () => {
    const twin = async (env: Record<string, string>, ...argv: string[]): Promise<string> => {
      const ran = await project.run(argv, { env, cwd: project.folder });
      expect({ code: ran.code, stderr: ran.stderr }).toEqual({ code: 0, stderr: "" });
      return ran.stdout;
    };
    const file = join(project.root, "sandkeep.toml");
    expect(await twin({ SANDKEEP_FILE: file }, "list")).toContain("agent/work");
    expect(await twin({ SANDKEEP_FILE: project.root }, "list")).toContain("agent/work");
    expect(await twin({ SANDKEEP_FLEET: project.fleet }, "list")).toContain("agent/work");
    const targeted = await twin({ SANDKEEP_FILE: file, SANDKEEP_TARGET: "agent/main" }, "list");
    expect(targeted).not.toContain("agent/work");
    expect(JSON.parse(await twin({ SANDKEEP_FILE: file, SANDKEEP_JSON: "1" }, "list"))).toHaveProperty(
      "runtimes",
    );
    const elsewhere = { SANDKEEP_FILE: file, SANDKEEP_STATE_DIR: join(project.folder, "nothing-there") };
    expect(await twin(elsewhere, "list")).toMatch(/agent\/work +missing/);
    expect(await twin({ ...elsewhere, SANDKEEP_QUIET: "1", SANDKEEP_NO_COLOR: "1" }, "plan")).toContain(
      "2 to create",
    );
  });

  test.concurrent("an unknown runtime is told with those there are", async () => {
    const ran = await project.run(["inspect", "agent/nobody", "--json"]);
    expect(ran.code).not.toBe(0);
    expect(documentOf(ran)).toMatchObject({ error: { code: "NO_SUCH_RUNTIME" } });
  });

  test.concurrent.each(["bash", "zsh", "fish"])("completion %s prints a script", async (shell) => {
    const script = await project.ok("completion", shell);
    for (const word of ["recreate", "detailed-exitcode"]) expect(script).toContain(word);
    if (shell === "bash") {
      execFileSync("bash", ["-n"], { input: script });
      const complete =
        'COMP_WORDS=(sandkeep re); COMP_CWORD=1; F=$(complete -p sandkeep | sed "s/.*-F \\([^ ]*\\).*/\\1/"); $F; echo "${COMPREPLY[*]}"';
      expect(execFileSync("bash", ["-c", `${script}\n${complete}`], { encoding: "utf8" })).toContain(
        "recreate",
      );
    }
  });

  test.concurrent("a reader that leaves early is no error", async () => {
    const command = `set -o pipefail; "$0" "$1" schema config | head -1; "$0" "$1" explain | head -1; exec 2>&1 "$0" "$1" plan | true`;
    const child = spawn("bash", ["-c", command, process.execPath, MAIN], {
      cwd: project.root,
      env: project.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close"),
    ]);
    expect(stderr).toBe("");
    expect(stdout.split("\n")[0]).toBe("{");
    expect(child.exitCode).toBe(0);
  });
});

describe("a lease that is held", () => {
  test("ends a second apply with 75 at once, and no reader", async () => {
    await using slow = await Project.open();
    await slow.config(
      '[sandbox]\nsetup = ["echo began > began; until test -e go; do sleep 0.1; done"]\n[agents.main]',
    );
    const running = slow.start(["apply", "--yes"]);
    while (running.child.exitCode === null) {
      const began = await readFile(join(slow.root, "began"), "utf8").catch(() => "");
      if (began !== "") break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const second = await slow.run(["apply", "--yes", "--json"]);
    expect(second).toMatchObject({ code: 75, stderr: expect.stringContaining("LEASE_HELD") });
    expect(documentOf(second)).toMatchObject({ error: { code: "LEASE_HELD", hint: expect.any(String) } });
    expect(running.child.exitCode).toBeNull();
    for (const argv of [["plan"], ["list"], ["explain"]])
      expect(await slow.run(argv)).toMatchObject({ code: 0 });
    // What the first one is making is not a leftover of anybody.
    expect((await slow.run(["plan"])).stdout).toContain("another sandkeep is creating it right now");
    await writeFile(join(slow.root, "go"), "");
    expect(await running.ended).toMatchObject({ code: 0 });
  });
});
