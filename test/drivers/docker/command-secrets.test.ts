import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import {
  END,
  HAND_OVER,
  LEAVE,
  WAITS,
  exportsOf,
  taken,
  takingFromFile,
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

const ODD: readonly (readonly [what: string, value: string])[] = [
  ["nothing", ""],
  ["quotes, lines and what a shell would run", `'a' "b"\n\n\\ $(exit 1) \`exit 1\`\n`],
  ["the words of the hand-over itself", `${END}\n'; exit 1; '"$1"`],
  ["one that is long", "li\n".repeat(20_000)],
];
const SHOWS = ["/bin/sh", "-c", 'printf "%s %s," "$sandkeep_line" "$sandkeep_all"; cat'];

/** Runs it with nothing in its environment. */
async function ran(argv: readonly string[], input: string) {
  const [command = "", ...args] = argv;
  const child = spawn(command, args, { env: {}, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { out, err, code: child.exitCode };
}

test.each(ODD)("a command takes its environment from its stdin, exactly: %s", async (_what, value) => {
  const lines = taken({ sandkeep_line: value, sandkeep_all: "2" });
  const own = `${END}\nits own\n`;
  expect(await ran(takingFromStdin(SHOWS, true), lines + own)).toEqual({
    out: `${value} 2,${own}`,
    err: "",
    code: 0,
  });
  expect((await ran(takingFromStdin(SHOWS, false), lines + own)).out).toBe(`${value} 2,`);
});

test.each(ODD)("a command takes its environment from a file, which is gone: %s", async (_what, value) => {
  await using at = await place();
  const path = join(at.folder, "left");
  const lines = taken({ sandkeep_line: value, sandkeep_all: "2", PATH: "/nowhere" });
  expect(await ran(["sh", "-c", LEAVE, "sh", path], lines)).toEqual({ out: "", err: "", code: 0 });
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const shows = ["/bin/sh", "-c", 'printf "%s %s," "$sandkeep_line" "$sandkeep_all"; /bin/cat'];
  expect((await ran(takingFromFile(shows, path), "its own")).out).toBe(`${value} 2,its own`);
  expect(await readdir(at.folder)).toEqual([]);
});

test("what did not arrive whole is not left, and what was not left is not taken", async () => {
  await using at = await place();
  const path = join(at.folder, "left");
  const cut = taken({ A: "1" }).slice(0, -5);
  expect((await ran(["sh", "-c", LEAVE, "sh", path], cut)).code).toBe(74);
  expect(await readdir(at.folder)).toEqual([]);
  expect((await ran(["sh", "-c", LEAVE, "sh", join(path, "none")], cut)).code).toBe(73);
  const began = await ran(takingFromFile(["/bin/sh", "-c", "echo began"], path), "");
  expect([began.out, began.code]).toEqual(["", 74]);
});

test.each([
  ["before its end", taken({ A: "1" }).slice(0, -5)],
  ["before it", ""],
  ["within what looks like its end", `export A='1\n${END}\n`],
])("a command whose environment was cut off %s does not begin", async (_where, arrives) => {
  const { out, err, code } = await ran(takingFromStdin(["/bin/sh", "-c", "echo began"], true), arrives);
  expect([out, err === ""]).toEqual(["", false]);
  expect([2, 74]).toContain(code);
});
