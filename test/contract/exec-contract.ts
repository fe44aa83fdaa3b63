// What the contract promises of commands: streams, codes, signals, terminals.
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { everyArgv } from "../support/processes.ts";
import type { Cases, ContractCommands } from "./harness.ts";
import { programCases } from "./program-contract.ts";
import { exec, start, until } from "./harness.ts";

export function execCases(cases: Cases): void {
  const { fleet, harness, driver } = cases;
  programCases(cases);
  const commands = (): ContractCommands => harness().commands;

  it.each([0, 1, 37, 126, 127, 137])("returns exit code %i exactly", async (code) => {
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    expect((await exec(driver(), objectId, commands().exit(code))).exitCode).toBe(code);
  });

  it("returns 126 or 127 for a program that is not there", async () => {
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    const { exitCode } = await exec(driver(), objectId, ["/no/such/program"]);
    expect([126, 127]).toContain(exitCode);
  });

  it("keeps stdout and stderr apart, and starts in the workspace", async () => {
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    const ran = await exec(driver(), objectId, commands().both());
    expect([ran.stdout.toString(), ran.stderr.toString()]).toEqual(["out\n", "err\n"]);
    const pwd = (await exec(driver(), objectId, commands().pwd())).stdout.toString().trim();
    const target = (await exec(driver(), objectId, commands().pwd(), { cwd: "/workspace" })).stdout
      .toString()
      .trim();
    expect(pwd).toBe(target);
  });

  it("passes 1 MiB of any bytes through, unchanged", async () => {
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    const bytes = randomBytes(1024 * 1024);
    const ran = await exec(driver(), objectId, commands().cat(), { stdin: Readable.from([bytes]) });
    expect(ran.exitCode).toBe(0);
    expect(ran.stdout.equals(bytes)).toBe(true);
    expect(ran.stderr).toHaveLength(0);
  });

  it("ends stdin when the caller's ends, also when there is nothing in it", async () => {
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    const empty = await exec(driver(), objectId, commands().cat(), { stdin: Readable.from([]) });
    const none = await exec(driver(), objectId, commands().cat());
    expect([empty.exitCode, none.exitCode, empty.stdout.length, none.stdout.length]).toEqual([0, 0, 0, 0]);
  });

  it("adds variables to the spec's own, without any of their values in an argv", async () => {
    await using mine = fleet();
    const { objectId } = await mine.run("a", { env: { FROM_SPEC: "spec value" } });
    const secret = `s3cret ${randomBytes(8).toString("hex")} "$HOME" 'x'`;
    const own = await exec(driver(), objectId, commands().print("FROM_SPEC"));
    expect(own.stdout.toString()).toBe("spec value\n");
    const printed = await exec(driver(), objectId, commands().print("TOKEN"), { env: { TOKEN: secret } });
    expect(printed.stdout.toString()).toBe(`${secret}\n`);
    const tag = uniqueTag();
    const waiting = await start(driver(), {
      objectId,
      argv: commands().waitForChild(tag),
      env: { TOKEN: secret },
    });
    await waiting.waitFor("started");
    expect((await everyArgv()).filter((argv) => argv.includes(secret))).toEqual([]);
    await waiting.handle.signal("SIGKILL");
    await waiting.ran;
    const after = await exec(driver(), objectId, commands().print("TOKEN"));
    expect(after.stdout.toString()).toBe("\n");
  });

  it("leaves a command with variables its own stdin, and its terminal", async (context) => {
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    const env = { TOKEN: `s3cret 'one'\n$(two)` };
    const bytes = randomBytes(256 * 1024);
    const read = await exec(driver(), objectId, commands().cat(), { env, stdin: Readable.from([bytes]) });
    expect([read.exitCode, read.stdout.equals(bytes), read.stderr.toString()]).toEqual([0, true, ""]);
    context.skip(!harness().module.capabilities.tty, "this backend has no terminals");
    const argv = commands().terminalSize();
    const shell = await start(driver(), { objectId, argv, env, tty: { rows: 30, columns: 90 } });
    await shell.waitFor("30 90");
    await shell.handle.signal("SIGKILL");
    const shown = await shell.ran;
    expect([shown.exitCode === 0, shown.stdout.includes("s3cret")]).toEqual([false, false]);
    const printed = await exec(driver(), objectId, commands().print("TOKEN"), {
      env,
      tty: { rows: 30, columns: 90 },
    });
    expect(printed.stdout.toString().replaceAll("\r", "")).toBe(`${env.TOKEN}\n`);
  });

  it("gives a sealed command the same variables, and a stdin with nothing in it", async () => {
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    const env = { TOKEN: `s3cret 'one'\n\n$(two) "three"` };
    const printed = await exec(driver(), objectId, commands().print("TOKEN"), { env, sealed: true });
    expect(printed.stdout.toString()).toBe(`${env.TOKEN}\n`);
    const read = await exec(driver(), objectId, commands().cat(), { env, sealed: true });
    expect([read.exitCode, read.stdout.toString()]).toEqual([0, ""]);
  });

  it.each([
    ["SIGTERM", 143],
    ["SIGKILL", 137],
  ] as const)("%s reaches the command and its children", async (signal, code) => {
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    const tag = uniqueTag();
    const waiting = await start(driver(), { objectId, argv: commands().waitForChild(tag) });
    await waiting.waitFor("started");
    await waiting.handle.signal(signal);
    expect((await waiting.ran).exitCode).toBe(code);
    await until(async () => !(await everyArgv()).some((argv) => argv.includes(tag)), "the end of the child");
  });

  it("ends what still runs when its runtime is removed, and says that it did not succeed", async (context) => {
    context.skip(
      harness().module.capabilities.lifecycle !== "process",
      "a directory does not own its commands",
    );
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    const tag = uniqueTag();
    const waiting = await start(driver(), { objectId, argv: commands().waitForChild(tag) });
    const outcome = waiting.ran.then(
      ({ exitCode }) => exitCode,
      () => "unknown",
    );
    await waiting.waitFor("started");
    await driver().remove(objectId, "delete");
    expect(await outcome).not.toBe(0);
    await until(async () => !(await everyArgv()).some((argv) => argv.includes(tag)), "the end of the child");
  });

  it("gives a terminal of the asked size, and resizes it", async (context) => {
    context.skip(!harness().module.capabilities.tty, "this backend has no terminals");
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    const argv = commands().terminalSize();
    const shell = await start(driver(), { objectId, argv, tty: { rows: 30, columns: 90 } });
    await shell.waitFor("30 90");
    await shell.handle.resize({ rows: 41, columns: 123 });
    await shell.waitFor("41 123");
    await shell.handle.signal("SIGKILL");
    expect((await shell.ran).exitCode).not.toBe(0);
  });

  it("runs ten commands at once without mixing them up", async () => {
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    const texts = Array.from({ length: 10 }, (_, n) => `${n}`.repeat(1_000));
    const runs = texts.map((text) =>
      exec(driver(), objectId, commands().cat(), { stdin: Readable.from([text]) }),
    );
    expect((await Promise.all(runs)).map((ran) => ran.stdout.toString())).toEqual(texts);
  });

  it("reports running commands where it says that it can", async (context) => {
    context.skip(!harness().module.capabilities.reports_execs, "this backend does not report them");
    await using mine = fleet();
    const { objectId } = await mine.run("a");
    expect((await mine.only()).execs).toBe(0);
    const waiting = await start(driver(), { objectId, argv: commands().waitForChild(uniqueTag()) });
    await waiting.waitFor("started");
    expect((await driver().inspect(objectId))?.execs).toBe(1);
    await waiting.handle.signal("SIGKILL");
    await waiting.ran;
    await until(async () => (await driver().inspect(objectId))?.execs === 0, "no command to be reported");
  });
}

/** Seconds that no other process sleeps for; few, in case a driver under test loses the process. */
function uniqueTag(): string {
  return `300.${String(randomBytes(4).readUInt32BE(0)).padStart(10, "0")}`;
}
