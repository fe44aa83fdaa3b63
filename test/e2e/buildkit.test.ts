// The buildkit backend from the built CLI, on the real worker inside the private Docker Engine.
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lanesSchema } from "../../src/model/lanes.ts";
import { listingSchema } from "../../src/model/listing.ts";
import { postureSchema } from "../../src/model/posture.ts";
import { until } from "../contract/harness.ts";
import { everyArgv, isRunning, uniqueSleep } from "../support/processes.ts";
import { describeWith } from "../support/services.ts";
import { Project } from "./cli.ts";

/**
 * A client that, told to end, would need 1.8 s more until it is `late`. What asks for the output of a lost command waits until
 * that command is `gone` and the next one has `begun`.
 */
const DEAF_CLIENT = `#!/bin/sh
client="$E2E_BUILDX/docker-buildx"
[ "$1" = build ] || exec "$client" "$@"
if grep -q required=true Dockerfile; then
  [ -z "$E2E_NEXT" ] || touch "$E2E_MARKS/begun"
  trap 'sleep 1.8 >/dev/null 2>&1; touch "$E2E_MARKS/late"' TERM
  "$client" "$@" &
  while true; do
    wait $!
    code=$?
    kill -0 $! 2>/dev/null || exit $code
  done
fi
while [ ! -e "$E2E_MARKS/gone" ] || [ ! -e "$E2E_MARKS/begun" ]; do sleep 0.1; done
exec "$client" "$@"
`;

