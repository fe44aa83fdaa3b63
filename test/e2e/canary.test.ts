import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { request } from "node:http";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { describeWithServices } from "../support/services.ts";
import { Project, actionsOf, eventually, filesBelow } from "./cli.ts";

// One value that nobody else has, looked for wherever a secret must not be, while and after everything that can happen
// to its consumers happens: also when they fail, and say all they know.

/** Everything that was written or said, with where; and what any process showed meanwhile. */
class Search implements AsyncDisposable {
  readonly value = `canary-${randomBytes(9).toString("hex")}`;
  readonly #told: (readonly [where: string, text: string])[] = [];
  readonly #seen = new Set<string>();
  readonly #stop = new AbortController();
  readonly #watching = this.#watch();

  note(where: string, said: string): void {
    this.#told.push([where, said]);
  }

  /** Where it was found; empty as it should be. */
  async found(): Promise<string[]> {
    this.#stop.abort();
    await this.#watching;
    const spellings = [this.value, Buffer.from(this.value).toString("base64").replace(/=+$/, "")];
    const told = this.#told.filter(([, said]) => spellings.some((each) => said.includes(each)));
    return [...told.map(([where]) => where), ...this.#seen];
  }

  /** No argv may hold it, and of engines no environment either. */
  async #watch(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      for (const pid of await readdir("/proc")) {
        if (!/^\d+$/.test(pid)) continue;
        const read = (name: string) => readFile(`/proc/${pid}/${name}`, "utf8").catch(() => "");
        const argv = await read("cmdline");
        if (argv.includes(this.value)) this.#seen.add(`argv of ${argv.replaceAll("\0", " ")}`);
        const engine = /^\S*(?:dockerd|containerd\S*|runc|docker-init|docker-proxy|bwrap)\0/.test(argv);
        if (engine && (await read("environ")).includes(this.value)) this.#seen.add(`environ of ${argv}`);
      }
      await sleep(20);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }
}

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

const DOCKER = (setup: string, program: string): string => `${HEAD("docker", setup)}
PW = { command = ["cat", "secret.txt"], for = ["command"] }
[sandbox.docker]
image = "sandkeep-test/busybox:1"
command = ["sh", "-c", '${program}']
restart = "no"
[agents.main]
`;

