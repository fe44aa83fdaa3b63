import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { EXAMPLES } from "../examples/example.ts";
import { blockWith } from "../examples/readme.ts";

/** Folder for everything the tour makes; what is left in it afterwards is left on the machine. */
function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sandkeep-tour-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function startTour(temporary: string, script = join(EXAMPLES, "quickstart/run.mjs")) {
  // Settings of a person's own must not change the tour.
  const env = {
    ...process.env,
    TMPDIR: temporary,
    NO_COLOR: "1",
    SANDKEEP_FILE: "/nowhere",
    SANDKEEP_JSON: "1",
  };
  const child = spawn(process.execPath, [script], { env, stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const output = { text: "" };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => (output.text += chunk));
  }
  return { child, output, ended: once(child, "close") };
}

test("the tour shows the whole way, in order, and leaves nothing behind", async () => {
  const temporary = emptyFolder();
  const { output, ended } = startTour(temporary);
  expect(await ended, output.text).toEqual([0, null]);
  const way = [
    "$ sandkeep explain --agent review",
    "env.GREETING",
    "good day",
    "$ sandkeep plan\n",
    "+ agent/main  create",
    "$ sandkeep apply --yes",
    "Applied: 2 done",
    "$ sandkeep run --agent review",
    "good day\nA file of the project",
    "$ ln -sfn",
    "$ sandkeep plan --detailed-exitcode",
    "-/+ agent/main  recreate",
    "workspace.source:",
    "sandkeep.toml:14",
    'env.GREETING:  "good day" → "good evening"  sandkeep.toml:27',
    "(exit code 2)",
    "$ sandkeep apply --yes",
    "Applied: 2 done",
    "$ sandkeep plan --detailed-exitcode",
    "No changes",
    "$ sandkeep plan --at +25h",
    "- agent/review  remove",
    "$ sandkeep prune",
    "$ sandkeep list --all",
    "Dormant",
    "$ sandkeep run --agent review",
    "good evening\n",
    "$ sandkeep destroy --all --yes",
    "What to try next",
  ];
  let from = 0;
  for (const part of way) {
    const at = output.text.indexOf(part, from);
    expect(at, `${part}\nnot after\n${output.text.slice(0, from)}`).toBeGreaterThanOrEqual(from);
    from = at + part.length;
  }
  expect(readdirSync(temporary)).toEqual([]);

  // The README shows parts of this very output.
  let after = 0;
  for (const part of blockWith("console", "setup.txt").split("…\n")) {
    const at = output.text.indexOf(part, after);
    expect(at, `the README's\n${part}\nis not in\n${output.text.slice(after)}`).toBeGreaterThanOrEqual(after);
    after = at + part.length;
  }
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s ends it, with nothing left behind", async (signal, code) => {
  const temporary = emptyFolder();
  const { child, output, ended } = startTour(temporary);
  child.stdout.on("data", () => {
    if (output.text.includes("$ sandkeep apply")) child.kill(signal);
  });
  expect(await ended, output.text).toEqual([code, null]);
  expect(output.text).not.toContain("$ sandkeep run");
  expect(readdirSync(temporary)).toEqual([]);
});

test("a command that fails ends it, with nothing left behind", async () => {
  const folder = emptyFolder();
  const temporary = join(folder, "tmp");
  mkdirSync(temporary);
  cpSync(join(EXAMPLES, "quickstart"), join(folder, "examples/quickstart"), { recursive: true });
  const main = join(folder, "dist/src/cli/main.cjs");
  mkdirSync(dirname(main), { recursive: true });
  writeFileSync(main, "process.exit(9);\n");
  chmodSync(main, 0o755);
  const { output, ended } = startTour(temporary, join(folder, "examples/quickstart/run.mjs"));
  expect(await ended).toEqual([1, null]);
  expect(output.text).toContain("quickstart: sandkeep explain --agent review ended with 9, not 0");
  expect(readdirSync(temporary)).toEqual([]);
});
