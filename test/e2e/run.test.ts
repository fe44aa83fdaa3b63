import { execFile as execFileOf } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runListSchema } from "../../src/model/run-answers.ts";
import { MAIN, Project, eventually } from "./cli.ts";
import type { ProjectOptions, Running } from "./cli.ts";
import { describeWithServices } from "../support/services.ts";

const execFile = promisify(execFileOf);

// `run` is the same promise on every backend, so both keep it under the same tests.

function runTests(config: string, options: () => ProjectOptions): void {
  let project: Project;
  beforeAll(async () => {
    project = await Project.open({ ...options(), env: { CANARY: "s3cr3t-value", OUTER: "outer" } });
    await project.config(config);
    await project.ok("apply", "--yes");
  });
  afterAll(async () => {
    await project[Symbol.asyncDispose]();
  });

  test.concurrent.each([
    ["true", 0],
    ["exit 1", 1],
    ["exit 37", 37],
    ["exit 255", 255],
    ["kill -9 $$", 137],
    ["kill -TERM $$", 143],
    ["no-such-command-here", 127],
  ])("%s exits %i", async (command, code) => {
    expect(await project.run(["run", "--", "sh", "-c", command])).toMatchObject({ code, stdout: "" });
  });

  test.concurrent("a command that does not exist exits 127 and says so", async () => {
    const ran = await project.run(["run", "--", "no-such-command-here"]);
    expect(ran).toMatchObject({ code: 127, stdout: "", stderr: expect.stringContaining("no-such-command") });
  });

  test.concurrent("stdout and stderr stay apart, byte by byte", async () => {
    const script = "printf 'out\\000\\n'; printf 'err' >&2; printf more";
    expect(await project.run(["run", "--", "sh", "-c", script])).toMatchObject({
      code: 0,
      stdout: "out\0\nmore",
      stderr: "err",
    });
  });

  test.concurrent("much output arrives whole", async () => {
    const stdout = await project.ok(
      "run",
      "--",
      "sh",
      "-c",
      "i=0; while [ $i -lt 5000 ]; do echo line-$i; i=$((i+1)); done",
    );
    const lines = stdout.trimEnd().split("\n");
    expect([lines.length, lines.at(-1)]).toEqual([5000, "line-4999"]);
  });

  test.concurrent("stdin is piped to its end", async () => {
    const input = "x".repeat(300_000);
    const ran = await project.run(["run", "--", "wc", "-c"], { input });
    expect(ran).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\s*300000\n$/) });
    expect(await project.run(["run", "--", "cat"], { input: "" })).toMatchObject({ code: 0, stdout: "" });
  });

  test.concurrent("--env sets a variable, or passes one of this shell", async () => {
    const script = 'echo "$A|$OUTER|$B"';
    const ran = await project.ok("run", "--env", "A=1=2", "--env", "OUTER", "--", "sh", "-c", script);
    expect(ran).toBe("1=2|outer|\n");
    expect(await project.ok("run", "--", "sh", "-c", 'echo "$OUTER"')).toBe("\n");
    expect(await project.run(["run", "--env", "NOT_SET", "--", "true"])).toMatchObject({ code: 64 });
  });

  test.concurrent("a secret reaches the command, and a missing one stops it before it starts", async () => {
    expect(await project.ok("run", "--", "sh", "-c", 'echo "$TOKEN"')).toBe("s3cr3t-value\n");
    const without = await project.run(["run", "--", "echo", "started"], { env: { CANARY: undefined } });
    expect(without.code).not.toBe(0);
    expect(without.stdout).toBe("");
    expect(without.stderr).toMatch(/TOKEN[^]*SECRET_UNRESOLVED/);
  });

  test.concurrent("arguments are taken literally", async () => {
    const argv = ["a b", "$HOME", "`id`", '"', "'", "*", "--json", ""];
    expect(await project.ok("run", "--", "printf", "%s|", ...argv)).toBe(
      argv.map((each) => `${each}|`).join(""),
    );
  });

  test.concurrent("--timeout ends it with 124, and says so", async () => {
    // It would outlast this test's limit by far.
    const ran = await project.run(["run", "--timeout", "1s", "--", "sleep", "86400"]);
    expect(ran).toMatchObject({ code: 124, stderr: expect.stringContaining("timed out after 1s") });
    const manifest = await project.json("run", "--timeout", "1s", "--", "sleep", "86400");
    expect(manifest).toMatchObject({ exit_code: 124, timed_out: true });
  });

  test.concurrent("--json answers the run's manifest alone on stdout", async () => {
    const ran = await project.run(["run", "--json", "--", "sh", "-c", "echo out; exit 3"]);
    expect(ran).toMatchObject({ code: 3, stderr: "out\n" });
    expect(JSON.parse(ran.stdout)).toMatchObject({
      agent: "main",
      session: "main",
      sandboxed: true,
      exit_code: 3,
    });
  });

  test.concurrent.each([
    ["SIGINT", "INT", 61],
    ["SIGTERM", "TERM", 62],
  ] as const)("%s reaches the command", async (signal, name, code) => {
    const script = `trap 'echo got ${name}; exit ${code}' ${name}; echo ready; while :; do sleep 0.1; done`;
    const running = project.start(["run", "--", "sh", "-c", script]);
    await says(running, "ready");
    running.child.kill(signal);
    expect(await running.ended).toMatchObject({ code, stdout: expect.stringContaining(`got ${name}`) });
  });

  test.concurrent.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("a command that %s ends exits %i", async (signal, code) => {
    const running = project.start(["run", "--", "sh", "-c", "echo ready; exec sleep 60"]);
    await says(running, "ready");
    running.child.kill(signal);
    expect(await running.ended).toMatchObject({ code });
  });

  test.concurrent(
    "a reader that leaves ends the command as a broken pipe does, and that is recorded",
    async () => {
      const argv = [process.execPath, MAIN, "run", "--source", "pipe", "--", "yes"];
      const script = '{ "$@"; echo "exit $?" >&2; } | head -n 1';
      const where = { cwd: project.root, env: project.env };
      const { stdout, stderr } = await execFile("sh", ["-c", script, "sh", ...argv], where);
      expect([stdout, stderr]).toEqual(["y\n", expect.stringMatching(/exit (1|141)\n$/)]);
      const { runs } = runListSchema.parse(await project.json("runs", "list", "--source", "pipe"));
      // The pipes of a command on this machine are sockets, of which some programs complain before the signal comes.
      const told = stderr.endsWith("exit 141\n") ? { signal: "SIGPIPE" } : { exit_class: "error" };
      expect(runs).toMatchObject([{ status: "failed", ...told }]);
    },
  );

  test("a run makes its runtime busy while it lasts, once", async () => {
    const waiting = project.start(["run", "--", "sh", "-c", "echo ready; sleep 60"]);
    await says(waiting, "ready");
    const listed = await eventually("busy", async () => {
      const [row] = await project.list();
      return row?.busy === true ? row : undefined;
    });
    expect(listed.address).toBe("agent/main");
    const plan = await project.plan("--replace", "agent/main");
    expect(plan.changes).toEqual([expect.objectContaining({ impact: expect.objectContaining({ busy: 1 }) })]);
    waiting.child.kill("SIGTERM");
    expect(await waiting.ended).toMatchObject({ code: 143 });
    await eventually("the end of the run", async () =>
      (await project.list())[0]?.busy === false ? true : undefined,
    );
  });
}

/** Waits until the command has said `word`; then it is past its start. */
async function says({ child }: Running, word: string): Promise<void> {
  const { stdout } = child;
  if (stdout === null) throw new Error("no pipe");
  let seen = "";
  await new Promise<void>((resolve, reject) => {
    stdout.on("data", (chunk: Buffer) => {
      seen += chunk.toString();
      if (seen.includes(word)) resolve();
    });
    child.once("exit", () => reject(new Error(`it ended before it said ${word}: ${seen}`)));
  });
}

const SECRET = 'secrets = { TOKEN = { env = "CANARY" } }';

describe("run on the local backend", () => {
  runTests(`[sandbox]\nbackend = "local"\n${SECRET}\n[agents.main]`, () => ({}));
});

describe("run in bubblewrap", () => {
  runTests(
    `[sandbox]\nbackend = "local"\n${SECRET}\n[sandbox.local]\nisolation = "bubblewrap"\n[agents.main]`,
    () => ({}),
  );
});

describeWithServices("run on a real engine", (services) => {
  runTests(
    `[sandbox]\nbackend = "docker"\n${SECRET}\n[sandbox.docker]\nimage = "sandkeep-test/busybox:1"\n[agents.main]`,
    () => ({ docker: services().docker.host }),
  );
});