describeWith(["docker", "buildx"], "commands on a BuildKit worker", (services) => {
  let project: Project;
  let work = "";

  const config = (endpoint: string): string => `
[sandbox]
backend = "buildkit"
setup = ["echo layer > /etc/from-setup"]
secrets = { TOKEN = { env = "E2E_TOKEN" } }
[sandbox.workspace]
source = "work"
[sandbox.buildkit]
endpoint = "${endpoint}"
image = "${services().docker.images.busybox}"
max_parallel = 1
queue_capacity = 1
cache = { max_age = "1h", max_size = "100GiB" }
[agents.main]
[agents.two]
`;

  beforeAll(async () => {
    const path = `${services().buildx.folder}:${process.env["PATH"] ?? ""}`;
    project = await Project.open({ env: { PATH: path, E2E_TOKEN: "hush-e2e" } });
    work = join(project.root, "work");
    await mkdir(join(work, "sub"), { recursive: true });
    await writeFile(join(work, ".dockerignore"), "hidden\n");
    await writeFile(join(work, "hidden"), "hidden\n");
    await writeFile(join(work, "kept.txt"), "kept\n");
    await writeFile(join(work, "gone.txt"), "gone\n");
    await project.config(config(`docker://${services().docker.socket}`));
  });
  afterAll(async () => {
    await project?.[Symbol.asyncDispose]();
  });

  const sh = (script: string): string[] => ["run", "--agent", "main", "--", "sh", "-c", script];

  test("nothing is ever planned for it: the address is ready, and says that it is ephemeral by nature", async () => {
    const plan = await project.plan();
    expect(plan.changes.map(({ address, actions }) => [address, ...actions])).toEqual([
      ["agent/main", "no-op"],
      ["agent/two", "no-op"],
    ]);
    expect(plan.changes[0]?.why).toContain("ephemeral by nature");
    expect(plan.images).toMatchObject([{ present: true, kind: "config" }]);
    const { runtimes } = listingSchema.parse(JSON.parse(await project.ok("list", "--json")));
    expect(runtimes.map(({ status, config: match }) => [status, match])).toEqual([
      ["ready", "match"],
      ["ready", "match"],
    ]);
    expect(await project.ok("explain", "--agent", "main")).toContain("ephemeral by nature");
    const status = postureSchema.parse(JSON.parse(await project.ok("status", "--probe", "--json")));
    expect(status.engines).toMatchObject([
      { status: "ready", probed: true, client: { name: "docker buildx" } },
    ]);
    expect(status.engines[0]?.client?.version).toMatch(/^\d+\.\d+/);
  });

  test("a failing command: its exact code and streams, and what it changed is in the workspace", async () => {
    const ran = await project.run(
      sh(
        'echo "$TOKEN" | tr a-z A-Z; cat /etc/from-setup; ls; echo new > "sub/n ew"; rm gone.txt; chmod 700 kept.txt; echo err >&2; exit 7',
      ),
    );
    expect([ran.code, ran.stdout]).toEqual([7, "HUSH-E2E\nlayer\ngone.txt\nkept.txt\nsub\n"]);
    expect(ran.stderr).toContain("err\n");
    expect((await readdir(work)).toSorted()).toEqual([".dockerignore", "hidden", "kept.txt", "sub"]);
    expect(await readFile(join(work, "sub", "n ew"), "utf8")).toBe("new\n");
  });

  test("a command is given the input of its caller", async () => {
    const ran = await project.run(["run", "--agent", "main", "--", "cat"], { input: "from the caller\n" });
    expect([ran.code, ran.stdout]).toEqual([0, "from the caller\n"]);
  });

  test("prune keeps the worker's cache to its bounds when it is asked to", async () => {
    const { code, stderr } = await project.run(["prune", "--cache", "--yes"]);
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/cut down to what was used in the last 1h, at most 100GiB/),
    ]);
  });

  test("commands take turns, too many are refused with 75, and one that is ended leaves nothing behind", async () => {
    const tag = `301.${Date.now()}${process.pid}`;
    const first = project.start(sh(`sleep ${tag}`));
    await until(
      async () => (await everyArgv()).some((argv) => argv.startsWith(`sleep\0${tag}`)),
      "the command to begin",
      50_000,
    );
    const second = project.start(["run", "--agent", "two", "--", "true"]);
    const lane = async () => lanesSchema.parse(JSON.parse(await project.ok("lanes", "--json"))).lanes[0];
    await until(async () => (await lane())?.waiting.length === 1, "the second to wait", 50_000);
    expect(await lane()).toMatchObject({ running: [{ agent: "main" }], waiting: [{ agent: "two" }] });
    expect(await project.ok("lanes")).toContain("1 of 1 at work, 1 of 1 waiting");
    const refused = await project.run(["run", "--agent", "main", "--", "true"]);
    expect([refused.code, refused.stderr]).toEqual([75, expect.stringContaining("LANE_FULL")]);
    first.child.kill("SIGTERM");
    expect((await first.ended).code).toBe(143);
    expect((await second.ended).code).toBe(0);
    await until(async () => !(await everyArgv()).some((argv) => argv.includes(tag)), "its end on the worker");
    const late = project.start(["run", "--json", "--agent", "main", "--", "sleep", `${tag}5`]);
    await until(
      async () => (await everyArgv()).some((argv) => argv.startsWith(`sleep\0${tag}5`)),
      "the last to begin",
      50_000,
    );
    late.child.kill("SIGTERM");
    const ended = await late.ended;
    expect(JSON.parse(ended.stdout)).toMatchObject({ exit_code: 143, changes_lost: true });
    expect(ended.stderr).toContain("nothing of what it changed in its workspace came back");
    expect(
      (await project.run(["run", "--agent", "main", "--timeout", "1s", "--", "sleep", "300"])).code,
    ).toBe(124);
  });

  test("one whose client does not listen is gone at once, and the next begins before its output is asked for", async () => {
    const marks = join(project.root, "marks");
    const deaf = join(project.root, "deaf");
    for (const each of [marks, deaf]) await mkdir(each);
    await writeFile(join(deaf, "docker-buildx"), DEAF_CLIENT, { mode: 0o755 });
    const env = {
      PATH: `${deaf}:${process.env["PATH"] ?? ""}`,
      E2E_BUILDX: services().buildx.folder,
      E2E_MARKS: marks,
    };
    const tag = uniqueSleep();
    const first = project.start(sh(`echo before; exec sleep ${tag}`), { env });
    await until(() => isRunning(tag), "the command to begin", 50_000);
    const next = project.start(["run", "--agent", "two", "--", "true"], { env: { ...env, E2E_NEXT: "yes" } });
    const lane = async () => lanesSchema.parse(JSON.parse(await project.ok("lanes", "--json"))).lanes[0];
    await until(async () => (await lane())?.waiting.length === 1, "the next to wait", 50_000);
    first.child.kill("SIGTERM");
    await until(async () => !(await isRunning(tag)), "its end on the worker");
    expect(first.child.exitCode).toBeNull();
    await writeFile(join(marks, "gone"), "");
    // Its output comes only after the next one has begun.
    expect(await first.ended).toMatchObject({ code: 143, stdout: "before\n" });
    expect(existsSync(join(marks, "late"))).toBe(false);
    expect((await next.ended).code).toBe(0);
  });

  test("fails closed: no endpoint or image is an error, and a worker that is away is never 'nothing there'", async () => {
    await project.config('[sandbox]\nbackend = "buildkit"\n[agents.main]');
    const invalid = await project.run(["validate"]);
    expect(invalid.code).toBe(78);
    expect(invalid.stdout + invalid.stderr).toMatch(
      /sandkeep\.toml:5:\d+[^]*needs an endpoint[^]*sandkeep\.toml:5:\d+[^]*needs an image/,
    );
    await project.config(config(`unix://${project.root}/nothing.sock`));
    expect((await project.run(["plan"])).code).toBe(69);
    const away = await project.run(sh("true"));
    expect(away.code).toBe(69);
    expect(away.stderr).toContain("could not reach the worker");
  });
});
