// A host seen through a real sshd: how it is, what lies there, what is stale, and that only what may go goes.
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { lstat, mkdir, mkdtemp, readdir, realpath, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { reap } from "../../src/hosts/reap.ts";
import { findStale, lookAtHost } from "../../src/hosts/survey.ts";
import { hostReapSchema, hostSnapshotSchema } from "../../src/model/host.ts";
import { loadFleet } from "../../src/policy/fleet.ts";
import type { LoadedFleet } from "../../src/policy/fleet.ts";
import type { Engine } from "../../src/reconcile.ts";
import { fleetState } from "../../src/state/directory.ts";
import { readJournal } from "../../src/state/journal.ts";
import { plainEngine } from "../support/plain-engine.ts";
import { describeWith } from "../support/services.ts";
import type { Sshd } from "../support/sshd.ts";
import { startCutter, startSshd } from "../support/sshd.ts";

const run = promisify(execFile);
const DAY_MS = 86_400_000;
const OLD = new Date(Date.now() - 3 * DAY_MS);

describeWith(["ssh"], "a host over ssh", () => {
  let sshd: Sshd;
  let folder: string;
  let root: string;
  let tag: string;

  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(async () => {
    await sshd[Symbol.asyncDispose]();
  });
  beforeEach(async (context) => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "sandkeep-hosts-")));
    tag = `f${randomBytes(4).toString("hex")}`;
    root = join(folder, "sandboxes");
    await mkdir(root);
    context.onTestFinished(async () => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  });

  function engine(events: string[] = []): Engine {
    const notify: Engine["sink"]["notify"] = (event) =>
      void events.push(event.type === "note" ? event.message : event.type);
    return plainEngine(folder, { notify });
  }

  async function config(port = sshd.port): Promise<LoadedFleet> {
    const known = join(folder, "known_hosts");
    await writeFile(known, `[127.0.0.1]:${String(port)} ${sshd.hostKey}\n`);
    await writeFile(
      join(folder, "sandkeep.toml"),
      `version = 1
fleet = "${tag}"
fleet_id = "k3v9q2"
[hosts.build1]
ssh = { target = "${sshd.user}@127.0.0.1:${String(port)}", identity_file = "${sshd.keyFile}", known_hosts_file = "${known}" }
[hosts.build1.adopt]
roots = ["${root}"]
directories = ["${tag}-*"]
`,
    );
    const { env, drivers, stateDir, cwd } = engine();
    const loaded = await loadFleet({ cwd, env, drivers, stateDir });
    if (loaded.status === "invalid") throw new Error(JSON.stringify(loaded.diagnostics));
    return loaded;
  }

  async function plant(name: string, age: Date = OLD): Promise<string> {
    const path = join(root, name);
    await mkdir(join(path, "deep"), { recursive: true });
    await writeFile(join(path, "file"), "x");
    for (const each of [join(path, "file"), join(path, "deep"), path]) await utimes(each, age, age);
    return path;
  }

  it("is told in one round trip: vitals, headroom, sandboxes, whatever their names hold", async () => {
    await plant(`${tag}-a`);
    await plant("b\n\u001b[2Jc\td");
    const connections = await startCutter(sshd.port);
    await using _ = connections;
    const loaded = await config(connections.port);
    const { snapshot } = await lookAtHost(engine(), loaded, "build1");
    expect(hostSnapshotSchema.parse(snapshot)).toEqual(snapshot);
    expect(connections.connections()).toBe(1);
    expect(snapshot.kernel).toMatch(/^Linux /);
    expect(snapshot.memory?.total).toBeGreaterThan(snapshot.memory?.available ?? Infinity);
    expect(snapshot.processes).toBeGreaterThan(1);
    expect(snapshot.load).toHaveLength(3);
    expect(snapshot.disks.map(({ what }) => what)).toEqual(expect.arrayContaining(["root", "sandboxes"]));
    expect(snapshot.disks.every(({ total, available }) => total > 0 && available <= total)).toBe(true);
    const found = snapshot.directories.filter(({ parent }) => parent === root);
    expect(found.map(({ name }) => name).toSorted()).toEqual(["b\n\u001b[2Jc\td", `${tag}-a`]);
    expect(
      found.every(
        ({ changed_at }) => Date.parse(changed_at ?? "") === Math.floor(OLD.getTime() / 1000) * 1000,
      ),
    ).toBe(true);
  });

  it("loses nothing but old folders that a rule calls sandboxes, each looked at again before it goes", async () => {
    const goes = await plant(`${tag}-old`);
    const young = await plant(`${tag}-young`, new Date());
    const unknown = await plant("unknown");
    const odd = await plant(`${tag}-od d`);
    const outside = join(folder, "precious");
    await mkdir(outside);
    await writeFile(join(outside, "keep"), "x");
    await symlink(outside, join(root, `${tag}-link`));
    await symlink(outside, join(goes, "out"));
    await utimes(goes, OLD, OLD);
    const busy = await plant(`${tag}-busy`);
    const touched = await plant(`${tag}-touched`);
    // Its own link out of it was made just now.
    await run("touch", ["-h", "-d", OLD.toISOString(), join(goes, "out")]);
    await utimes(goes, OLD, OLD);
    const worker = spawn("sleep", ["600"], { cwd: join(busy, "deep") });
    try {
      const loaded = await config();
      const events: string[] = [];
      const own = engine(events);
      const request = { name: "build1", older_than: DAY_MS };
      const found = await findStale(own, loaded, request);
      const here = found.report.stale.filter(({ what }) => what.startsWith(`${root}/`));
      expect(here.map(({ what, code, reap: how, kept }) => [what, code, how ?? kept?.code])).toEqual([
        [goes, "adopted", "directory"],
        [touched, "adopted", "directory"],
        [busy, "adopted", "in-use"],
        [join(root, `${tag}-link`), "adopted", "link"],
        [odd, "adopted", "odd-name"],
        [unknown, "no-manifest", "not-proved"],
      ]);
      const dry = await reap(own, loaded, found, { dryRun: true });
      expect(dry.entries.find(({ what }) => what === goes)?.status).toBe("would_remove");
      expect(await readdir(goes)).toContain("file");

      // Somebody comes back to it between the look and its removal.
      await writeFile(join(touched, "file"), "again");
      const done = await reap(own, loaded, found, { dryRun: false });
      expect(hostReapSchema.parse(done)).toEqual(done);
      const status = new Map(done.entries.map((each) => [each.what, each.status]));
      expect(status.get(goes)).toBe("removed");
      expect(status.get(touched)).toBe("changed");
      expect(done.exit_code).toBe(0);
      await expect(lstat(goes)).rejects.toThrow("ENOENT");
      const left = (await readdir(root)).toSorted();
      expect(left).toEqual(
        [young, unknown, odd, join(root, `${tag}-link`), busy, touched]
          .map((each) => each.slice(root.length + 1))
          .toSorted(),
      );
      expect(await readdir(outside)).toEqual(["keep"]);
      expect(events).toContain(`build1: ${goes}: removed`);
      const journal = await readJournal(fleetState(own.stateDir, tag), {
        limit: 10,
        address: `build1:${goes}`,
      });
      expect(journal.map(({ op, phase, status: how }) => [op, phase, how])).toEqual([
        ["reap", "result", "removed"],
        ["reap", "intent", undefined],
      ]);
    } finally {
      worker.kill("SIGKILL");
    }
  });

  it("that swaps a listed folder for a link or another folder loses neither", async () => {
    const swapped = await plant(`${tag}-swapped`);
    const other = await plant(`${tag}-other`);
    const outside = join(folder, "precious");
    await mkdir(outside);
    await writeFile(join(outside, "keep"), "x");
    const loaded = await config();
    const own = engine();
    const found = await findStale(own, loaded, { name: "build1", older_than: DAY_MS });
    await run("mv", [swapped, join(folder, "moved")]);
    await symlink(outside, swapped);
    await run("mv", [other, join(folder, "moved2")]);
    await plant(`${tag}-other`);
    const done = await reap(own, loaded, found, { dryRun: false });
    const mine = done.entries.filter(({ what }) => what.startsWith(root));
    expect(mine.map(({ status }) => status)).toEqual(["changed", "changed"]);
    expect(await readdir(outside)).toEqual(["keep"]);
    expect((await readdir(root)).toSorted()).toEqual([`${tag}-other`, `${tag}-swapped`]);
  });

  it("that cannot be reached is told as such, and never as empty", async () => {
    const cutter = await startCutter(sshd.port);
    await using _ = cutter;
    const loaded = await config(cutter.port);
    cutter.cutAfter(0);
    const { report } = await findStale(engine(), loaded, { name: "build1", older_than: DAY_MS });
    expect(report).toMatchObject({ stale: [], unobserved: [{ host: "build1" }] });
    await expect(lookAtHost(engine(), loaded, "build1")).rejects.toThrow();
    await expect(lookAtHost(engine(), loaded, "build2")).rejects.toThrow('there is no host "build2"');
  });
});
