// Commands that outlive their connection, on a real sshd behind a proxy that cuts it: each byte once, and an exact end.
import { mkdir, mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Connection, RunRequest } from "../../src/remote/connection.ts";
import { openConnection } from "../../src/remote/open.ts";
import { everyArgv } from "../support/processes.ts";
import { describeWith } from "../support/services.ts";
import type { Cutter, Sshd } from "../support/sshd.ts";
import { startCutter, startSshd } from "../support/sshd.ts";
import { until } from "./harness.ts";

describeWith(["ssh"], "a command that outlives its connection", () => {
  let home = "";
  let sshd: Sshd;
  let cutter: Cutter;
  let number = 0;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "sandkeep-kept-"));
    await mkdir(join(home, ".ssh"));
    sshd = await startSshd();
    cutter = await startCutter(sshd.port);
  });
  afterAll(async () => {
    await cutter?.[Symbol.asyncDispose]();
    await sshd?.[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  });

  function connect(transport: "ssh2" | "openssh"): Connection {
    const target = `${sshd.user}@127.0.0.1:${String(cutter.port)}`;
    const known_hosts = `[127.0.0.1]:${String(cutter.port)} ${sshd.hostKey}`;
    const { known_hosts_file: _, ...written } = sshd.access({ target, known_hosts, transport });
    const env = { PATH: process.env["PATH"], HOME: home };
    return openConnection("kept", written, { env, randomId: () => "0123456789abcdef" });
  }

  async function begin(connection: Connection, script: string, rest: Partial<RunRequest> = {}) {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const seen = { bytes: 0, text: "" };
    stdout.on("data", (chunk: Buffer) => {
      seen.bytes += chunk.length;
      if (seen.text.length < 1_000) seen.text += chunk.toString("latin1");
    });
    const output = Promise.all([buffer(stdout), buffer(stderr)]);
    number += 1;
    const keptIn = join(home, "runs", String(number));
    const process = await connection.run({
      script: 'exec "$@"',
      args: ["sh", "-c", script, "sh", join(home, `mark-${String(number)}`)],
      onLost: "kill",
      keptIn,
      stdout,
      stderr,
      ...rest,
    });
    const ran = (async () => {
      const code = await process.result;
      stdout.end();
      stderr.end();
      const [out, err] = await output;
      return { code, out, err: err.toString() };
    })();
    ran.catch(() => undefined);
    return { process, ran, seen, keptIn, mark: join(home, `mark-${String(number)}`) };
  }

  for (const transport of ["ssh2", "openssh"] as const) {
    it(`goes on where it was cut off, and has run once, over ${transport}`, async () => {
      await using connection = connect(transport);
      const script = `echo x >>"$1"; i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo "line $i"; echo "err $i" >&2; sleep 0.01; done; exit 7`;
      const { ran, seen, mark, keptIn } = await begin(connection, script);
      for (const some of [200, 900, 1_800]) {
        await until(() => seen.bytes > some, "its output");
        cutter.cut();
      }
      const { code, out, err } = await ran;
      const lines = (word: string): string =>
        Array.from({ length: 300 }, (_, n) => `${word} ${String(n + 1)}\n`).join("");
      expect(code).toBe(7);
      expect(out.toString()).toBe(lines("line"));
      expect(err).toBe(lines("err"));
      expect(await readFile(mark, "utf8")).toBe("x\n");
      await until(
        async () => !(await readdir(join(home, "runs"))).includes(keptIn.split("/").at(-1) ?? ""),
        "an end",
      );
    });
  }

  it("adds nothing to the streams of one that is never cut off", async () => {
    await using connection = connect("ssh2");
    const { ran } = await begin(connection, "echo out; echo err >&2; exit 7");
    const { code, out, err } = await ran;
    expect([code, out.toString(), err]).toEqual([7, "out\n", "err\n"]);
  });

  it("keeps a bounded part of what it writes while nobody is there, and loses none of it", async () => {
    await using connection = connect("ssh2");
    const size = 20_000_000;
    const script = `awk 'BEGIN { for (i = 1; i <= 2500000; i++) printf "%07d\\n", i }'`;
    const { ran, seen, keptIn } = await begin(connection, script);
    await until(() => seen.bytes > 1_000_000, "its output");
    cutter.refuse(true);
    await until(async () => (await waiting(keptIn)) >= 8_000_000, "a full spool");
    const most = await waiting(keptIn);
    cutter.refuse(false);
    const { code, out } = await ran;
    expect([code, out.length]).toEqual([0, size]);
    const text = out.toString("latin1");
    let wrong = 0;
    for (let n = 1; n <= size / 8; n += 1) if (Number(text.slice((n - 1) * 8, n * 8)) !== n) wrong += 1;
    expect(wrong).toBe(0);
    expect(most).toBeLessThan(9_000_000);
  });

  async function waiting(folder: string): Promise<number> {
    const { stdout } = await direct(`cat "$1"/o.[0-9]* 2>/dev/null | wc -c`, folder);
    return Number(stdout);
  }
  async function direct(script: string, arg: string) {
    const env = { PATH: process.env["PATH"], HOME: home };
    await using connection = openConnection("direct", sshd.access(), { env, randomId: () => "1" });
    return connection.script({ script, args: [arg] });
  }

  it("takes each byte of its input once, however often it was cut off", async () => {
    await using connection = connect("ssh2");
    const bytes = Buffer.from(Array.from({ length: 90_000 }, (_, n) => `${String(n)}\n`).join(""));
    let cuts = 0;
    async function* parts(): AsyncGenerator<Buffer> {
      for (let at = 0; at < bytes.length; at += 40_000) {
        yield bytes.subarray(at, at + 40_000);
        if (cuts < 3) cutter.cutAfter(30_000);
        cuts += 1;
      }
    }
    // Where it is cut is anywhere in what is sent.
    const free = setInterval(() => cutter.cutAfter(undefined), 500);
    try {
      const { ran } = await begin(connection, "cat", { stdin: Readable.from(parts()) });
      const { code, out } = await ran;
      expect(code).toBe(0);
      expect(out.equals(bytes)).toBe(true);
    } finally {
      clearInterval(free);
      cutter.cutAfter(undefined);
    }
  });

  it("says that nothing is known when what was kept of it is gone, and ends it", async () => {
    await using connection = connect("ssh2");
    const tag = `300.${String(Date.now())}${String(process.pid)}`;
    const { ran, seen, keptIn } = await begin(connection, `echo go; sleep ${tag}; exit 0`);
    await until(() => seen.text.includes("go"), "its start");
    await rm(keptIn, { recursive: true });
    cutter.cut();
    await expect(ran).rejects.toMatchObject({ code: "SSH_LOST", kind: "unreachable" });
    await until(
      async () => !(await everyArgv()).some((argv) => argv.includes(tag)),
      "the end of the command",
    );
  });

  it("takes signals before and after a lost connection", async () => {
    await using connection = connect("ssh2");
    const script = `trap 'echo hup' HUP; trap 'echo int; exit 3' INT; echo go; while :; do sleep 0.05; done`;
    const { ran, seen, process: running } = await begin(connection, script);
    await until(() => seen.text.includes("go"), "its start");
    await running.signal("SIGHUP");
    await until(() => seen.text.includes("hup"), "the first signal");
    cutter.cut();
    // It is not sent twice by itself, since it may have arrived.
    await until(async () => {
      const sent = running.signal("SIGINT");
      return sent.then(
        () => true,
        () => false,
      );
    }, "the connection");
    expect((await ran).code).toBe(3);
    expect((await ran).out.toString()).toBe("go\nhup\nint\n");
  });
});
