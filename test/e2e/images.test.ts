import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { importNodeImage, NODE_IMAGE } from "../support/egress-world.ts";
import { TestRegistry, LOGIN } from "../support/registry.ts";
import { describeWithServices } from "../support/services.ts";
import { Project, actionsOf, changeOf, documentOf, eventually, outcomesOf, reasonsOf } from "./cli.ts";

// Images from a real registry to a real engine: who decides which one runs, and what happens when a tag moves.

const CONFIG = (image: string, policy: string, extra = ""): string => `
[sandbox]
backend = "docker"
ready = { command = ["true"], interval = "50ms" }
[sandbox.docker]
image = "${image}"
image_policy = "${policy}"
[agents.work]
${extra}`;

describeWithServices("images of a real registry", (services) => {
  let project: Project;
  let registry: TestRegistry;
  let ref: string;

  beforeEach(async () => {
    registry = await TestRegistry.open(services().docker.host);
    project = await Project.open({ docker: services().docker.host });
    ref = `${registry.address}/app:1`;
  });
  afterEach(async () => {
    await project[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });

  const content = async (): Promise<string> => {
    const [name = ""] = await project.containers();
    const id = await project.docker("inspect", "-f", "{{.Image}}", name);
    return project.docker("image", "inspect", "-f", "{{.Config.Labels.content}}", id);
  };
  /** Repositories of this registry that the engine holds, once an image. */
  const held = async (): Promise<string[]> => {
    const listed = await project.docker("images", "--format", "{{.Repository}}");
    return listed
      .split("\n")
      .filter((name) => name.startsWith(`${registry.address}/`))
      .toSorted();
  };
  const warnings = async (): Promise<string[]> => (await project.plan()).diagnostics.map(({ code }) => code);

  test("missing: fetched once, used without a registry, and a tag that moves in the engine is drift", async () => {
    const digest = await registry.push("app:1", "one");
    await project.config(CONFIG(ref, "missing"));
    const plan = await project.plan();
    expect(plan.images).toMatchObject([{ ref, kind: "manifest", digest, present: false }]);
    expect((await project.apply()).exit_code).toBe(0);
    expect(await content()).toBe("one");

    await registry.push("app:1", "two");
    expect(actionsOf(await project.plan())).toEqual({});
    await registry.stop();
    const away = await project.plan("--detailed-exitcode");
    expect(away).toMatchObject({ exit_code: 0, diagnostics: [] });

    await registry.start();
    await project.docker("pull", "-q", ref);
    const moved = await project.plan();
    expect(actionsOf(moved)).toEqual({ "agent/work": ["recreate"] });
    expect(changeOf(moved, "agent/work").origin).toBe("image");
    expect(Object.keys(reasonsOf(moved, "agent/work"))).toEqual(["image"]);
    expect((await project.apply()).exit_code).toBe(0);
    expect(await content()).toBe("two");
    expect(actionsOf(await project.plan())).toEqual({});
  });

  test("a tag that moves between plan and apply: what was planned is fetched, and nothing else", async () => {
    const digest = await registry.push("app:1", "one");
    await project.config(CONFIG(ref, "missing"));
    await project.ok("plan", "--out", "saved.plan");
    await registry.push("app:1", "two");
    expect((await project.apply("saved.plan")).exit_code).toBe(0);
    expect(await content()).toBe("one");
    const [name = ""] = await project.containers();
    expect(await project.docker("inspect", "-f", "{{.Config.Image}}", name)).toContain(digest);
    expect(actionsOf(await project.plan())).toEqual({});
  });

  test("an image that goes between plan and apply makes the plan stale", async () => {
    await registry.push("app:1", "one");
    await project.docker("pull", "-q", ref);
    await project.config(CONFIG(ref, "missing"));
    await project.ok("plan", "--out", "saved.plan");
    await project.docker("rmi", ref);
    const result = await project.apply("saved.plan");
    expect(outcomesOf(result)).toEqual({ "agent/work": "create stale" });
    expect(result.exit_code).toBe(4);
  });

  test("never: what the engine lacks is refused by the plan, with the fix", async () => {
    await registry.push("app:1", "one");
    await project.config(CONFIG(ref, "never"));
    const plan = await project.plan();
    expect(plan).toMatchObject({ exit_code: 3, graph: [] });
    expect(plan.blocked).toMatchObject([{ address: "agent/work", rule: "image", deferred: false }]);
    expect(plan.blocked[0]?.fix).toContain("load or build the image");
    const result = await project.apply();
    expect(result).toMatchObject({ exit_code: 3, calls: { write: 0 } });
    await project.docker("pull", "-q", ref);
    expect((await project.apply()).exit_code).toBe(0);
    expect(await content()).toBe("one");
  });

  test("track: follows the registry; one that is down is a warning that changes nothing", async () => {
    await registry.push("app:1", "one");
    await project.config(CONFIG(ref, "track"));
    expect((await project.apply()).exit_code).toBe(0);
    expect(actionsOf(await project.plan())).toEqual({});

    const second = await registry.push("app:1", "two");
    const moved = await project.plan();
    expect(changeOf(moved, "agent/work")).toMatchObject({ actions: ["recreate"], origin: "image" });
    expect(moved.images).toMatchObject([{ kind: "manifest", digest: second, present: false }]);
    expect(moved.graph.map(({ op }) => op)).toContain("fetch");
    // Planning pulled nothing.
    expect(await project.docker("images", "-q", "--no-trunc", ref)).not.toBe("");
    expect(await content()).toBe("one");
    expect((await project.apply()).exit_code).toBe(0);
    expect(await content()).toBe("two");

    await registry.push("app:1", "three");
    await registry.stop();
    const down = await project.plan("--detailed-exitcode");
    expect(actionsOf(down)).toEqual({});
    expect(down.exit_code).toBe(0);
    expect(down.diagnostics).toMatchObject([{ severity: "warning", code: "image-unresolved" }]);
    await registry.start();
    expect((await project.apply()).exit_code).toBe(0);
    expect(await content()).toBe("three");
    expect(await warnings()).toEqual([]);
  });

  test("track: from another policy, like kinds alone decide", async () => {
    await registry.push("app:1", "one");
    await project.config(CONFIG(ref, "missing"));
    expect((await project.apply()).exit_code).toBe(0);
    await project.edit('"missing"', '"track"');
    expect(actionsOf(await project.plan())).toEqual({});
    await registry.push("app:1", "two");
    expect(actionsOf(await project.plan())).toEqual({ "agent/work": ["recreate"] });
    await project.edit('"track"', '"missing"');
    expect(actionsOf(await project.plan())).toEqual({});
  });

  test("track: an index that only got another attestation is no drift, and a new image in it is", async () => {
    const first = await registry.push("app:one", "one");
    const index = await registry.pushIndex("app:1", first, "a");
    await project.config(CONFIG(ref, "track"));
    const plan = await project.plan();
    expect(plan.images).toMatchObject([{ kind: "manifest", digest: first }]);
    expect((await project.apply()).exit_code).toBe(0);
    expect(await registry.pushIndex("app:1", first, "b")).not.toBe(index);
    expect(actionsOf(await project.plan())).toEqual({});
    await registry.pushIndex("app:1", await registry.push("app:two", "two"), "b");
    expect(changeOf(await project.plan(), "agent/work").origin).toBe("image");
    expect((await project.apply()).exit_code).toBe(0);
    expect(await content()).toBe("two");
  });

  test("track: what the docker CLI pulled by its index is known by it", async () => {
    const first = await registry.push("app:one", "one");
    await registry.pushIndex("app:1", first, "a");
    await project.docker("pull", "-q", ref);
    await project.config(CONFIG(ref, "track"));
    expect((await project.plan()).images).toMatchObject([{ kind: "index", present: true }]);
    expect((await project.apply()).exit_code).toBe(0);
    await registry.pushIndex("app:1", first, "b");
    expect(actionsOf(await project.plan())).toEqual({});
    await registry.pushIndex("app:1", await registry.push("app:two", "two"), "b");
    expect(actionsOf(await project.plan())).toEqual({ "agent/work": ["recreate"] });
  });

  test("pin: the lock file decides, and only `images` writes it", async () => {
    const first = await registry.push("app:1", "one");
    await project.config(CONFIG(ref, "pin"));
    const unlocked = await project.run(["validate", "--json"]);
    expect(documentOf(unlocked)).toMatchObject({
      ok: false,
      diagnostics: [{ code: "image-not-locked", line: 9, hint: expect.stringContaining("images lock") }],
    });
    expect((await project.run(["apply", "--yes"])).code).toBe(78);

    expect(await project.json("images", "lock")).toMatchObject({
      file: "sandkeep.lock",
      written: true,
      images: [{ ref, platform: "linux/amd64", before: null, after: first, status: "added" }],
    });
    const lock = join(project.root, "sandkeep.lock");
    const text = await readFile(lock, "utf8");
    expect(JSON.parse(text)).toMatchObject({
      version: 1,
      images: [{ ref, platform: "linux/amd64", kind: "manifest", digest: first }],
    });
    const planned = await project.plan();
    expect(planned.source.files.map(({ path }) => path)).toEqual(["sandkeep.lock", "sandkeep.toml"]);
    expect((await project.apply()).exit_code).toBe(0);

    const second = await registry.push("app:1", "two");
    expect(actionsOf(await project.plan())).toEqual({});
    expect((await project.run(["images", "check"])).code).toBe(2);
    expect(await project.json("images", "check")).toMatchObject({
      exit_code: 2,
      images: [{ status: "moved", here: first, registry: second }],
    });
    expect(await project.json("images", "lock")).toMatchObject({ written: false });
    expect(await readFile(lock, "utf8")).toBe(text);

    const before = (await project.plan()).plan_id;
    expect(await project.json("images", "update", ref)).toMatchObject({
      written: true,
      images: [{ before: first, after: second, status: "changed" }],
    });
    const after = await project.plan();
    expect(after.plan_id).not.toBe(before);
    expect(changeOf(after, "agent/work")).toMatchObject({ actions: ["recreate"], origin: "image" });
    expect(reasonsOf(after, "agent/work")).toEqual({ image: [first, second] });
    expect((await project.apply()).exit_code).toBe(0);
    expect(await content()).toBe("two");
    expect((await project.run(["images", "check"])).code).toBe(0);

    // The engine loses the pinned image's name, and the registry is away: what runs is still what is locked.
    await registry.stop();
    expect(actionsOf(await project.plan())).toEqual({});
    expect((await project.run(["images", "check"])).code).toBe(69);
    expect(await project.json("images", "update")).toMatchObject({
      exit_code: 1,
      written: false,
      images: [{ status: "failed", after: second }],
    });
  });

  test("pin: an engine that holds another image than the lock fetches by digest", async () => {
    const first = await registry.push("app:1", "one");
    await project.config(CONFIG(ref, "missing"));
    expect((await project.apply()).exit_code).toBe(0);
    const second = await registry.push("app:1", "two");
    await project.edit('"missing"', '"pin"');
    await project.ok("images", "lock");
    await registry.push("app:1", "three");
    const plan = await project.plan();
    expect(plan.images).toMatchObject([{ digest: second, present: false }]);
    expect(changeOf(plan, "agent/work")).toMatchObject({ actions: ["recreate"], origin: "image" });
    expect((await project.apply()).exit_code).toBe(0);
    expect(await content()).toBe("two");
    expect(first).not.toBe(second);
  });

  test("a lock file that is torn, or is for another platform, is told and never guessed", async () => {
    const digest = await registry.push("app:1", "one");
    await project.config(CONFIG(ref, "pin"));
    await project.file("sandkeep.lock", '{ "version": 1, "images": [');
    const torn = documentOf(await project.run(["validate", "--json"]));
    expect(torn).toMatchObject({ ok: false, diagnostics: [{ code: "lock-invalid", file: "sandkeep.lock" }] });
    const entry = { ref, platform: "linux/s390x", kind: "manifest", digest };
    const images = [{ ...entry, resolved_at: "2026-01-01T00:00:00.000Z" }];
    await project.file("sandkeep.lock", JSON.stringify({ version: 1, images }));
    const plan = await project.plan();
    expect(plan.exit_code).toBe(3);
    expect(plan.blocked).toMatchObject([{ rule: "image", fix: expect.stringContaining("images lock") }]);
    await project.ok("images", "lock");
    const lock = JSON.parse(await readFile(join(project.root, "sandkeep.lock"), "utf8"));
    expect(lock.images.map((each: { platform: string }) => each.platform)).toEqual([
      "linux/amd64",
      "linux/s390x",
    ]);
    expect((await project.plan()).exit_code).toBe(0);
  });

  test("watch follows an edited lock file", async () => {
    await registry.push("app:1", "one");
    await project.config(CONFIG(ref, "pin", '[watch]\ndebounce = "50ms"\n'));
    await project.ok("images", "lock");
    const watching = project.start(["watch", "--json"]);
    await eventually("the first runtime", async () => (await project.containers())[0]);
    await eventually("a settled runtime", async () =>
      (await project.containers()).every((name) => !name.endsWith(".new")) ? true : undefined,
    );
    expect(await content()).toBe("one");
    await registry.push("app:1", "two");
    await project.ok("images", "update");
    await eventually("the update", async () => {
      const [name = "", ...others] = await project.containers();
      return others.length === 0 && name !== "" && (await content()) === "two" ? true : undefined;
    });
    watching.child.kill("SIGTERM");
    expect((await watching.ended).code).toBe(0);
  });

  test("prune removes what sandkeep pulled and nothing uses, and keeps what is anybody's else", async () => {
    await registry.push("app:1", "one");
    await registry.push("theirs:1", "theirs");
    await registry.push("named:1", "named");
    await project.docker("pull", "-q", `${registry.address}/theirs:1`);
    const agents = ["named", "theirs"].map(
      (name) => `[agents.${name}.sandbox.docker]\nimage = "${registry.address}/${name}:1"\n`,
    );
    await project.config(CONFIG(ref, "track", agents.join("")));
    expect((await project.apply()).exit_code).toBe(0);
    await project.docker("tag", `${registry.address}/named:1`, `${registry.address}/mine:1`);
    await registry.push("app:1", "two");
    expect((await project.apply()).exit_code).toBe(0);
    await project.config(CONFIG(ref, "track"));
    expect((await project.apply()).exit_code).toBe(0);

    const before = await held();
    const dry = await project.json("images", "prune", "--dry-run");
    expect(await held()).toEqual(before);
    expect(statuses(dry)).toEqual({
      [ref]: ["kept", "would_remove"],
      [`${registry.address}/named:1`]: ["kept"],
    });
    const done = await project.json("images", "prune");
    expect(statuses(done)).toEqual({
      [ref]: ["kept", "removed"],
      [`${registry.address}/named:1`]: ["kept"],
    });
    expect(whys(done)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^used by /), expect.stringContaining("mine:1")]),
    );
    expect(await held()).toEqual(
      expect.arrayContaining([`${registry.address}/theirs`, `${registry.address}/mine`]),
    );
    expect((await held()).length).toBe(before.length - 1);
    expect(statuses(await project.json("images", "prune"))[ref]).toEqual(["kept"]);
    const list = await project.json("images", "list");
    expect(list).toMatchObject({ images: [{ ref, state: "present", pulled: true, policy: "track" }] });
  });

  test("the image of a gate is listed and kept while its sandbox is dormant, which then wakes without a registry", async () => {
    const gate = `${registry.address}/gate:1`;
    await importNodeImage(services().docker.host);
    const made = await project.docker("create", NODE_IMAGE, "node");
    await project.docker("commit", "--change", "LABEL content=gate", made, gate);
    await project.docker("rm", made);
    await project.docker("push", "-q", gate);
    await project.docker("rmi", gate);
    await registry.push("app:1", "one");
    const egress = `[agents.work.sandbox.egress]\nallow = ["allowed.test"]\nimage = "${gate}"\n`;
    await project.config(CONFIG(ref, "missing", egress));
    expect((await project.apply()).exit_code).toBe(0);
    await project.ok("prune", "--idle", "1ms", "--yes");
    expect(await project.containers()).toEqual([]);

    const list = await project.json("images", "list");
    const network = "egress/agent/work";
    expect(list).toMatchObject({
      images: [
        { ref, state: "present", pulled: true, addresses: ["agent/work"], networks: [] },
        { ref: gate, state: "present", pulled: true, addresses: [], networks: [network] },
      ],
    });
    const done = await project.json("images", "prune");
    expect(statuses(done)).toEqual({ [ref]: ["kept"], [gate]: ["kept"] });
    expect(whys(done)).toEqual(
      expect.arrayContaining(["agent/work is to run it", `the gate of ${network} is to run it`]),
    );
    expect(await held()).toEqual([`${registry.address}/app`, `${registry.address}/gate`]);

    await registry.stop();
    const woken = await project.run(["run", "--agent", "work", "--", "echo", "awake"]);
    expect(woken, woken.stderr).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("awake") as string,
    });
    await project.config(CONFIG(ref, "missing"));
    expect((await project.apply()).exit_code).toBe(0);
    expect(statuses(await project.json("images", "prune"))).toMatchObject({ [gate]: ["removed"] });
  }, 300_000);
});

