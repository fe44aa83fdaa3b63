import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openStage } from "../../src/stage/open.ts";
import type { Stage } from "../../src/stage/stage.ts";
import { openTrees, surveyStage } from "../../src/stage/survey.ts";

/** Goal: what a start may cost beside the bare mechanism, which is one `cp -a`. */
const RATIO = 1.2;
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

it("a stage of 20,000 files starts for little more than a bare copy, and tells what changed without reading the rest", async () => {
  const source = join(base, "source");
  let stage: Stage | undefined;
  const bare = await timed(() => execFileSync("cp", ["-a", "--reflink=auto", source, join(base, "bare")]));
  const start = await timed(async () => {
    const owner = { fleet: "team", address: "agent/work" };
    stage = await openStage({
      ...owner,
      stateDir: join(base, "state"),
      source,
      id: "bench",
      now: Date.now(),
    });
  });
  const worktree = await timed(() =>
    execFileSync("git", ["-C", source, "worktree", "add", "-q", join(base, "tree")]),
  );
  if (stage === undefined) throw new Error("there is no stage");
  const { tree } = stage;
  writeFileSync(join(tree, "d0", "e0", "f0.txt"), "changed");
  writeFileSync(join(base, "tree", "d0", "e0", "f0.txt"), "changed");
  let found = 0;
  const opened = stage;
  const diff = await timed(async () => {
    using trees = openTrees(opened);
    found = (await surveyStage(opened, trees)).differences.length;
  });
  const status = await timed(() => execFileSync("git", ["-C", join(base, "tree"), "status", "--short"]));
  process.stdout.write(
    `staging ${FOLDERS * FILES} files by ${stage.meta.mechanism}: ${start} ms (cp -a ${bare} ms, git worktree add ${worktree} ms); diff of one change: ${diff} ms (git status ${status} ms)\n`,
  );
  expect(found).toBe(1);
  expect(start).toBeLessThan(bare * RATIO);
}, 300_000);
