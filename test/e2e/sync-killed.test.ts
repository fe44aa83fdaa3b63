// A sync that is killed, or whose connection is cut, on a real sshd: nothing is half there, and the next one finishes.
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWith } from "../support/services.ts";
import type { Cutter, Sshd } from "../support/sshd.ts";
import { startCutter, startSshd } from "../support/sshd.ts";
import { until } from "../contract/harness.ts";
import { Project } from "./cli.ts";

const FILES = 40;
const BYTES = 200_000;

describeWith(["ssh"], "a sync that breaks off", () => {
  let project: Project;
  let sshd: Sshd;
  let cutter: Cutter;
  const at = (...parts: readonly string[]): string => join(project.root, "work", ...parts);

  beforeAll(async () => {
    [project, sshd] = await Promise.all([Project.open(), startSshd()]);
    cutter = await startCutter(sshd.port);
    const { port } = cutter;
    await writeFile(sshd.knownHostsFile, `[127.0.0.1]:${String(port)} ${sshd.hostKey}\n`);
    await project.config(`[hosts.build1]
ssh = { target = "${sshd.user}@127.0.0.1:${String(port)}", identity_file = "${sshd.keyFile}", known_hosts_file = "${sshd.knownHostsFile}" }
[sandbox]
backend = "ssh"
host = "build1"
[sandbox.workspace]
source = "work"
access = "rw"
[sandbox.ssh]
workspace_root = "${join(project.folder, "sandboxes")}"
[agents.main]`);
    await mkdir(at());
    await writeFile(at("stays"), "stays");
    await project.ok("apply", "--yes");
  });
  afterAll(async () => {
    await cutter?.[Symbol.asyncDispose]();
    await sshd?.[Symbol.asyncDispose]();
    await project?.[Symbol.asyncDispose]();
  });

  /** The copy's own folder: the host is this machine. */
  async function copy(): Promise<string> {
    const fleet = join(project.folder, "sandboxes", project.fleet, "workspaces");
    const [key = ""] = (await readdir(fleet)).filter((name) => !name.startsWith("."));
    return join(fleet, key, "workspace");
  }
  async function hashes(folder: string): Promise<Readonly<Record<string, string>>> {
    const names = (await readdir(folder)).filter((name) => !name.startsWith(".sandkeep")).toSorted();
    const found = names.map(
      async (name) =>
        [
          name,
          createHash("sha256")
            .update(await readFile(join(folder, name)))
            .digest("hex"),
        ] as const,
    );
    return Object.fromEntries(await Promise.all(found));
  }
  async function fill(folder: string, name: string): Promise<void> {
    for (let n = 0; n < FILES; n += 1) await writeFile(join(folder, `${name}-${n}`), randomBytes(BYTES));
  }

  test("a push that is cut off, and one that is killed, change nothing there until all of it is there", async () => {
    const before = await hashes(await copy());
    await fill(at(), "pushed");
    cutter.cutAfter((FILES * BYTES) / 2);
    expect((await project.run(["sync", "push"])).code).not.toBe(0);
    cutter.cutAfter(undefined);
    expect(await hashes(await copy())).toEqual(before);
    const sent = cutter.sent();
    const { child, ended } = project.start(["sync", "push"]);
    await until(() => cutter.sent() > sent + BYTES, "the push to be under way", 40_000);
    child.kill("SIGKILL");
    await ended;
    const wholes = [before, await hashes(at())].map((each) => JSON.stringify(each));
    // What had all of it carries it out to its end, and what had not puts it away.
    const isWhole = async (): Promise<boolean> =>
      !(await readdir(await copy())).includes(".sandkeep-sync") &&
      wholes.includes(JSON.stringify(await hashes(await copy()).catch(() => undefined)));
    await until(isWhole, "the copy to be whole", 40_000);
    await project.ok("sync", "push");
    expect(await hashes(await copy())).toEqual(await hashes(at()));
  });

  test("a pull that is killed leaves the workspace as it was or finishes, and the next one brings the rest", async () => {
    const before = await hashes(at());
    await fill(await copy(), "pulled");
    const after = await hashes(await copy());
    // Slow enough to be struck in the middle of it.
    cutter.slow(100_000);
    const { child, ended } = project.start(["sync", "pull"]);
    const journal = join(project.state, "syncs");
    const isFetching = async (): Promise<boolean> =>
      (await readdir(journal, { recursive: true }).catch(() => [])).some((name) =>
        /\/after\/\d+$/.test(name),
      );
    await until(isFetching, "the pull to be under way", 40_000);
    child.kill("SIGKILL");
    await ended;
    cutter.slow(Infinity);
    expect([before, after]).toContainEqual(await hashes(at()));
    await project.ok("sync", "pull");
    expect(await hashes(at())).toEqual(after);
    expect(await project.ok("sync", "status")).toContain("are alike");
  });
});
