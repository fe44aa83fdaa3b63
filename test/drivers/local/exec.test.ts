import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Bench } from "./fixture.ts";
import { bench, input, make, run, sh, specOf, labelsOf, started, until, only } from "./fixture.ts";

describe.each(["none", "bubblewrap"])("a command with isolation %s", (isolation) => {
  let on: Bench;
  let id: string;
  beforeAll(async () => {
    on = await bench();
    id = await make(on, { local: { isolation }, env: { FROM_SPEC: "a b\n'c'", BOTH: "spec" } });
  });
  afterAll(() => on[Symbol.asyncDispose]());

  test("keeps its streams apart and returns its exact code", async () => {
    const ran = await run(on, id, sh("echo out; echo err >&2; exit 42"));
    expect(ran).toEqual({ code: 42, out: "out\n", err: "err\n" });
    expect((await run(on, id, ["true"])).code).toBe(0);
  });

  test("gets 128 + n when a signal ends it", async () => {
    expect((await run(on, id, sh("kill -9 $$"))).code).toBe(137);
    expect((await run(on, id, sh("kill -15 $$"))).code).toBe(143);
  });

  test("that does not exist is 127, and one that cannot be executed is 126", async () => {
    const missing = await run(on, id, ["no-such-command-here"]);
    expect(missing.code).toBe(127);
    expect(missing.err).toMatch(/no-such-command-here/);
    await writeFile(join(on.workspace, "plain.txt"), "text", { mode: 0o644 });
    expect((await run(on, id, ["./plain.txt"])).code).toBe(126);
  });

  test("starts in the workspace and writes to it", async () => {
    expect((await run(on, id, sh("echo made > made.txt"))).code).toBe(0);
    expect(await readFile(join(on.workspace, "made.txt"), "utf8")).toBe("made\n");
    expect((await run(on, id, ["pwd"], { cwd: "/workspace" })).code).toBe(0);
  });

  test("inherits nothing from the environment and gets what spec and request say", async () => {
    process.env["SANDKEEP_TEST_LEAK"] = "leaked";
    try {
      const { out } = await run(on, id, ["env", "-0"], { env: { BOTH: "request", SECRET: "s3cret\n" } });
      const env = Object.fromEntries(
        out
          .split("\0")
          .filter(Boolean)
          .map((row) => [row.slice(0, row.indexOf("=")), row.slice(row.indexOf("=") + 1)]),
      );
      delete env["PWD"];
      expect(Object.keys(env).toSorted()).toEqual([
        "BOTH",
        "FROM_SPEC",
        "HOME",
        "LANG",
        "LOGNAME",
        "PATH",
        "SECRET",
        "TMPDIR",
        "USER",
      ]);
      expect(env).toMatchObject({ BOTH: "request", FROM_SPEC: "a b\n'c'", SECRET: "s3cret\n" });
    } finally {
      delete process.env["SANDKEEP_TEST_LEAK"];
    }
  });

  test("never shows environment values in any argv", async () => {
    const { out } = await run(on, id, sh('cat /proc/[0-9]*/cmdline | tr "\\0" " "'), {
      env: { KEY: "v-e-r-y-hidden" },
    });
    expect(out).toContain("cmdline");
    expect(out).not.toContain("v-e-r-y-hidden");
    const busy = await started(on, id, ["sleep", "30"], { env: { KEY: "v-e-r-y-hidden" } });
    const { execFileSync } = await import("node:child_process");
    expect(
      execFileSync("sh", ["-c", "cat /proc/[0-9]*/cmdline 2>/dev/null || true"], { encoding: "latin1" }),
    ).not.toContain("v-e-r-y-hidden");
    await busy.handle.signal("SIGKILL");
    expect((await busy.ran).code).toBe(137);
  });

  test("reads stdin to its end, in full", async () => {
    const text = "x".repeat(300_000);
    expect((await run(on, id, ["wc", "-c"], { stdin: input(text) })).out.trim()).toBe("300000");
    expect((await run(on, id, ["true"], { stdin: input(text) })).code).toBe(0);
  });

  test("is held back by a slow reader and loses nothing", async () => {
    let bytes = 0;
    let inFlight = 0;
    let most = 0;
    const slow = new Writable({
      highWaterMark: 1024,
      write(chunk: Buffer, _encoding, done) {
        inFlight += 1;
        most = Math.max(most, inFlight);
        setTimeout(() => {
          bytes += chunk.length;
          inFlight -= 1;
          done();
        }, 2);
      },
    });
    const ran = await run(on, id, sh("head -c 3000000 /dev/zero"), { stdout: slow });
    expect(ran.code).toBe(0);
    await until(() => bytes === 3_000_000);
    expect(most).toBe(1);
  });

  test("ends when the reader goes away", async () => {
    const gone = new Writable({ write: (_chunk, _encoding, done) => done(new Error("reader left")) });
    gone.on("error", () => undefined);
    const ran = await run(on, id, sh("yes"), { stdout: gone });
    expect(ran.code).toBeGreaterThan(0);
  });

  test("takes signals together with its children", async () => {
    const busy = await started(
      on,
      id,
      sh('trap "echo caught; exit 7" TERM; sleep 60 & echo ready; wait; wait'),
    );
    await until(() => busy.out().includes("ready"));
    await busy.handle.signal("SIGTERM");
    expect(await busy.ran).toMatchObject({ code: 7, out: "ready\ncaught\n" });
    await expect(busy.handle.signal("SIGTERM")).resolves.toBeUndefined();
  });

  test("takes a signal that comes at once", async () => {
    const busy = await started(on, id, ["sleep", "60"]);
    await busy.handle.signal("SIGINT");
    expect((await busy.ran).code).toBe(130);
  });

  test("has ended when it has ended, whatever it left in the background", async () => {
    // What it left holds its streams for as long as this file is there, and that is until the answer has come.
    const kept = join(on.workspace, "kept");
    await writeFile(kept, "");
    try {
      const ran = await run(on, id, sh("while [ -e kept ]; do sleep 0.2; done & echo done"));
      expect(ran).toMatchObject({ code: 0, out: "done\n" });
    } finally {
      await rm(kept);
    }
  });

  test("keeps argv as it is, word for word", async () => {
    const words = ["a b", "", "'\"$HOME`id`", "-x", "ä\n"];
    const { out } = await run(on, id, ["printf", "[%s]", ...words]);
    expect(out).toBe(words.map((word) => `[${word}]`).join(""));
  });

  test("in a folder that does not exist is an error, not an exit code", async () => {
    await expect(run(on, id, ["true"], { cwd: "/no/such/folder" })).rejects.toThrow();
  });

  test("has a home that outlives renames, and its own tmp", async () => {
    await run(on, id, sh('echo kept > "$HOME/file"; echo t > "$TMPDIR/t"'));
    const { name } = await only(on);
    await on.driver.rename(id, `${name}.old`);
    expect((await run(on, id, sh('cat "$HOME/file" "$TMPDIR/t"'))).out).toBe("kept\nt\n");
    await on.driver.rename(id, name);
  });

  test("takes a live change of env from the next one on", async () => {
    const spec = specOf(on, { local: { isolation }, env: { FROM_SPEC: "new", BOTH: "spec" } });
    await on.driver.update({ objectId: id, spec, paths: ["env"], labels: labelsOf(on, spec) });
    expect((await run(on, id, sh('echo "$FROM_SPEC"'))).out).toBe("new\n");
    expect((await only(on)).fields["env"]).toEqual({ FROM_SPEC: "new", BOTH: "spec" });
  });
});
