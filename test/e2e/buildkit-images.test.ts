import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { Bridge } from "../../src/drivers/buildkit/bridge.ts";
import { Dialer } from "../../src/drivers/buildkit/dial.ts";
import { runManifestSchema } from "../../src/model/run-manifest.ts";
import { endpointOf } from "../contract/buildkit-kit.ts";
import { LOGIN, TestRegistry } from "../support/registry.ts";
import { describeWith } from "../support/services.ts";
import { Project, documentOf } from "./cli.ts";

// Which image a command is built from on a worker of its own, which no engine's images say anything about: a real registry
// behind a login, a real worker behind a unix socket, and the built CLI.

describeWith(["docker", "buildx"], "the base image on a worker of its own", (services) => {
  let engine: Dialer;
  let bridge: Bridge;
  let registry: TestRegistry;
  let project: Project;
  let ref: string;

  beforeAll(async () => {
    engine = new Dialer(endpointOf(`docker://${services().docker.socket}`), { env: {}, randomId: () => "0" });
    bridge = await Bridge.open(() => engine.dial());
  });
  afterAll(async () => {
    await bridge?.[Symbol.asyncDispose]();
    await engine?.[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    registry = await TestRegistry.open(services().docker.host, { login: true });
    ref = `${registry.address}/app:1`;
    const path = `${services().buildx.folder}:${process.env["PATH"] ?? ""}`;
    project = await Project.open({ env: { PATH: path } });
    const auth = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString("base64");
    const home = join(project.folder, "home", ".docker");
    await mkdir(home);
    await writeFile(join(home, "config.json"), JSON.stringify({ auths: { [registry.address]: { auth } } }));
  });
  afterEach(async () => {
    await project?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
  });

  const config = (policy: string): Promise<void> =>
    project.config(`
[sandbox]
backend = "buildkit"
workspace = { access = "none" }
[sandbox.buildkit]
endpoint = "${bridge.address}"
image = "${ref}"
image_policy = "${policy}"
[agents.main]
`);
  const content = ["run", "--agent", "main", "--", "sh", "-c", "echo $CONTENT"];

  test("missing: the worker decides, and no registry is asked by a plan", async () => {
    await registry.push("app:1", "one");
    await config("missing");
    await registry.stop();
    expect(await project.plan()).toMatchObject({
      exit_code: 0,
      diagnostics: [],
      images: [{ ref, digest: null, present: false }],
    });
    await registry.start();
    expect(await project.ok(...content)).toBe("one\n");
    expect((await project.run(["images", "check"])).code).toBe(0);
  });

  test("track: what the registry says now is built from by its digest; one that is down is a warning", async () => {
    const first = await registry.push("app:1", "one");
    await config("track");
    const plan = await project.plan();
    expect(plan).toMatchObject({
      diagnostics: [],
      graph: [],
      images: [{ kind: "manifest", digest: first, platform: "linux/amd64" }],
    });
    const ran = await project.run([...content.slice(0, 3), "--log-level", "debug", ...content.slice(3)]);
    expect([ran.code, ran.stdout], ran.stderr).toEqual([0, "one\n"]);
    expect(ran.stderr).not.toContain(LOGIN.password);

    const second = await registry.push("app:1", "two");
    const moved = await project.plan();
    expect(moved.images).toMatchObject([{ digest: second }]);
    expect(moved.plan_id).not.toBe(plan.plan_id);
    const told = await project.run(["run", "--json", "--agent", "main", "--", "true"]);
    const image = { ref, kind: "manifest", digest: second, platform: "linux/amd64" };
    expect(runManifestSchema.parse(documentOf(told))).toMatchObject({ status: "ok", image });
    expect(await project.ok(...content)).toBe("two\n");

    await registry.stop();
    expect(await project.plan("--detailed-exitcode")).toMatchObject({
      exit_code: 0,
      diagnostics: [{ severity: "warning", code: "image-unresolved" }],
    });
    expect((await project.run(content)).stderr).toContain("could not be found out");
  });

  test("pin: the lock file decides, whatever the tag means by now, and only `images` writes it", async () => {
    const first = await registry.push("app:1", "one");
    await config("pin");
    expect(documentOf(await project.run(["validate", "--json"]))).toMatchObject({
      diagnostics: [{ code: "image-not-locked", hint: expect.stringContaining("images lock") }],
    });
    expect(await project.json("images", "lock")).toMatchObject({
      images: [{ ref, platform: "linux/amd64", after: first, status: "added" }],
    });
    const second = await registry.push("app:1", "two");
    const plan = await project.plan();
    expect(plan).toMatchObject({ exit_code: 0, diagnostics: [], images: [{ digest: first }] });
    expect(await project.ok(...content)).toBe("one\n");
    const checked = await project.run(["images", "check", "--json"]);
    expect(documentOf(checked)).toMatchObject({
      exit_code: 2,
      images: [{ status: "moved", here: first, registry: second }],
    });
    expect(await project.json("images", "update")).toMatchObject({
      images: [{ before: first, after: second, status: "changed" }],
    });
    expect((await project.plan()).plan_id).not.toBe(plan.plan_id);
    expect(await project.ok(...content)).toBe("two\n");
    await registry.stop();
    expect(await project.plan()).toMatchObject({ diagnostics: [], images: [{ digest: second }] });

    const entry = { ref, platform: "linux/s390x", kind: "manifest", digest: first };
    const images = [{ ...entry, resolved_at: "2026-01-01T00:00:00.000Z" }];
    await project.file("sandkeep.lock", JSON.stringify({ version: 1, images }));
    const refused = await project.plan();
    expect(refused.exit_code).toBe(3);
    expect(refused.blocked).toMatchObject([{ rule: "image", fix: expect.stringContaining("images lock") }]);
    const not = await project.run(content);
    expect([not.code, not.stdout, not.stderr]).toEqual([1, "", expect.stringContaining("images lock")]);
  });
});
