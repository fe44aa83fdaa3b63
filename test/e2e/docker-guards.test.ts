import { join } from "node:path";
import { expect, test } from "vitest";
import { describeWithServices } from "../support/services.ts";
import type { Ran, Running } from "./cli.ts";
import { Project, actionsOf, changeOf, documentOf, eventually, outcomesOf, reasonsOf } from "./cli.ts";
import { moodyImage } from "./moody-image.ts";

// What apply must not do, or must undo. Each test has a fleet of its own, so they run side by side.

const head = (image = "sandkeep-test/busybox:1"): string => `
[sandbox]
backend = "docker"
ready = { command = ["true"], interval = "50ms" }
[sandbox.docker]
image = "${image}"
`;

async function idOf(project: Project, name: string): Promise<string> {
  return project.docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}} {{.State.Status}}", name);
}

async function only(project: Project): Promise<string> {
  const names = await project.containers();
  const [name = ""] = names;
  expect(names).toEqual([name]);
  return name;
}

async function busy(project: Project, agent: string): Promise<Running> {
  const running = project.start(["run", "--agent", agent, "--", "sleep", "120"]);
  await eventually("a busy runtime", async () => {
    const row = (await project.list()).find((each) => each.address === `agent/${agent}`);
    return row?.busy === true ? true : undefined;
  });
  return running;
}

