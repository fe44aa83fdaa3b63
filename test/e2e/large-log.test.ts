import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runInspectionSchema } from "../../src/model/run-answers.ts";
import { MAIN, Project } from "./cli.ts";

// A command that says much: what is kept of it is bounded, on disk and in memory. `npm run test:log` makes it say 2 GiB.

const MIB = 2 ** 20;
const SAID = Number(process.env["SANDKEEP_LOG_BYTES"] ?? 512 * MIB);
const KEPT = 8 * MIB;
/** Far above what Node itself takes, and far below what is said. */
const MOST_MEMORY = 320 * MIB;
const LINE = "0123456789abcde\n";

/** Writes down how much memory the process had at most, in KiB. */
const PRELOAD = `data:text/javascript,${encodeURIComponent(
  'import { writeFileSync } from "node:fs"; process.on("exit", () => writeFileSync(process.env.PEAK_FILE, String(process.resourceUsage().maxRSS)));',
)}`;

test("a log of any size is cut to its limit, keeps its end, and is never held in memory", async () => {
  await using project = await Project.open();
  await project.config(`[runs]\nmax_log = "8MiB"\n[agents.main]`);
  await project.ok("apply", "--yes");
  const peak = join(project.folder, "peak");
  const script = `yes 0123456789abcde | head -c ${SAID}; yes err | head -c 4000 >&2; echo the end`;
  const child = spawn(process.execPath, [MAIN, "run", "--", "sh", "-c", script], {
    cwd: project.root,
    env: { ...project.env, NODE_OPTIONS: `--import ${PRELOAD}`, PEAK_FILE: peak },
    stdio: "ignore",
  });
  expect(await once(child, "close")).toEqual([0, null]);

  const inspected = runInspectionSchema.parse(
    await project.json("runs", "inspect", "--latest", "--tail", "2"),
  );
  const log = inspected.run.logs?.stdout;
  const end = "the end\n";
  expect(log).toMatchObject({ bytes: SAID + end.length, lost: 0, error: null });
  expect(inspected.run.logs?.stderr).toMatchObject({ bytes: 4000, dropped: 0, lost: 0 });
  const lines = await project.ok("runs", "tail", "--latest", "--tail", "2", "--stream", "stdout");
  expect(lines).toBe(`${LINE}${end}`);
  const parts = ["stdout.log.1", "stdout.log"].map((name) => join(inspected.folder, name));
  const kept = Buffer.concat(await Promise.all(parts.map((path) => readFile(path))));
  expect(kept.length).toBeLessThanOrEqual(KEPT);
  expect(kept.length).toBeGreaterThanOrEqual(KEPT / 2);
  expect(log?.dropped).toBe(SAID + end.length - kept.length);
  // What is kept is the end of what was said, byte for byte.
  const whole = Buffer.from(LINE.repeat(KEPT / LINE.length + 1));
  const from = (log?.dropped ?? 0) % LINE.length;
  expect(
    kept.equals(Buffer.concat([whole.subarray(from, from + kept.length - end.length), Buffer.from(end)])),
  ).toBe(true);
  expect((await stat(join(inspected.folder, "times.idx"))).size).toBeLessThan(MIB);
  expect(Number(await readFile(peak, "utf8")) * 1024).toBeLessThan(MOST_MEMORY);
});
