import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openStage } from "../../src/stage/open.ts";
import type { Stage } from "../../src/stage/stage.ts";
import { openTrees, surveyStage } from "../../src/stage/survey.ts";

/** Goal: what a start may cost beside the bare mechanism, which is one `cp -a`; the best of so many rounds of each. */
const RATIO = 1.2;
const ROUNDS = 4;
const FOLDERS = 200;
const FILES = 100;

let base = "";
beforeAll(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "sandkeep-bench-")));
  for (let folder = 0; folder < FOLDERS; folder += 1) {
    const at = join(base, "source", `d${folder % 10}`, `e${folder}`);
    mkdirSync(at, { recursive: true });
    for (let file = 0; file < FILES; file += 1)
      writeFileSync(join(at, `f${file}.txt`), "x".repeat(200 + ((folder * file) % 8000)));
  }
  execFileSync("git", ["init", "-q", join(base, "source")]);
  execFileSync("git", ["-C", join(base, "source"), "add", "-A"]);
  const who = ["-c", "user.name=bench", "-c", "user.email=bench@example.com"];
  execFileSync("git", ["-C", join(base, "source"), ...who, "commit", "-qm", "all"]);
}, 300_000);
afterAll(() => rmSync(base, { recursive: true, force: true }));

async function timed(work: () => unknown): Promise<number> {
  const started = performance.now();
  await work();
  return Math.round(performance.now() - started);
}

const owner = { fleet: "team", address: "agent/work" };
const stateDir = (): string => join(base, "state");

async function bare(round: number): Promise<number> {
  const to = join(base, `bare-${round}`);
  return await timed(() => execFileSync("cp", ["-a", "--reflink=auto", join(base, "source"), to]));
}

async function begun(): Promise<{ readonly ms: number; readonly stage: Stage }> {
  rmSync(stateDir(), { recursive: true, force: true });
  let stage: Stage | undefined;
  const source = join(base, "source");
  const request = { ...owner, stateDir: stateDir(), source, id: "bench", now: Date.now() };
  const ms = await timed(async () => {
    stage = await openStage(request);
  });
  if (stage === undefined) throw new Error("there is no stage");
  return { ms, stage };
}

it("a stage of 20,000 files starts for little more than a bare copy, and tells what changed without reading the rest", async () => {
  const source = join(base, "source");
  const [copies, starts]: number[][] = [[], []];
  let { stage } = await begun();
  // In turns and each first as often as second: what one leaves to be written to the disk is paid for by the next.
  for (let round = 0; round < ROUNDS; round += 1) {
    const measure = [
      async () => void copies?.push(await bare(round)),
      async () => {
        const next = await begun();
        starts?.push(next.ms);
        ({ stage } = next);
      },
    ];
    for (const each of round % 2 === 0 ? measure : measure.toReversed()) {
      execFileSync("sync", ["-f", base]);
      await each();
    }
  }
  const [copy, start] = [Math.min(...(copies ?? [])), Math.min(...(starts ?? []))];
  const worktree = await timed(() =>
    execFileSync("git", ["-C", source, "worktree", "add", "-q", join(base, "tree")]),
  );
  const opened = stage;
  writeFileSync(join(opened.tree, "d0", "e0", "f0.txt"), "changed");
  writeFileSync(join(base, "tree", "d0", "e0", "f0.txt"), "changed");
  let found = 0;
  const diff = await timed(async () => {
    using trees = openTrees(opened);
    found = (await surveyStage(opened, trees)).differences.length;
  });
  const status = await timed(() => execFileSync("git", ["-C", join(base, "tree"), "status", "--short"]));
  process.stdout.write(
    `staging ${FOLDERS * FILES} files by ${opened.meta.mechanism}: ${start} ms (cp -a ${copy} ms, ${(start / copy).toFixed(2)} of it; git worktree add ${worktree} ms); diff of one change: ${diff} ms (git status ${status} ms)\n`,
  );
  expect(found).toBe(1);
  expect(start).toBeLessThan(copy * RATIO);
}, 300_000);
