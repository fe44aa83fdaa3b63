import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { CanaryEngine } from "../support/canary-engines.ts";
import { CANARY_ENGINES, runsThere, searchEngine } from "../support/canary-engines.ts";
import { ENGINES, Search } from "../support/canary-search.ts";
import { describeWith } from "../support/services.ts";
import { Project, actionsOf, eventually, filesBelow } from "./cli.ts";

// One value that nobody else has, looked for wherever a secret must not be, while and after everything that can happen
// to its consumers happens: also when they fail, and say all they know.

async function say(search: Search, project: Project, argv: readonly string[], code: number): Promise<string> {
  const ran = await project.run([...argv, "--log-level", "debug"]);
  search.note(argv.join(" "), ran.stdout + ran.stderr);
  expect({ argv, code: ran.code, said: ran.code === code ? "" : ran.stderr }).toEqual({
    argv,
    code,
    said: "",
  });
  return ran.stdout + ran.stderr;
}

async function everythingSaid(search: Search, project: Project): Promise<void> {
  for (const argv of [["plan", "--verbose"], ["explain"], ["list"], ["inspect", "agent/main"]]) {
    await say(search, project, argv, 0);
    await say(search, project, [...argv, "--json"], 0);
  }
}

async function everythingWritten(search: Search, project: Project): Promise<void> {
  for (const [path, content] of await filesBelow(project.state)) search.note(path, content);
}

const HEAD = (backend: string, setup: string): string => `
[sandbox]
backend = "${backend}"
setup = ['${setup}']
[sandbox.workspace]
access = "rw"
[sandbox.secrets]
TOKEN = { env = "SECRET_SOURCE" }
`;

const GOOD_SETUP = 'test -n "$TOKEN" && test -z "$PW"';
const BAD_SETUP = 'env; env >&2; echo "$TOKEN" | base64; exit 1';

test("a local sandbox gives a secret to its commands, and to nobody else, also when they fail", async () => {
  await using search = new Search();
  await using project = await Project.open({ env: { SECRET_SOURCE: search.value } });
  const body = (setup: string): string =>
    `${HEAD("local", setup)}[sandbox.local]\nisolation = "bubblewrap"\n`;
  await project.config(`${body(BAD_SETUP)}[agents.main]\n`);
  expect(await say(search, project, ["apply", "--yes"], 5)).toContain("SETUP_FAILED");
  await project.config(`${body(GOOD_SETUP)}[agents.main]\n`);
  await say(search, project, ["apply", "--yes"], 0);
  expect(await project.ok("run", "--", "sh", "-c", 'echo "$TOKEN"')).toBe(`${search.value}\n`);
  await project.file("leak.sh", 'echo "$SECRET_SOURCE"; echo "$SECRET_SOURCE" >&2; exit 1\n');
  await project.edit('{ env = "SECRET_SOURCE" }', '{ command = ["sh", "leak.sh"] }');
  expect(await say(search, project, ["run", "--", "true"], 1)).toContain("exited with 1");
  await project.edit('{ command = ["sh", "leak.sh"] }', '{ env = "SECRET_SOURCE" }');
  await everythingSaid(search, project);
  await everythingWritten(search, project);
  expect(await search.found()).toEqual([]);
});

const PROGRAM = 'test -n "$PW" || exit 9; while :; do sleep 1; done';

const CONFIG = ({ name }: CanaryEngine, setup: string, program: string): string => `${HEAD(name, setup)}
PW = { command = ["cat", "secret.txt"], for = ["command"] }
[sandbox.${name}]
image = "sandkeep-test/busybox:1"
command = ["sh", "-c", '${program}']
restart = "no"
[agents.main]
`;

/** Each runs some thirty programs, and looks at all processes meanwhile. */
const TIMEOUT = 240_000;

