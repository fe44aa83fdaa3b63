import { execFileSync } from "node:child_process";
import { PassThrough } from "node:stream";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shellWord } from "../../../src/util/shell-word.ts";
import type { Bench } from "./fixture.ts";
import { bench, make, run, sh, started, until } from "./fixture.ts";

const tty = { columns: 120, rows: 40 };

describe("a shell word", () => {
  test("means itself to a shell, whatever it holds", () => {
    const word = fc.string({
      unit: fc.oneof(
        fc.constantFrom("'", '"', "\\", "$", "`", "\n", "!", " ", "-", ";"),
        fc.string({ minLength: 1, maxLength: 1, unit: "grapheme" }),
      ),
    });
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), (words) => {
        const clean = words.map((each) => Buffer.from(each.replaceAll("\0", "")).toString());
        const text = execFileSync("/bin/sh", ["-c", `printf '%s\\0' ${clean.map(shellWord).join(" ")}`], {
          encoding: "utf8",
        });
        expect(text).toBe(clean.map((each) => `${each}\0`).join(""));
      }),
      { numRuns: 60 },
    );
  });
});

describe.each(["none", "bubblewrap"])("a terminal with isolation %s", (isolation) => {
  let on: Bench;
  let id: string;
  beforeAll(async () => {
    on = await bench();
    id = await make(on, { local: { isolation }, env: { SHELL: "/bin/false" } });
  });
  afterAll(() => on[Symbol.asyncDispose]());

  test("is one, has the asked size, and gives the exact code", async () => {
    const ran = await run(on, id, sh('test -t 0 && test -t 1 && stty size; echo "$TERM $SHELL"; exit 9'), {
      tty,
    });
    expect(ran).toMatchObject({ code: 9, out: "40 120\r\nxterm-256color /bin/false\r\n" });
    expect((await run(on, id, ["no-such-command"], { tty })).code).toBe(127);
    expect((await run(on, id, sh("kill -9 $$"), { tty })).code).toBe(137);
  });

  test("keeps hostile words as they are", async () => {
    const words = ["it's", "$(id)", "a\\b", "`x`", ""];
    expect((await run(on, id, ["printf", "[%s]", ...words], { tty })).out).toBe(
      words.map((each) => `[${each}]`).join(""),
    );
  });

  test("takes input, Ctrl-C and a new size", async () => {
    const stdin = new PassThrough();
    const script =
      'trap "stty size" WINCH; trap "echo interrupted; exit 5" INT; echo ready; while :; do read -r line && echo "got $line"; done';
    const busy = await started(on, id, ["bash", "-c", script], { tty, stdin });
    await until(() => busy.out().includes("ready"));
    stdin.write("hello\n");
    await until(() => busy.out().includes("got hello"));
    await busy.handle.resize({ columns: 77, rows: 22 });
    stdin.write("more\n");
    await until(() => busy.out().includes("22 77"));
    stdin.write("\u0003");
    expect((await busy.ran).code).toBe(5);
    expect(busy.out()).toContain("interrupted");
  });

  test("passes signals to the command", async () => {
    const busy = await started(
      on,
      id,
      sh('trap "echo caught; exit 7" TERM; echo ready; sleep 60 & wait; wait'),
      { tty, stdin: new PassThrough() },
    );
    await until(() => busy.out().includes("ready"));
    await busy.handle.signal("SIGTERM");
    expect((await busy.ran).code).toBe(7);
    const killed = await started(on, id, ["sleep", "60"], { tty, stdin: new PassThrough() });
    await killed.handle.signal("SIGKILL");
    expect((await killed.ran).code).toBe(137);
  });

  test("runs an interactive shell until it exits", async () => {
    const stdin = new PassThrough();
    const busy = await started(on, id, ["bash", "--norc", "-i"], { tty, stdin });
    stdin.write("sleep 60\n");
    await until(() => busy.out().includes("sleep 60"));
    await new Promise((resolve) => setTimeout(resolve, 200));
    stdin.write("\u0003");
    stdin.write("echo val$((40+2)); exit 3\n");
    expect((await busy.ran).code).toBe(3);
    expect(busy.out()).toContain("val42");
  });
});