describeWithServices("a secret on a real engine", (services) => {
  test("that a setup leaves to the main program is not in that one's last words", async () => {
    await using search = new Search();
    const docker = services().docker;
    await using project = await Project.open({ docker: docker.host, env: { SECRET_SOURCE: search.value } });
    const program = "until test -s /dev/shm/t; do :; done; cat /dev/shm/t; sleep 2; exit 3";
    const image = 'image = "sandkeep-test/busybox:1"\nrestart = "no"';
    await project.config(
      `${HEAD("docker", 'echo "t=$TOKEN" > /dev/shm/t')}[sandbox.ready]\ncommand = ["false"]\n[sandbox.docker]\n${image}\ncommand = ["sh", "-c", "${program}"]\n[agents.main]\n`,
    );
    expect(await say(search, project, ["apply", "--yes"], 5)).toContain("t=***");
    await everythingSaid(search, project);
    await everythingWritten(search, project);
    expect(await search.found()).toEqual([]);
  });

  test("is with its consumers and nowhere else, whatever happens to them", async () => {
    await using search = new Search();
    const docker = services().docker;
    await using project = await Project.open({ docker: docker.host, env: { SECRET_SOURCE: search.value } });
    const since = Math.floor(Date.now() / 1000) - 1;
    await project.file("secret.txt", `${search.value}\n`);

    await project.config(DOCKER(BAD_SETUP, PROGRAM));
    expect(await say(search, project, ["apply", "--yes"], 5)).toContain("SETUP_FAILED");
    // It dies while it is asked whether it is ready, and its last words are told.
    await project.config(DOCKER(GOOD_SETUP, "env; env >&2; sleep 4; exit 3"));
    await project.edit("[sandbox.docker]", '[sandbox.ready]\ncommand = ["false"]\n[sandbox.docker]');
    expect(await say(search, project, ["apply", "--yes"], 5)).toContain("PW=***");
    await project.file("leak.sh", "cat secret.txt; cat secret.txt >&2; exit 1\n");
    await project.edit('"cat", "secret.txt"', '"sh", "leak.sh"');
    expect(await say(search, project, ["apply", "--yes"], 1)).toContain("exited with 1");

    await project.config(DOCKER(GOOD_SETUP, PROGRAM));
    await say(search, project, ["plan", "--out", "plan.json"], 0);
    search.note("plan.json", await readFile(join(project.root, "plan.json"), "utf8"));
    await say(search, project, ["apply", "--yes", "plan.json"], 0);
    expect(await project.ok("run", "--", "sh", "-c", 'echo "$TOKEN,$PW"')).toBe(`${search.value},\n`);
    expect(await environOf(project)).toContain(`PW=${search.value}\0`);

    // Memory forgets; the next apply hands it over again, and the program is the same one.
    const [name = ""] = await project.containers();
    await project.docker("restart", "-t", "1", name);
    expect(actionsOf(await project.plan())).toEqual({ "agent/main": ["update"] });
    await say(search, project, ["apply", "--yes"], 0);
    expect(await environOf(project)).toContain(`PW=${search.value}\0`);

    const running = project.start(["run", "--", "sleep", "60"]);
    await eventually("the command", async () => {
      const [id] = await execsOf(docker.socket, name);
      if (id === undefined) return undefined;
      search.note(`exec ${id}`, await ask(docker.socket, `/exec/${id}/json`));
      return true;
    });
    await everythingSaid(search, project);
    await engineObjects(search, project, docker.socket, since);
    running.child.kill("SIGTERM");
    await running.ended;

    // Rotated, it is told by its keyed fingerprint, and neither value.
    await project.file("secret.txt", `${search.value}-rotated\n`);
    const rotated = await say(search, project, ["plan", "--json"], 0);
    expect(rotated).toContain('"path": "secrets.PW"');
    await say(search, project, ["recreate", "agent/main", "--yes"], 0);
    expect(await environOf(project)).toContain(`PW=${search.value}-rotated\0`);
    await engineObjects(search, project, docker.socket, since);
    await everythingWritten(search, project);
    expect(await search.found()).toEqual([]);
  });
});

/** Of the main program, below the init. */
async function environOf(project: Project): Promise<string> {
  const [name = ""] = await project.containers();
  const listed = await project.docker("top", name, "-eo", "pid,args");
  const pid = listed
    .split("\n")
    .find((line) => /^\s*\d+\s+sh -c test -n/.test(line))
    ?.trim()
    .split(/\s+/)[0];
  return await readFile(`/proc/${pid ?? "none"}/environ`, "utf8");
}

async function ask(socketPath: string, path: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    request({ socketPath, path: `/v1.41${path}` }, (answer) => resolve(text(answer)))
      .on("error", reject)
      .end();
  });
}

async function execsOf(socket: string, name: string): Promise<readonly string[]> {
  const { ExecIDs } = JSON.parse(await ask(socket, `/containers/${name}/json`)) as {
    ExecIDs: string[] | null;
  };
  return ExecIDs ?? [];
}

/** Whatever the engine can be asked for, and what it wrote down of containers. */
async function engineObjects(search: Search, project: Project, socket: string, since: number): Promise<void> {
  for (const kind of ["container", "image", "volume", "network"] as const) {
    const listed = await project.docker(kind, "ls", "-q", ...(kind === "container" ? ["-a"] : []));
    const ids = listed.split("\n").filter(Boolean);
    // Other tests take theirs away meanwhile.
    for (const id of ids)
      search.note(`${kind} ${id}`, await project.docker(kind, "inspect", id).catch(() => ""));
  }
  const range = ["--since", String(since), "--until", String(Math.ceil(Date.now() / 1000))];
  search.note("events", await project.docker("events", ...range, "--format", "{{json .}}"));
  for (const name of await project.containers()) {
    search.note(`processes of ${name}`, await project.docker("top", name));
    const id = await project.docker("inspect", "--format", "{{.Id}}", name);
    const folder = join(dirname(socket), "docker.data", "containers", id);
    for (const [path, content] of await filesBelow(folder)) {
      if (!path.endsWith("-json.log")) search.note(path, content);
    }
  }
}
