import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { median } from "./timing.ts";

const MAIN = join(import.meta.dirname, "../../dist/src/cli/main.cjs");
const ROUNDS = 15;

/** Goals as multiples of an empty node process that was measured in the same rounds. */
const COMMANDS = [
  { argv: ["--version"], goal: 1.3 },
  { argv: ["validate"], goal: 2.5 },
  { argv: ["explain"], goal: 2.5 },
] as const;

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sandkeep-bench-"));
  await writeFile(join(folder, "empty.mjs"), "");
  expect(run([MAIN, "init", "--fleet", "bench"]).status).toBe(0);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

interface Run {
  readonly status: number | null;
  readonly milliseconds: number;
}

function run(argv: readonly string[]): Run {
  const started = performance.now();
  const { status } = spawnSync(process.execPath, argv, {
    cwd: folder,
    env: { ...process.env, HOME: `${folder}-home`, SANDKEEP_STATE_DIR: join(folder, "state") },
    stdio: "ignore",
  });
  return { status, milliseconds: performance.now() - started };
}

it("starts fast: heavy libraries are imported only by the command that needs them", () => {
  const empty: number[] = [];
  const times = COMMANDS.map(() => new Array<number>());
  for (let round = 0; round < ROUNDS; round += 1) {
    // In turn, so that a machine that slows down slows them all.
    empty.push(run([join(folder, "empty.mjs")]).milliseconds);
    for (const [index, { argv }] of COMMANDS.entries()) {
      const { status, milliseconds } = run([MAIN, ...argv]);
      expect(status).toBe(0);
      times[index]?.push(milliseconds);
    }
  }
  const base = median(empty);
  console.table([
    { command: "empty node", "median ms": Math.round(base), ratio: "1.00", goal: "", verdict: "" },
    ...COMMANDS.map(({ argv, goal }, index) => {
      const time = median(times[index] ?? []);
      const ratio = (time / base).toFixed(2);
      return {
        command: `sandkeep ${argv.join(" ")}`,
        "median ms": Math.round(time),
        ratio,
        goal: `≤ ${goal}`,
        verdict: time / base <= goal ? "holds" : "missed",
      };
    }),
  ]);
});