describeWithServices("guards on a real engine", (services) => {
  const open = (): Promise<Project> => Project.open({ docker: services().docker.host });

  test.concurrent(
    "a foreign container that holds our name blocks its address alone",
    async ({ expect: check }) => {
      await using project = await open();
      await project.config(`${head()}[agents.free]\n[agents.taken]`);
      const name = changeOf(await project.plan(), "agent/taken").name;
      await project.docker("run", "-d", "--name", name, "sandkeep-test/busybox:1", "sleep", "600");
      try {
        const before = await idOf(project, name);
        const plan = await project.plan();
        check(plan).toMatchObject({
          exit_code: 3,
          blocked: [{ address: "agent/taken", rule: "foreign", deferred: false }],
          foreign: [{ name }],
        });
        check(actionsOf(plan)).toEqual({ "agent/free": ["create"] });
        const result = await project.apply();
        check(result.exit_code).toBe(3);
        check(outcomesOf(result)).toEqual({ "agent/free": "create done", "agent/taken": "none skipped" });
        const used = await project.run(["run", "--agent", "taken", "--", "true"]);
        check(used).toMatchObject({ code: 3, stderr: expect.stringContaining("not of this fleet") });
        await project.ok("destroy", "--all", "--yes");
        check(await idOf(project, name)).toBe(before);
      } finally {
        await project.docker("rm", "-f", name);
      }
    },
  );

  test.concurrent("a tag that moves to other content is drift of origin image", async ({ expect: check }) => {
    await using project = await open();
    const tag = `sandkeep-e2e/${project.fleet}:1`;
    await project.docker("tag", "sandkeep-test/busybox:1", tag);
    try {
      await project.config(`${head(tag)}[agents.work]`);
      await project.ok("apply", "--yes");
      const read = ["run", "--", "cat", "/etc/sandkeep-test"];
      check(await project.ok(...read)).toBe("1\n");
      await project.docker("tag", "sandkeep-test/busybox:2", tag);
      const plan = await project.plan();
      check(changeOf(plan, "agent/work")).toMatchObject({ actions: ["recreate"], origin: "image" });
      check(reasonsOf(plan, "agent/work")).toEqual({
        image: [expect.stringMatching(/^sha256:/), expect.stringMatching(/^sha256:/)],
      });
      await project.ok("apply", "--yes");
      check(await project.ok(...read)).toBe("2\n");
      check(actionsOf(await project.plan())).toEqual({});
    } finally {
      await project[Symbol.asyncDispose]();
      await project.docker("rmi", tag);
    }
  });

  test.concurrent(
    "a command that ends at once is rolled back, and the old container runs on",
    async ({ expect: check }) => {
      await using project = await open();
      await project.config(`${head()}[agents.work]`);
      await project.ok("apply", "--yes");
      const name = await only(project);
      const [before] = (await idOf(project, name)).split(" ");
      await project.edit("[agents.work]", 'command = ["/bin/false"]\n[agents.work]');
      const result = await project.apply();
      check(result).toMatchObject({ exit_code: 5, outcomes: [{ status: "rolled_back" }] });
      check(result.outcomes[0]?.error?.message).toContain("exited with 1");
      check(await only(project)).toBe(name);
      check((await idOf(project, name)).split(" ")).toMatchObject({ 0: before, 2: "running" });
      check(await project.ok("run", "--", "echo", "alive")).toBe("alive\n");
      // An explicit apply is not held back by the failure before it.
      check((await project.apply()).exit_code).toBe(5);
      await project.edit('command = ["/bin/false"]\n', "");
      check(actionsOf(await project.plan())).toEqual({});
    },
  );

  test.concurrent(
    "what its image's health check refuses is rolled back, and the old container runs on",
    async ({ expect: check }) => {
      await using project = await open();
      await using image = await moodyImage(project);
      // A `ready` would take the place of the image's own check.
      const config = (ref: string, mood: string): string =>
        `[sandbox]\nbackend = "docker"\nenv = { MOOD = "${mood}" }\n[sandbox.docker]\nimage = "${ref}"\n[agents.work]`;
      const volumes = (): Promise<string> =>
        project.docker("volume", "ls", "-q", "--filter", `label=sandkeep.fleet=${project.fleet}`);
      // Nothing of the try is left, and what ran before it is the very same one, which was stopped for a while.
      const refused = async (...flags: readonly string[]): Promise<Ran> => {
        const name = await only(project);
        const [before, kept] = [await idOf(project, name), await volumes()];
        const ran = await project.run(["apply", "--yes", ...flags]);
        check(await only(project)).toBe(name);
        const [id, , state] = (await idOf(project, name)).split(" ");
        check([id, state]).toEqual([before.split(" ")[0], "running"]);
        check(await volumes()).toBe(kept);
        return ran;
      };

      await project.config(config("sandkeep-test/busybox:1", "bad"));
      await project.ok("apply", "--yes");
      await project.config(config(image.ref, "bad"));
      check(await refused()).toMatchObject({
        code: 5,
        stdout: expect.stringMatching(/agent\/work.*ROLLED BACK[^]*its health check fails/),
      });
      // The same check passes what is well, and refuses what turns bad by another key.
      await project.config(config(image.ref, "good"));
      check(outcomesOf(await project.apply())).toEqual({ "agent/work": "recreate done" });
      const health = ["inspect", "--format", "{{.State.Health.Status}}", await only(project)];
      check(await project.docker(...health)).toBe("healthy");
      await project.config(config(image.ref, "bad"));
      const ran = await refused("--json");
      const error = { code: "UNHEALTHY", message: "its health check fails" };
      const outcome = { address: "agent/work", status: "rolled_back", error };
      check([ran.code, documentOf(ran)]).toMatchObject([5, { exit_code: 5, outcomes: [outcome] }]);
      check(await project.ok("run", "--", "echo", "alive")).toBe("alive\n");
    },
  );

  test.concurrent("a first creation that fails leaves nothing behind", async ({ expect: check }) => {
    await using project = await open();
    await project.config(`${head("sandkeep-test/exits:1")}command = ["/bin/false"]\n[agents.work]`);
    const ran = await project.run(["apply", "--yes"]);
    check(ran).toMatchObject({ code: 5, stdout: expect.stringContaining("ROLLED BACK") });
    check(await project.containers()).toEqual([]);
    check((await project.run(["run", "--", "true"])).code).toBe(5);
  });

  test.concurrent(
    "an image that cannot be had fails before anything is touched",
    async ({ expect: check }) => {
      await using project = await open();
      await project.config(`${head()}[agents.work]`);
      await project.ok("apply", "--yes");
      const name = await only(project);
      const before = await idOf(project, name);
      await project.edit("sandkeep-test/busybox:1", "127.0.0.1:1/nothing/there:1");
      check(await project.plan()).toMatchObject({ images: [{ present: false }], exit_code: 0 });
      const result = await project.apply();
      check(result).toMatchObject({ exit_code: 1, outcomes: [{ status: "failed" }] });
      check(await idOf(project, name)).toBe(before);
      check(await only(project)).toBe(name);
    },
  );

  test.concurrent("orphans are removed, but no more than guards.max_destroy", async ({ expect: check }) => {
    await using project = await open();
    const guards = "[guards]\nmax_destroy = 1\n";
    await project.config(`${head()}[agents.a]\n[agents.b]\n[agents.keep]\n${guards}`);
    await project.ok("apply", "--yes");
    await project.config(`${head()}[agents.keep]\n${guards}`);
    const blocked = await project.apply();
    check(blocked).toMatchObject({ exit_code: 3, calls: { write: 0 } });
    check(await project.containers()).toHaveLength(3);
    check((await project.plan()).orphans).toHaveLength(2);
    check(await project.run(["apply"])).toMatchObject({ code: 3 });
    const allowed = await project.apply("--max-destroy", "2");
    check(outcomesOf(allowed)).toEqual({ "agent/a": "remove done", "agent/b": "remove done" });
    check(await project.containers()).toHaveLength(1);
    await project.config(`${head()}[agents.other]\n${guards}`);
    check(outcomesOf(await project.apply())).toEqual({
      "agent/keep": "remove done",
      "agent/other": "create done",
    });
  });

  test.concurrent(
    "a protected one is not replaced nor destroyed without --unprotect",
    async ({ expect: check }) => {
      await using project = await open();
      await project.config(`${head()}[agents.work]\n[agents.work.sandbox]\nprotect = true`);
      await project.ok("apply", "--yes");
      const name = await only(project);
      const before = await idOf(project, name);
      check(await project.run(["recreate", "--all", "--yes"])).toMatchObject({ code: 3 });
      check(await project.run(["destroy", "--all", "--yes"])).toMatchObject({ code: 3 });
      check(await idOf(project, name)).toBe(before);
      await project.ok("destroy", "--all", "--unprotect", "--yes");
      check(await project.containers()).toEqual([]);
    },
  );

  test.concurrent(
    "plan and explain tell each rule that is broken on purpose, why, and where, also when nothing is to do",
    async ({ expect: check }) => {
      await using project = await open();
      const glass = `break_glass = { network_host = "a drill of the hosts", seccomp_unconfined = "just in case" }`;
      await project.config(
        `${head()}${glass}\n[agents.work.sandbox.docker]\nnetwork = "host"\n[agents.calm]`,
      );
      const source = { file: "sandkeep.toml", line: head().split("\n").length + 3 };
      const expected = [
        {
          severity: "warning",
          code: "break-glass",
          path: "sandbox.docker.break_glass.network_host",
          message: expect.stringMatching(/network_host is broken on purpose: .*: a drill of the hosts$/),
          ...source,
        },
        { code: "break-glass-unused", path: "sandbox.docker.break_glass.seccomp_unconfined", ...source },
      ];
      const text = async (...verb: readonly string[]): Promise<void> => {
        const told = (await project.ok(...verb)).replaceAll(/\s+/g, " ");
        check(told).toMatch(
          /warning.*network_host is broken on purpose: .*the reason given: a drill of the hosts/,
        );
        check(told).toContain(`sandkeep.toml:${source.line}`);
        check(told).toContain("nothing here needs the exception seccomp_unconfined");
      };
      const explain = ["explain", "agent/work"];
      await text("plan");
      check((await project.json(...explain))["diagnostics"]).toMatchObject(expected);
      check(await project.apply()).toMatchObject({ exit_code: 0, summary: { done: 2 } });
      const plan = await project.plan();
      check(actionsOf(plan)).toEqual({});
      check(plan.diagnostics).toMatchObject(expected);
      await text(...explain);
      // Without the exception it is refused, in place of being told of.
      await project.edit(glass, "");
      const refused = { code: 78, stderr: expect.stringContaining("[network-host]") };
      check(await project.run(["plan"])).toMatchObject(refused);
    },
  );

  test.concurrent("scope says how many containers there are, and on-use when", async ({ expect: check }) => {
    await using project = await open();
    const agents = '[agents.a]\nsessions = ["main", "pr"]\n[agents.b]';
    await project.config(`${head()}${agents}`);
    const addresses = async (scope: string): Promise<string[]> => {
      await project.config(`${head().replace("[sandbox]", `[sandbox]\nscope = "${scope}"`)}${agents}`);
      return (await project.plan()).changes
        .filter((each) => !each.actions.includes("remove"))
        .map((each) => each.address);
    };
    check(await addresses("shared")).toEqual(["shared"]);
    await project.ok("apply", "--yes");
    check(await project.ok("run", "--agent", "b", "--", "echo", "b")).toBe("b\n");
    check(await addresses("agent")).toEqual(["agent/a", "agent/b"]);
    await project.ok("apply", "--yes");
    check(await project.containers()).toHaveLength(2);
    const sessions = ["session/agent:a:main", "session/agent:a:pr", "session/agent:b:main"];
    check(await addresses("session")).toEqual(sessions);
    await project.edit("[sandbox]", '[sandbox]\nprovision = "on-use"');
    const result = await project.apply();
    check(outcomesOf(result)).toEqual({ "agent/a": "remove done", "agent/b": "remove done" });
    check(await project.ok("run", "--agent", "a", "--session", "new-one", "--", "hostname")).not.toBe("");
    check((await project.list()).map((each) => each.address)).toEqual(["session/agent:a:new-one"]);
    check(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({ code: 0 });
    check(await project.ok("run", "--session", "pr", "--", "echo", "pr")).toBe("pr\n");
    check(await project.containers()).toHaveLength(2);
    check(await project.run(["run", "--session", "main", "--", "true"])).toMatchObject({ code: 64 });
  });

  test.concurrent(
    "a busy container is replaced later, or now when asked for by name",
    async ({ expect: check }) => {
      await using project = await open();
      await project.config(`${head()}[agents.free]\n[agents.work]`);
      await project.ok("apply", "--yes");
      const running = await busy(project, "work");
      await project.edit("[agents.free]", 'labels = { tier = "two" }\n[agents.free]');
      const plan = await project.plan("--detailed-exitcode");
      check(plan).toMatchObject({
        exit_code: 2,
        blocked: [{ address: "agent/work", rule: "busy", deferred: true }],
      });
      check(actionsOf(plan)).toEqual({ "agent/free": ["recreate"] });
      const result = await project.apply();
      check(result.exit_code).toBe(0);
      check(outcomesOf(result)).toEqual({ "agent/free": "recreate done", "agent/work": "none skipped" });
      check(await project.run(["plan", "--detailed-exitcode"])).toMatchObject({ code: 2 });
      check(running.child.exitCode).toBe(null);
      const forced = await project.run(["recreate", "agent/work", "--yes"]);
      check(forced).toMatchObject({ code: 0, stdout: expect.stringMatching(/busy with 1 run\b/) });
      check((await running.ended).code).not.toBe(0);
      check(actionsOf(await project.plan())).toEqual({});
    },
  );

  test.concurrent("a saved plan that no longer fits is stale change by change", async ({ expect: check }) => {
    await using project = await open();
    // With a canary the rest would wait for one that is not stale.
    await project.config(`[rollout]\ncanary = "off"\n${head()}[agents.a]\n[agents.b]`);
    await project.ok("apply", "--yes");
    await project.edit("[agents.a]", 'labels = { tier = "two" }\n[agents.a]');
    await project.ok("plan", "--out", "p.json");
    await project.ok("recreate", "agent/a", "--yes");
    const [kept] = await project.list();
    const result = await project.apply("p.json");
    check(result.exit_code).toBe(4);
    check(outcomesOf(result)).toEqual({ "agent/a": "recreate stale", "agent/b": "recreate done" });
    check((await project.list())[0]?.object_id).toBe(kept?.object_id);
    check(actionsOf(await project.plan())).toEqual({});
  });

  test.concurrent(
    "an engine that is away exits 69 in every verb, and changes nothing",
    async ({ expect: check }) => {
      await using project = await open();
      await project.config(`${head()}[agents.work]`);
      await project.ok("apply", "--yes");
      const before = await idOf(project, await only(project));
      const away = { env: { DOCKER_HOST: `unix://${join(project.folder, "nobody.sock")}` } };
      for (const verb of [
        ["plan"],
        ["plan", "--detailed-exitcode"],
        ["apply", "--yes"],
        ["list"],
        ["destroy", "--all", "--yes"],
        ["prune", "--idle", "1ms", "--yes"],
        ["recreate", "--all", "--yes"],
        ["run", "--", "true"],
      ]) {
        const ran = await project.run(verb, away);
        check({ verb, code: ran.code }).toEqual({ verb, code: 69 });
        check(ran.stdout + ran.stderr).toMatch(/nobody\.sock|unreachable/);
      }
      const listed = await project.run(["list", "--json"], away);
      check(JSON.parse(listed.stdout)).toMatchObject({
        runtimes: [{ status: "unreachable", config: "unknown" }],
      });
      check(await idOf(project, await only(project))).toBe(before);
      check(actionsOf(await project.plan())).toEqual({});
    },
  );

  test.concurrent("a fleet of the same name and another id is foreign", async ({ expect: check }) => {
    await using project = await open();
    await project.config(`${head()}[agents.work]`);
    await project.ok("apply", "--yes");
    const before = await idOf(project, await only(project));
    await project.edit('fleet_id = "k3v9q2"', 'fleet_id = "other1"');
    check(await project.plan()).toMatchObject({ exit_code: 3, foreign: [{}] });
    await project.run(["apply", "--yes"]);
    await project.run(["destroy", "--all", "--yes"]);
    check(await idOf(project, await only(project))).toBe(before);
  });

  test.concurrent(
    "a program is asked to end before its container goes, and what only keeps one open is not waited for",
    async ({ expect: check }) => {
      await using project = await open();
      const program = `command = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]`;
      // The first process of a container is deaf to signals that it does not handle, and would be waited for for 10 s.
      const keeper = "[agents.keeper.sandbox.docker]\ninit = false";
      await project.config(`${head()}[agents.program.sandbox.docker]\n${program}\n${keeper}\n`);
      await project.ok("apply", "--yes");
      const since = String(Date.now() / 1000);
      await project.ok("destroy", "--all", "--yes");
      const until = String(Date.now() / 1000 + 0.1);
      const what = ["--filter", "event=kill", "--filter", `label=sandkeep.fleet=${project.fleet}`];
      const shown = ["--format", '{{.Actor.Attributes.name}} {{index .Actor.Attributes "signal"}}'];
      const kills = await project.docker("events", "--since", since, "--until", until, ...what, ...shown);
      check(
        kills
          .split("\n")
          .map((line) => line.replace(/^.*(program|keeper)\S*/, "$1"))
          .toSorted(),
      ).toEqual(["keeper 9", "program 15"]);
    },
  );

  test.concurrent(
    "state that moves into the workspace is no part of it, and where it is kept may be two places",
    async ({ expect: check }) => {
      await using project = await open();
      await project.config(`${head()}[sandbox.workspace]\naccess = "rw"\n[agents.work]`);
      await project.ok("apply", "--yes");
      const places = [".st", ".other"].map((name) => ({ SANDKEEP_STATE_DIR: join(project.root, name) }));
      const look = async (env: Readonly<Record<string, string>>): Promise<unknown> => {
        const { changes } = JSON.parse((await project.run(["plan", "--json"], { env })).stdout);
        const [{ actions, reasons }] = changes;
        return [
          actions[0],
          ...reasons.map((each: { path: string; before: unknown }) => [each.path, each.before]),
        ];
      };
      for (const env of places) {
        const name = env.SANDKEEP_STATE_DIR.slice(project.root.length + 1);
        const told = ["recreate", ["docker.state_directory", `shown at /workspace/${name}`]];
        check(await look(env)).toEqual(told);
        check(await project.run(["apply", "--yes"], { env })).toMatchObject({ code: 0 });
        check(await look(env)).toEqual(["no-op"]);
      }
      // All agree on what the second made.
      for (const env of [...places, {}]) check(await look(env)).toEqual(["no-op"]);
      const ran = await project.run(["run", "--", "sh", "-c", "ls -A .st .other"], { env: places[0] ?? {} });
      check(ran).toMatchObject({ code: 0, stdout: ".other:\n\n.st:\n" });
    },
  );
});
