import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import {
  END,
  HAND_OVER,
  WAITS,
  exportsOf,
  takingFromStdin,
  waitingFor,
} from "../../../src/drivers/docker/command-secrets.ts";

/** Both scripts at work in a folder of their own, with the shell of this machine. */
async function place() {
  const folder = await mkdtemp(join(tmpdir(), "sandkeep-place-"));
  const here = (script: string): string => script.replaceAll("/run/sandkeep", folder);
  const started = (argv: readonly string[]) => {
    const [command = "", ...rest] = argv.map(here);
    return spawn(command, rest, { stdio: ["pipe", "pipe", "inherit"] });
  };
  const program = (command: readonly string[]) => {
    const { entrypoint, cmd } = waitingFor(command);
    return started([...entrypoint, ...cmd]);
  };
  const handOver = async (lines: string): Promise<number | null> => {
    const child = started(["sh", "-c", HAND_OVER]);
    child.stdin.on("error", () => undefined);
    child.stdin.end(lines);
    await once(child, "exit");
    return child.exitCode;
  };
  return {
    folder,
    program,
    handOver,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

test("of two that hand over at once one does, whole, after one that was cut off", async () => {
  await using at = await place();
  const program = at.program(["sh", "-c", 'echo "$A $B"']);
  const said = text(program.stdout);
  expect(await at.handOver("export A='cut'\n")).toBe(74);
  expect(await readdir(at.folder)).toEqual([]);
  const whole = (value: string): string => `export A='${value}'\nexport B='${value}'\n${END}\n`;
  expect(await Promise.all([at.handOver(whole("1")), at.handOver(whole("2"))])).toEqual([0, 0]);
  expect(["1 1\n", "2 2\n"]).toContain(await said);
  expect(await readFile(join(at.folder, "secrets"), "utf8")).toBe("");
  expect(await at.handOver(whole("3"))).toBe(0);
});

test("a main program gets a secret that is named as a variable of the shell that waits", async () => {
  await using at = await place();
  const program = at.program(["sh", "-c", 'echo "$sandkeep_tenths"']);
  const said = text(program.stdout);
  expect(await at.handOver(exportsOf({ sandkeep_tenths: "its own" }))).toBe(0);
  expect(await said).toBe("its own\n");
});

test("a listing that is cut off still shows who waits", () => {
  expect(waitingFor(["serve"]).entrypoint.join(" ").slice(0, 40)).toContain(WAITS);
});

test.each([
  ["nothing", ""],
  ["quotes, lines and what a shell would run", `'a' "b"\n\n\\ $(exit 1) \`exit 1\`\n`],
  ["the words of the hand-over itself", `${END}\n'; exit 1; '"$1"`],
  ["one that is long", "li\n".repeat(20_000)],
])("a command takes its environment from its stdin, exactly: %s", async (_what, value) => {
  const command = ["/bin/sh", "-c", 'printf "%s %s" "$sandkeep_line" "$sandkeep_all"; cat'];
  const { argv, env, stdin } = takingFromStdin({
    argv: command,
    env: { sandkeep_line: value, sandkeep_all: "2" },
  });
  expect([argv.join(" ").includes("exit 1"), env]).toEqual([false, {}]);
  const child = spawn(argv[0] ?? "", argv.slice(1), { env, stdio: ["pipe", "pipe", "inherit"] });
  stdin?.pipe(child.stdin);
  expect(await text(child.stdout)).toBe(`${value} 2`);
});

test.each([
  ["before its end", exportsOf({ A: "1" }).slice(0, -5)],
  ["before it", ""],
  ["within what looks like its end", `export A='1\n${END}\n`],
])("a command whose environment was cut off %s does not begin", async (_where, arrives) => {
  const { argv } = takingFromStdin({ argv: ["/bin/sh", "-c", "echo began"], env: {} });
  const child = spawn(argv[0] ?? "", argv.slice(1), { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.end(arrives);
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  expect([out, err === ""]).toEqual(["", false]);
  expect([2, 74]).toContain(child.exitCode);
});
