import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { awaitEnd } from "../../src/runs/command.ts";
import { runOnHost } from "../../src/runs/host-command.ts";
import { temporaryFolder } from "../support/fleet-text.ts";

interface Told {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(
  argv: readonly string[],
  more: {
    readonly env?: Record<string, string>;
    readonly stdin?: string;
    readonly cwd?: string;
    readonly timeoutMs?: number;
  } = {},
): Promise<Told> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const io = { stdout, stderr, ...(more.stdin === undefined ? {} : { stdin: Readable.from([more.stdin]) }) };
  const env = { PATH: process.env["PATH"], FROM: "caller", BOTH: "caller" };
  const handle = runOnHost({ argv, env: more.env ?? {} }, io, { cwd: more.cwd ?? "/", env });
  const { exitCode } = await awaitEnd(handle, more.timeoutMs);
  stdout.end();
  stderr.end();
  return { code: exitCode, out: await text(stdout), err: await text(stderr) };
}

describe("a command on the host", () => {
  it.each<[string, string[], number]>([
    ["its own code", ["sh", "-c", "exit 3"], 3],
    ["success", ["true"], 0],
    ["128 and the signal that ended it", ["sh", "-c", "kill -TERM $$"], 143],
    ["127 for a command that is not there", ["/no/such/command"], 127],
  ])("ends with %s", async (_title, argv, expected) => {
    expect((await run(argv)).code).toBe(expected);
  });

  it("ends with 126 for what is there and cannot be run", async () => {
    const file = join(temporaryFolder(), "text");
    writeFileSync(file, "no program");
    expect((await run([file])).code).toBe(126);
  });

  it.each([[[]], [[""]], [["true", "a\0b"]]])("is refused when it is none: %j", async (argv) => {
    await expect(run(argv)).rejects.toMatchObject({ code: "USAGE", exitCode: 64 });
  });

  it("says on stderr why it did not start", async () => {
    expect((await run(["/no/such/command"])).err).toContain("sandkeep: /no/such/command: ");
  });

  it("gets its argv as it is, its folder, the caller's environment, and its own above that", async () => {
    const folder = temporaryFolder();
    const script = join(folder, "say");
    writeFileSync(script, '#!/bin/sh\nprintf "%s|" "$@" "$PWD" "$FROM" "$BOTH"\n');
    chmodSync(script, 0o755);
    const { out } = await run([script, "a b", "$HOME", "*"], { cwd: folder, env: { BOTH: "own" } });
    expect(out).toBe(`a b|$HOME|*|${folder}|caller|own|`);
  });

  it("reads what it is given, or nothing, and keeps its streams apart", async () => {
    expect(await run(["cat"], { stdin: "given" })).toEqual({ code: 0, out: "given", err: "" });
    expect(await run(["cat"])).toEqual({ code: 0, out: "", err: "" });
    expect(await run(["sh", "-c", "echo out; echo err >&2"])).toEqual({
      code: 0,
      out: "out\n",
      err: "err\n",
    });
  });

  it("may leave its input unread", async () => {
    expect((await run(["true"], { stdin: "x".repeat(1_000_000) })).code).toBe(0);
  });

  it("is ended with its children when its time is up", async () => {
    // The child holds the output open and would outlast this test's limit by far: its end is what ends the run.
    expect((await run(["sh", "-c", "sleep 86400 & wait"], { timeoutMs: 100 })).code).toBe(124);
  });
});