describeWithServices("images of a private registry", (services) => {
  let project: Project;
  let registry: TestRegistry;

  beforeEach(async () => {
    registry = await TestRegistry.open(services().docker.host, { login: true });
    project = await Project.open({ docker: services().docker.host });
    await registry.push("app:1", "one");
    await project.config(CONFIG(`${registry.address}/app:1`, "track"));
    await mkdir(join(project.folder, "home", ".docker"));
  });
  afterEach(async () => {
    await project[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });
  const dockerConfig = async (config: object): Promise<void> =>
    writeFile(join(project.folder, "home", ".docker", "config.json"), JSON.stringify(config));

  test("without a login: told, and nothing is made", async () => {
    const plan = await project.plan();
    expect(plan.diagnostics).toMatchObject([{ code: "image-unresolved" }]);
    expect((await project.apply()).exit_code).toBe(1);
    expect(await project.containers()).toEqual([]);
  });

  test("with the docker CLI's login", async () => {
    const auth = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString("base64");
    await dockerConfig({ auths: { [registry.address]: { auth } } });
    const ran = await project.run(["apply", "--yes", "--log-level", "debug"]);
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stderr).toMatch(/fetch.*(?:Pull complete|Already exists|Pulling from)/);
    expect(ran.stdout + ran.stderr).not.toContain(LOGIN.password);
  });

  test("with a credential helper", async () => {
    const helper = join(project.folder, "docker-credential-test");
    const secret = JSON.stringify({ Username: LOGIN.username, Secret: LOGIN.password });
    await writeFile(
      helper,
      `#!/bin/sh\n[ "$1" = get ] && [ "$(cat)" = "${registry.address}" ] && echo '${secret}'\n`,
    );
    await chmod(helper, 0o755);
    await dockerConfig({ credHelpers: { [registry.address]: "test" } });
    const env = { PATH: `${project.folder}:${process.env["PATH"] ?? ""}` };
    const ran = await project.run(["apply", "--yes"], { env });
    expect(ran.code, ran.stderr).toBe(0);
    expect(await project.containers()).toHaveLength(1);
  });
});

interface Pruned {
  readonly refs: readonly string[];
  readonly status: string;
  readonly why: string;
}

/** First reference of each image → what became of it, sorted. */
function statuses(document: Readonly<Record<string, unknown>>): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const { refs, status } of document["images"] as Pruned[]) (found[refs[0] ?? ""] ??= []).push(status);
  for (const each of Object.values(found)) each.sort();
  return found;
}

function whys(document: Readonly<Record<string, unknown>>): string[] {
  return (document["images"] as Pruned[]).map((each) => each.why);
}
