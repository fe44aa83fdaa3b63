// A workspace's seed on a host beside `tar | ssh tar` and rsync, in one run; ratios are to the quickest of those two.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { seed } from "../../src/apply/seed.ts";
import { sshDriver } from "../../src/drivers/ssh/index.ts";
import { bareHarness, Fleet, realDeps } from "../contract/harness.ts";
import { Project } from "../e2e/cli.ts";
import { describeWith } from "../support/services.ts";
import type { Sshd } from "../support/sshd.ts";
import { startSshd } from "../support/sshd.ts";
import { median, timed } from "./timing.ts";

const run = promisify(execFile);

/** As many times as long as the quickest way by hand, and how much more a loaded machine may make of it. */
const GOAL = 1.2;
const SLACK = 1.5;

/** 3.65 kB a file, as in a repository of sources; twenty in a folder. */
async function makeSource(at: string, files: number): Promise<void> {
  for (let folder = 0; folder < files / 20; folder += 1) {
    const path = join(at, `d${String(folder % 10)}`, `e${String(folder)}`);
    await mkdir(path, { recursive: true });
    for (let file = 0; file < 20; file += 1) {
      const text = `${String(folder)} ${String(file)}\n`.repeat(80 + ((folder * 7 + file * 131) % 1200));
      await writeFile(join(path, `file-${String(file)}.txt`), text);
    }
  }
}

interface Site {
  readonly dir: string;
  readonly source: string;
  readonly sshd: Sshd;
  readonly files: number;
}

/** What people would do by hand: to a new folder of the host, over a connection of its own. */
function byHand({ dir, source, sshd }: Site) {
  const argv = [
    ...["BatchMode=yes", `UserKnownHostsFile=${sshd.knownHostsFile}`].flatMap((each) => ["-o", each]),
    "-F",
    "none",
    "-i",
    sshd.keyFile,
    "-p",
    String(sshd.port),
  ];
  const host = `${sshd.user}@127.0.0.1`;
  const to = (way: string, round: number): string => join(dir, `${way}-${String(round)}`);
  return {
    "tar | ssh tar": async (round: number) => {
      const at = to("tar", round);
      const ssh = ["ssh", ...argv, host, `mkdir ${at} && tar -xpf - -C ${at}`].map((word) => `'${word}'`);
      return await timed(() => run("sh", ["-c", `tar -cf - -C '${source}' . | ${ssh.join(" ")}`]));
    },
    "rsync -a -e ssh": async (round: number) =>
      await timed(() =>
        run("rsync", [
          "-a",
          "-e",
          ["ssh", ...argv].join(" "),
          `${source}/`,
          `${host}:${to("rsync", round)}/`,
        ]),
      ),
  };
}

async function withDriver({ dir, source, sshd }: Site): Promise<() => Promise<number>> {
  const deps = realDeps(join(dir, "state"), { PATH: process.env["PATH"], HOME: dir });
  return async () => {
    await using driver = await sshDriver.open(sshd.host(), deps);
    const harness = bareHarness({
      module: sshDriver,
      host: sshd.host(),
      deps,
      plain: { workspace_root: join(dir, "root") },
      source: async () => ({ path: source, keeps: async () => "" }),
    });
    await using fleet = new Fleet(harness, driver);
    const { objectId, spec } = await fleet.run("a", { access: "rw" });
    const owner = { fleet: fleet.name, address: "agent/a" };
    return await timed(() =>
      seed(objectId, spec, driver, { owner, stateDir: deps.stateDir, env: deps.env, tell: () => undefined }),
    );
  };
}

/** All of it: a program that starts, plans, makes the runtime and proves it, besides the seed. */
async function withCli({ dir, source, sshd }: Site): Promise<() => Promise<number>> {
  return async () => {
    await using project = await Project.open();
    await project.config(`[hosts.b]
${sshd.line}
[sandbox]
backend = "ssh"
host = "b"
[sandbox.workspace]
source = "${source}"
access = "rw"
[sandbox.ssh]
workspace_root = "${join(dir, "cli")}"
[agents.main]`);
    const ms = await timed(() => project.ok("apply", "--yes"));
    await project.ok("destroy", "--all", "--yes");
    return ms;
  };
}

describeWith(["ssh"], "a workspace's seed on a host", () => {
  describe.each([
    { files: 2_000, rounds: 7 },
    { files: 20_000, rounds: 5 },
  ])("of $files files", ({ files, rounds }) => {
    it("takes little more than the quickest way by hand", { timeout: 900_000 }, async () => {
      const dir = await mkdtemp(join(tmpdir(), "sandkeep-bench-"));
      await using sshd = await startSshd();
      try {
        const site = { dir, source: join(dir, "source"), sshd, files };
        await makeSource(site.source, files);
        const ways = {
          ...byHand(site),
          "sandkeep, its driver's seed": await withDriver(site),
          "sandkeep, the whole apply": await withCli(site),
        };
        const took = new Map<string, number[]>();
        // In turn, so that what else the machine does falls on all alike; the first round fills the caches.
        for (let round = 0; round <= rounds; round += 1) {
          for (const [name, way] of Object.entries(ways)) {
            const ms = await way(round);
            if (round > 0) took.set(name, [...(took.get(name) ?? []), ms]);
            for (const each of ["tar", "rsync"])
              await rm(join(dir, `${each}-${String(round)}`), { recursive: true, force: true });
          }
        }
        const hands = Object.keys(byHand(site)).map((name) => median(took.get(name)));
        const best = Math.min(...hands);
        console.table(
          [...took].map(([what, each]) => ({
            what: `${String(files)} files: ${what}`,
            ms: Math.round(median(each)),
            best: Math.round(Math.min(...each)),
            ratio: (median(each) / best).toFixed(2),
          })),
        );
        const ratio = median(took.get("sandkeep, its driver's seed")) / best;
        expect(ratio).toBeGreaterThan(0);
        expect(ratio).toBeLessThanOrEqual(GOAL * SLACK);
      } finally {
        await rm(dir, { recursive: true, force: true, maxRetries: 5 });
      }
    });
  });
});
