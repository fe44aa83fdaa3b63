import { execFile } from "node:child_process";
import { lstat, mkdir, readFile, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { BundleExtract, BundleList } from "../../src/model/salvage-bundle.ts";
import { describeWithServices } from "../support/services.ts";
import { Project, changeOf, eventually, outcomesOf } from "./cli.ts";

// What an agent left in a container outlives the container: as a bundle that gives every byte back, or by keeping the
// container where no bundle can be made.

const exec = promisify(execFile);

const WORK = `
  mkdir -p /root/work/deep && printf 'words of an agent\\n' > /root/work/deep/notes.txt
  head -c 300000 /dev/urandom > /root/work/blob && chmod 640 /root/work/blob
  printf '#!/bin/sh\\n' > /root/work/tool && chmod 755 /root/work/tool
  ln -s deep/notes.txt /root/work/link && ln -s /etc/sandkeep-test /root/work/outward
  mkdir /root/.cache && head -c 5000 /dev/zero > /root/.cache/junk
  printf own > /workspace/draft && rm /etc/passwd && printf gone > /tmp/gone
`;

describeWithServices("salvage on a real engine", (services) => {
  let project: Project;
  const config = (salvage: string, more = ""): string => `
[sandbox]
backend = "docker"
ready = { command = ["true"], interval = "50ms" }
${more}
[sandbox.workspace]
access = "none"
[sandbox.salvage]
${salvage}
[sandbox.docker]
image = "${services().docker.images.busybox}"
read_only_root = false
stop_timeout = "1s"
`;
  const AGENTS = "[agents.work]\n[agents.other]\n";
  const ALWAYS = 'when = "always"\nexclude = ["/root/.cache"]';

  beforeEach(async () => {
    project = await Project.open({ docker: services().docker.host });
  });
  afterEach(() => project[Symbol.asyncDispose]());

  const nameOf = async (address: string): Promise<string> => {
    const row = (await project.list()).find((each) => each.address === address);
    if (row === undefined) throw new Error(`${address} is not there`);
    return row.name;
  };
  const inside = async (address: string, script: string): Promise<string> =>
    project.docker("exec", await nameOf(address), "sh", "-c", script);
  const idOf = async (name: string): Promise<string> =>
    project.docker("inspect", "-f", "{{.Id}} {{.State.Status}}", name);
  const bundles = async (): Promise<BundleList["bundles"]> =>
    ((await project.json("salvage", "list")) as unknown as BundleList).bundles;
  const only = async (): Promise<BundleList["bundles"][number]> => {
    const [first, ...more] = await bundles();
    expect(more).toEqual([]);
    if (first === undefined) throw new Error("there is no bundle");
    return first;
  };
  const extract = async (id: string): Promise<BundleExtract> =>
    (await project.json(
      "salvage",
      "extract",
      id,
      "--output",
      join(project.folder, `out-${id}`),
    )) as unknown as BundleExtract;

  test("a replaced container's files come back byte for byte", async () => {
    await project.config(config(ALWAYS) + AGENTS);
    expect((await project.apply()).exit_code).toBe(0);
    await inside("agent/work", WORK);
    const sum = await inside("agent/work", "sha256sum < /root/work/blob");
    const moved = '[agents.work.sandbox]\nenv = { STAGE = "two" }\n[agents.other]\n';
    await project.config(config(ALWAYS) + moved);
    const impact = changeOf(await project.plan(), "agent/work").impact;
    expect(impact).toMatchObject({ salvage: true, rw_more: false, rw_deleted: 1, workspace: "lost" });
    expect(impact.rw_paths).toEqual(["/root/.cache/", "/root/work/", "/workspace/draft"]);
    expect(await project.ok("plan")).toMatch(
      /would lose 29\d\.\d KiB in 7 files: \/root\/\.cache\/, \/root\/work\//,
    );
    expect(outcomesOf(await project.apply())).toEqual({ "agent/work": "recreate done" });

    const bundle = await only();
    expect(bundle).toMatchObject({ address: "agent/work", files: 6, deleted: 1, skipped: 0 });
    expect((await lstat(bundle.path)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(bundle.path)) {
      expect((await lstat(join(bundle.path, name))).mode & 0o777).toBe(0o600);
    }
    const done = await extract(bundle.id.slice(0, 24));
    const at = (path: string): string => join(done.output, path);
    expect(done).toMatchObject({ deleted: ["/etc/passwd"], relinked: ["/root/work/outward"] });
    expect(await readFile(at("root/work/deep/notes.txt"), "utf8")).toBe("words of an agent\n");
    const { stdout } = await exec("sha256sum", [at("root/work/blob")]);
    expect(stdout.split(" ")[0]).toBe(sum.split(" ")[0]);
    expect((await lstat(at("root/work/blob"))).mode & 0o777).toBe(0o640);
    expect((await lstat(at("root/work/tool"))).mode & 0o777).toBe(0o755);
    expect(await readlink(at("root/work/link"))).toBe("deep/notes.txt");
    expect(await readlink(at("root/work/outward"))).toBe("../../etc/sandkeep-test");
    expect(await readFile(at("workspace/draft"), "utf8")).toBe("own");
    expect(await readdir(at("root"))).toEqual(["work"]);
    // As it was, for an engine that is to have it back.
    const listed = await exec("tar", ["-tvf", join(bundle.path, "files.tar")]);
    expect(listed.stdout).toContain("root/work/outward -> /etc/sandkeep-test");
    expect(listed.stdout).not.toContain("gone");
    const again = await project.run(["salvage", "extract", bundle.id, "--output", done.output]);
    expect([again.code, again.stderr]).toEqual([64, expect.stringContaining("no empty folder")]);
  });

  test("a plan says what goes with an idle one, and whether its workspace does", async () => {
    const off = config('when = "off"');
    const agents = '[agents.work]\n[agents.shared.sandbox.workspace]\naccess = "rw"\n';
    await project.config(`${off}${agents}`);
    expect((await project.apply()).exit_code).toBe(0);
    await inside("agent/work", WORK);
    await inside("agent/shared", "head -c 2048 /dev/zero > /root/note && printf mine > /workspace/kept");
    await project.config(`${off}[sandbox.prune]\nidle = "1s"\n${agents}`);
    const plan = await eventually("both to be idle", async () => {
      const found = await project.plan();
      return found.summary.remove === 2 ? found : undefined;
    });
    expect(changeOf(plan, "agent/work").impact).toMatchObject({
      downtime: true,
      salvage: false,
      rw_files: 7,
      rw_deleted: 1,
      rw_paths: ["/root/.cache/", "/root/work/", "/workspace/draft"],
      workspace: "lost",
    });
    expect(changeOf(plan, "agent/shared").impact).toMatchObject({
      rw_bytes: 2048,
      rw_paths: ["/root/note"],
      workspace: "kept",
    });
    for (const verb of [["plan"], ["prune", "--dry-run"]]) {
      const text = (await project.ok(...verb)).replaceAll(/\s+/g, " ");
      const idle = String.raw`idle for \S+, longer than 1s; its next use wakes it idle: "\S+" → "1s" sandkeep\.toml:\d+`;
      const impact = String.raw`impact: stops what runs there, idle for [^ ,]+`;
      const work = String.raw`would lose 29\d\.\d KiB in 7 files: /root/\.cache/, /root/work/, /workspace/draft; 1 deletion of the image's files would be undone`;
      const found = [
        String.raw`- agent/shared remove \(docker\) ${idle} ${impact} would lose 2(\.0)? KiB in 1 file: /root/note`,
        String.raw`- agent/work remove \(docker\) ${idle} ${impact}, THE WORKSPACE IS LOST ${work}`,
      ];
      expect(text).toMatch(new RegExp(found.join(" "), "u"));
    }

    // It is as it was told.
    expect(outcomesOf(await project.apply())).toEqual({
      "agent/shared": "remove done",
      "agent/work": "remove done",
    });
    expect(await bundles()).toEqual([]);
    const found = async (agent: string): Promise<string> =>
      project.ok("run", "--agent", agent, "--", "sh", "-c", "ls /root /workspace");
    expect(await found("work")).toBe("/root:\n\n/workspace:\n");
    expect(await found("shared")).toMatch(/^\/root:\n\n\/workspace:\nkept\n/);
  });

  test("what is pruned, no longer declared, or destroyed is kept; what nothing was written in leaves nothing", async () => {
    await project.config(config(ALWAYS) + AGENTS + "[agents.third]\n");
    expect((await project.apply()).exit_code).toBe(0);
    for (const name of ["work", "other", "third"]) {
      if (name !== "other") await inside(`agent/${name}`, `printf ${name} > /root/${name}`);
    }
    await project.config(`${config(ALWAYS)}[agents.other]\n[agents.third]\n`);
    expect(outcomesOf(await project.apply())).toMatchObject({ "agent/work": "remove done" });
    expect(await only()).toMatchObject({ address: "agent/work", files: 1, why: "no longer declared" });

    // Nothing was written in the other one.
    await project.ok("destroy", "agent/other", "--yes");
    expect(await bundles()).toHaveLength(1);
    await project.ok("prune", "--idle", "1ms", "--target", "agent/third", "--yes");
    expect((await bundles()).map(({ address }) => address)).toEqual(["agent/third", "agent/work"]);
    expect(await project.containers()).toEqual([]);

    expect((await project.apply()).exit_code).toBe(0);
    await inside("agent/other", "printf more > /root/more");
    await project.ok("destroy", "agent/other", "--yes", "--no-salvage");
    expect(await bundles()).toHaveLength(2);
    const dry = await project.json("salvage", "prune", "--older-than", "1ms", "--dry-run");
    expect(dry).toMatchObject({ bundles: [{ status: "would_remove" }, { status: "would_remove" }] });
    await project.ok("salvage", "prune", "--older-than", "1ms");
    expect(await bundles()).toEqual([]);
    expect(await readdir(join(project.state, "fleets", project.fleet, "salvage"))).toEqual([]);
  });

  test("what does not fit keeps the container as it was, until it fits", async () => {
    const small = `${ALWAYS}\nmax_bytes = "10KiB"`;
    await project.config(config(small) + AGENTS);
    expect((await project.apply()).exit_code).toBe(0);
    await inside("agent/work", "head -c 50000 /dev/zero > /root/big");
    const name = await nameOf("agent/work");
    const before = await idOf(name);
    await project.config(`${config(small, 'env = { STAGE = "two" }')}${AGENTS}`);
    const failed = await project.apply();
    expect([failed.exit_code, outcomesOf(failed)]).toEqual([
      1,
      { "agent/other": "recreate done", "agent/work": "recreate failed" },
    ]);
    const error = failed.outcomes.find(({ address }) => address === "agent/work")?.error;
    expect(error).toMatchObject({
      code: "SALVAGE_TOO_LARGE",
      hint: expect.stringContaining("max_bytes") as string,
    });
    expect(await idOf(name)).toBe(before);
    expect(await project.containers()).toHaveLength(2);
    expect(await bundles()).toEqual([]);

    await project.config(`${config(`${small}\noversize = "truncate"`, 'env = { STAGE = "two" }')}${AGENTS}`);
    await inside("agent/work", "printf small > /root/small");
    expect(outcomesOf(await project.apply())).toEqual({ "agent/work": "recreate done" });
    expect(await only()).toMatchObject({ files: 1, skipped: 1, bytes: 5 });
    expect((await project.plan()).summary).toMatchObject({ no_op: 2, recreate: 0 });
  });

  test("a full disk keeps the container as it was, and more space lets it go", async () => {
    await mkdir(project.state, { mode: 0o700 });
    await exec("mount", ["-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", project.state]);
    try {
      await project.config(config(ALWAYS) + AGENTS);
      expect((await project.apply()).exit_code).toBe(0);
      await inside("agent/work", "head -c 4000000 /dev/urandom > /root/big");
      const name = await nameOf("agent/work");
      const before = await idOf(name);
      await project.config(`${config(ALWAYS)}[agents.other]\n`);
      const failed = await project.apply();
      expect([failed.exit_code, outcomesOf(failed)]).toEqual([1, { "agent/work": "remove failed" }]);
      expect(failed.outcomes[0]?.error).toMatchObject({ code: "STATE_IO" });
      expect(await idOf(name)).toBe(before);
      expect(await bundles()).toEqual([]);
      await exec("mount", ["-o", "remount,size=32m", project.state]);
      expect(outcomesOf(await project.apply())).toEqual({ "agent/work": "remove done" });
      expect(await only()).toMatchObject({ files: 1, bytes: 4_000_000 });
      expect(await project.containers()).toHaveLength(1);
    } finally {
      await exec("umount", ["-l", project.state]);
    }
  });

  test("a runtime of this machine is kept too", async () => {
    await project.config(
      '[sandbox]\nbackend = "local"\n[sandbox.salvage]\nwhen = "unattended"\n[agents.work]\n',
    );
    expect((await project.apply()).exit_code).toBe(0);
    await project.ok(
      "run",
      "--agent",
      "work",
      "--",
      "sh",
      "-c",
      'printf mine > "$HOME/notes" && chmod 604 "$HOME/notes"',
    );
    await project.config(
      '[sandbox]\nbackend = "local"\n[sandbox.salvage]\nwhen = "unattended"\n[agents.new]\n',
    );
    expect(outcomesOf(await project.apply())).toMatchObject({ "agent/work": "remove done" });
    const done = await extract((await only()).id);
    const restored = join(done.output, "home/sandbox/notes");
    expect(await readFile(restored, "utf8")).toBe("mine");
    expect((await lstat(restored)).mode & 0o777).toBe(0o604);
    // A person who destroys knows what goes.
    await project.ok("run", "--agent", "new", "--", "sh", "-c", 'touch "$HOME/x"');
    await project.ok("destroy", "--all", "--yes");
    expect(await bundles()).toHaveLength(1);
  });
});
