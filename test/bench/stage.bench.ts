import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openStage } from "../../src/stage/open.ts";
import type { Stage } from "../../src/stage/stage.ts";
import { openTrees, surveyStage } from "../../src/stage/survey.ts";
import { median, timed } from "./timing.ts";

/** Goal: what a start may cost beside the bare mechanism, which is one `cp -a`; the best of so many rounds of each. */
const RATIO = 1.2;
const ROUNDS = 5;
const FOLDERS = 200;
const FILES = 100;

/** The disk as it is, and where none is in the way: there, nothing but the work itself is measured. */
const ROOMS = [tmpdir(), "/dev/shm"].filter((each) => existsSync(each));

function makeSource(source: string): void {
  for (let folder = 0; folder < FOLDERS; folder += 1) {
    const at = join(source, `d${folder % 10}`, `e${folder}`);
    mkdirSync(at, { recursive: true });
    for (let file = 0; file < FILES; file += 1)
      writeFileSync(join(at, `f${file}.txt`), "x".repeat(200 + ((folder * file) % 8000)));
  }
  execFileSync("git", ["init", "-q", source]);
  execFileSync("git", ["-C", source, "add", "-A"]);
  const who = ["-c", "user.name=bench", "-c", "user.email=bench@example.com"];
  execFileSync("git", ["-C", source, ...who, "commit", "-qm", "all"]);
}

const best = (times: readonly number[]): number => Math.min(...times);

/** In turns and each first as often as second: what one leaves to be written to the disk is paid for by the next. */
async function inTurns(
  base: string,
  one: () => unknown,
  other: () => unknown,
): Promise<[number[], number[]]> {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    const turns = [
      async () => void times[0].push(Math.round(await timed(one))),
      async () => void times[1].push(Math.round(await timed(other))),
    ];
    for (const turn of round % 2 === 0 ? turns : turns.toReversed()) {
      execFileSync("sync", ["-f", base]);
      await turn();
    }
  }
  return times;
}

function line(what: string, ours: readonly number[], beside: string, theirs: readonly number[]): string {
  const ratio = (of: typeof best): string => (of(ours) / of(theirs)).toFixed(2);
  return `${what}: ${Math.round(median(ours))} ms (${beside} ${Math.round(median(theirs))} ms, ${ratio(median)} of it; the best of each: ${ratio(best)})\n`;
}

async function measure(base: string): Promise<void> {
  const source = join(base, "source");
  makeSource(source);
  let stage: Stage | undefined;
  let made = 0;
  const next = (): string => join(base, `made-${(made += 1)}`);
  const [copies, starts] = await inTurns(
    base,
    () => execFileSync("cp", ["-a", "--reflink=auto", source, next()]),
    async () => {
      const request = { fleet: "team", address: "agent/work", stateDir: next(), source };
      stage = await openStage({ ...request, id: "bench", now: Date.now() });
    },
  );
  const opened = stage;
  if (opened === undefined) throw new Error("there is no stage");
  const tree = next();
  const worktree = await timed(() =>
    execFileSync("git", ["-C", source, "worktree", "add", "-q", "--detach", tree]),
  );
  for (const each of [opened.tree, tree]) writeFileSync(join(each, "d0", "e0", "f0.txt"), "changed");
  let found = 0;
  const [statuses, diffs] = await inTurns(
    base,
    () => execFileSync("git", ["-C", tree, "status", "--short"]),
    async () => {
      using trees = openTrees(opened);
      found = (await surveyStage(opened, trees)).differences.length;
    },
  );
  process.stdout.write(
    `${base}: ${FOLDERS * FILES} files by ${opened.meta.mechanism}; git worktree add ${Math.round(worktree)} ms\n` +
      line("  start", starts, "cp -a", copies) +
      line("  diff of one change", diffs, "git status", statuses),
  );
  // Git's own bookkeeping of the second work tree is the workspace's, and no change of the agent's.
  expect(found).toBe(1);
  expect(best(starts)).toBeLessThan(best(copies) * RATIO);
}

it.each(ROOMS)(
  "a stage of 20,000 files in %s starts for little more than a bare copy, and tells what changed without reading the rest",
  async (room) => {
    const base = realpathSync(mkdtempSync(join(room, "sandkeep-bench-")));
    try {
      await measure(base);
    } finally {
      rmSync(base, { recursive: true, force: true });
    }
  },
  900_000,
);