for (const engine of CANARY_ENGINES) {
  describeWith([engine.name], `a secret on a real ${engine.name}`, (services) => {
    const section = `[sandbox.${engine.name}]`;
    const open = async ({ value }: Search): Promise<Project> =>
      await Project.open({ ...engine.project(services()), env: { SECRET_SOURCE: value } });

    test(
      "that a setup leaves to the main program is not in that one's last words",
      { timeout: TIMEOUT },
      async () => {
        await using search = new Search();
        await using project = await open(search);
        const program = "until test -s /dev/shm/t; do :; done; cat /dev/shm/t; sleep 2; exit 3";
        const image = 'image = "sandkeep-test/busybox:1"\nrestart = "no"';
        await project.config(
          `${HEAD(engine.name, 'echo "t=$TOKEN" > /dev/shm/t')}[sandbox.ready]\ncommand = ["false"]\n${section}\n${image}\ncommand = ["sh", "-c", "${program}"]\n[agents.main]\n`,
        );
        expect(await say(search, project, ["apply", "--yes"], 5)).toContain("t=***");
        await everythingSaid(search, project);
        await everythingWritten(search, project);
        expect(await search.found()).toEqual([]);
      },
    );

    test(
      "is with its consumers and nowhere else, whatever happens to them",
      { timeout: TIMEOUT },
      async () => {
        await using search = new Search();
        await using project = await open(search);
        const since = Math.floor(Date.now() / 1000) - 1;
        await project.file("secret.txt", `${search.value}\n`);

        await project.config(CONFIG(engine, BAD_SETUP, PROGRAM));
        expect(await say(search, project, ["apply", "--yes"], 5)).toContain("SETUP_FAILED");
        // It dies while it is asked whether it is ready, and its last words are told.
        await project.config(CONFIG(engine, GOOD_SETUP, "env; env >&2; sleep 4; exit 3"));
        await project.edit(section, `[sandbox.ready]\ncommand = ["false"]\n${section}`);
        expect(await say(search, project, ["apply", "--yes"], 5)).toContain("PW=***");
        await project.file("leak.sh", "cat secret.txt; cat secret.txt >&2; exit 1\n");
        await project.edit('"cat", "secret.txt"', '"sh", "leak.sh"');
        expect(await say(search, project, ["apply", "--yes"], 1)).toContain("exited with 1");

        await project.config(CONFIG(engine, GOOD_SETUP, PROGRAM));
        await say(search, project, ["plan", "--out", "plan.json"], 0);
        search.note("plan.json", await readFile(join(project.root, "plan.json"), "utf8"));
        await say(search, project, ["apply", "--yes", "plan.json"], 0);
        // All that was handed over until now is nowhere at all.
        await searchEngine(search, engine, project, engine.socket(services()), since);
        expect(search.places).toEqual([]);
        expect(await project.ok("run", "--", "sh", "-c", 'echo "$TOKEN,$PW"')).toBe(`${search.value},\n`);
        expect(await environOf(engine, project)).toContain(`PW=${search.value}\0`);

        // Memory forgets; the next apply hands it over again, and the program is the same one.
        const [name = ""] = await project.containers();
        await project.docker("restart", "-t", "1", name);
        expect(actionsOf(await project.plan())).toEqual({ "agent/main": ["update"] });
        await say(search, project, ["apply", "--yes"], 0);
        expect(await environOf(engine, project)).toContain(`PW=${search.value}\0`);

        const running = project.start(["run", "--", "sleep", "60"]);
        await eventually("the command", async () => {
          return (await runsThere(engine.socket(services()), name, "sleep 60")) || undefined;
        });
        await everythingSaid(search, project);
        await searchEngine(search, engine, project, engine.socket(services()), since);
        running.child.kill("SIGTERM");
        await running.ended;

        // Rotated, it is told by its keyed fingerprint, and neither value.
        await project.file("secret.txt", `${search.value}-rotated\n`);
        const rotated = await say(search, project, ["plan", "--json"], 0);
        expect(rotated).toContain('"path": "secrets.PW"');
        await say(search, project, ["recreate", "agent/main", "--yes"], 0);
        expect(await environOf(engine, project)).toContain(`PW=${search.value}-rotated\0`);
        await searchEngine(search, engine, project, engine.socket(services()), since);
        await everythingWritten(search, project);
        expect(await search.found()).toEqual([]);
      },
    );

    // Else the others could pass by looking at nothing.
    test("is found wherever somebody leaves it", { timeout: TIMEOUT }, async () => {
      await using search = new Search();
      await using project = await open(search);
      const since = Math.floor(Date.now() / 1000) - 1;
      const own = ["--label", `sandkeep.fleet=${project.fleet}`];
      const left = `left=${search.value}`;
      const name = `left-${project.fleet}`;
      const image = `${project.fleet}:left`;
      for (const kind of ["volume", "network"]) {
        await project.docker(kind, "create", ...own, "--label", left, name);
      }
      const run = ["run", "-d", "--init", "--network", "none", ...own, "--label", left, "-e", left];
      await project.docker(...run, "--name", name, "sandkeep-test/busybox:1", "sleep", "600");
      await project.docker("exec", "-d", "-e", left, name, "sh", "-c", "sleep 600; :", "sh", search.value);
      await project.docker("commit", "--change", `LABEL ${left}`, name, image);
      const programs = ENGINES.map((argv0) => spawn("sleep", ["61"], { argv0, env: { left: search.value } }));
      try {
        await searchEngine(search, engine, project, engine.socket(services()), since);
      } finally {
        for (const each of programs) each.kill();
        await project.docker("rmi", image);
      }
      const found = await search.found();
      const looked = ["container", "image", "network", "volume", "exec"] as const;
      const places = [
        "events",
        "argv of sh -c sleep 600; : sh canary-",
        `argv of ${engine.name} `,
        `environ of ${engine.init} `,
        ...ENGINES.map((each) => `environ of ${each} 61`),
        ...looked.map((kind) => `${kind} ${engine.answers[kind][0]}`),
        ...engine.answers.container.filter((path) => path.includes("top")),
        ...engine.files,
      ];
      expect(places.filter((place) => !found.some((where) => where.includes(place)))).toEqual([]);
    });
  });
}

/** Of the main program, below the init. */
async function environOf({ top }: CanaryEngine, project: Project): Promise<string> {
  const [name = ""] = await project.containers();
  const listed = await project.docker("top", name, ...top);
  const pid = listed
    .split("\n")
    .find((line) => /^\s*\d+\s+sh -c test -n/.test(line))
    ?.trim()
    .split(/\s+/)[0];
  return await readFile(`/proc/${pid ?? "none"}/environ`, "utf8");
}
