// The way to a host on real sshd processes: what a program is given, what comes back, and what is refused.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { SandkeepError } from "../../src/errors.ts";
import type { SshAccess } from "../../src/model/settings.ts";
import type { RemoteDeps } from "../../src/remote/access.ts";
import { accessPosture } from "../../src/remote/access.ts";
import type { Connection, RemoteProcess, RunRequest } from "../../src/remote/connection.ts";
import { openConnection } from "../../src/remote/open.ts";
import { everyArgv } from "../support/processes.ts";
import { describeWith } from "../support/services.ts";
import type { Sshd } from "../support/sshd.ts";
import { makeKey, startCutter, startSshd } from "../support/sshd.ts";
import { until } from "./harness.ts";

const run = promisify(execFile);
const EVERY_BYTE = Array.from({ length: 255 }, (_, n) => String.fromCharCode(n + 1)).join("");
const ODD = [
  "",
  " ",
  "-x",
  "--",
  "'",
  '"',
  "\\",
  "a\nb\n\n",
  "$HOME `id` $(id)",
  "!!",
  "é€😀",
  "*",
  "~",
  EVERY_BYTE,
];

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function begin(
  connection: Connection,
  argv: readonly string[],
  rest: Partial<RunRequest> = {},
): Promise<{ readonly process: RemoteProcess; readonly ran: Promise<Ran>; readonly seen: () => string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let seen = "";
  stdout.on("data", (chunk: Buffer) => (seen += chunk.toString("latin1")));
  const output = Promise.all([buffer(stdout), buffer(stderr)]);
  const process = await connection.run({
    script: 'exec "$@"',
    args: argv,
    onLost: "kill",
    stdout,
    stderr,
    ...rest,
  });
  const ran = (async () => {
    const code = await process.result;
    stdout.end();
    stderr.end();
    const [out, err] = await output;
    return { code, stdout: out.toString(), stderr: err.toString() };
  })();
  ran.catch(() => undefined);
  return { process, ran, seen: () => seen };
}

describeWith(["ssh"], "a connection to a host", () => {
  let sshd: Sshd;
  let home = "";
  const deps = (): RemoteDeps => ({
    env: { PATH: process.env["PATH"], HOME: home, LEAK: "leaked", LC_LEAK: "leaked" },
    secret: async (ref) => ("env" in ref ? (secrets[ref.env] ?? "") : ""),
    randomId: () => "0123456789abcdef",
  });
  const secrets: Record<string, string> = {};
  const to = (changes: Partial<SshAccess> = {}): Connection =>
    openConnection("build1", sshd.access(changes), deps());

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "sandkeep-home-"));
    await mkdir(join(home, ".ssh"));
    sshd = await startSshd();
  });
  afterAll(async () => {
    await sshd?.[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  });

  /** The same server by another port. */
  function through(port: number, changes: Partial<SshAccess> = {}): SshAccess {
    const target = `${sshd.user}@127.0.0.1:${String(port)}`;
    const known_hosts = `[127.0.0.1]:${String(port)} ${sshd.hostKey}`;
    const { known_hosts_file: _, ...written } = sshd.access({ target, known_hosts, ...changes });
    return written;
  }

  for (const transport of ["ssh2", "openssh"] as const) {
    const over = `over ${transport}`;

    it(`passes every argument exactly as it is, ${over}`, async () => {
      await using connection = to({ transport });
      const { ran } = await begin(connection, ["printf", "%s\\0", ...ODD]);
      expect((await ran).stdout.split("\0").slice(0, -1)).toEqual(ODD);
    });

    it(`tells codes, also those that ssh uses itself, and keeps the streams apart, ${over}`, async () => {
      await using connection = to({ transport });
      for (const code of [0, 1, 37, 126, 127, 255]) {
        const { ran } = await begin(connection, ["sh", "-c", `echo out; echo err >&2; exit ${String(code)}`]);
        expect(await ran).toEqual({ code, stdout: "out\n", stderr: "err\n" });
      }
      expect((await (await begin(connection, ["sh", "-c", "kill -KILL $$"])).ran).code).toBe(137);
      expect((await (await begin(connection, ["/no/such"])).ran).code).toBe(127);
    });

    it(`shows a command nothing of our environment, and its own to nobody, ${over}`, async () => {
      await using connection = to({ transport });
      const value = "s3cret 'quoted' $HOME\nline";
      const { ran } = await begin(connection, ["env", "-0"], { env: { TOKEN: value } });
      const lines = (await ran).stdout.split("\0");
      expect(lines).toContain(`TOKEN=${value}`);
      expect(lines.filter((line) => /leak|SSH_/i.test(line))).toEqual([]);
      const waiting = await begin(connection, ["sleep", "300"], { env: { TOKEN: value } });
      expect((await everyArgv()).filter((argv) => argv.includes("s3cret"))).toEqual([]);
      await waiting.process.signal("SIGKILL");
      expect((await waiting.ran).code).toBe(137);
    });

    it(`gives a terminal, and of many sizes the last one wins, ${over}`, async () => {
      await using connection = to({ transport });
      const argv = ["sh", "-c", "tty >&2; while :; do stty size; sleep 0.1; done"];
      const shell = await begin(connection, argv, {
        tty: { rows: 30, columns: 90 },
        stdin: new PassThrough(),
      });
      if (transport === "ssh2") await until(() => shell.seen().includes("30 90"), "the first size");
      const sizes = [41, 42, 43, 44].map((rows) => shell.process.resize({ rows, columns: 123 }));
      await Promise.all(sizes);
      await until(() => /44 123\s+44 123/.test(shell.seen()), "the last size");
      await shell.process.signal("SIGKILL");
      expect((await shell.ran).code).not.toBe(0);
    });

    it(`reaches a unix socket of the host, ${over}`, async () => {
      const path = join(sshd.dir, `echo-${transport}.sock`);
      await using connection = to({ transport });
      expect(await echoed(connection, path)).toBe("hello");
    });

    it(`runs many commands at once on a host that allows three sessions a connection, ${over}`, async () => {
      await using narrow = await startSshd(["MaxSessions 3"]);
      await using connection = openConnection("narrow", narrow.access({ transport }), deps());
      const all = Array.from(
        { length: 16 },
        async (_, n) => (await begin(connection, ["echo", String(n)])).ran,
      );
      const said = (await Promise.all(all)).map((ran) => ran.stdout.trim());
      expect(said).toEqual(all.map((_, n) => String(n)));
    });

    it(`gets in at last where sshd turns newcomers away, ${over}`, async () => {
      // With two that are logging in, every further one is hung up on.
      await using busy = await startSshd(["MaxStartups 2:100:2"]);
      await using counter = await startCutter(busy.port);
      const waiting = [connect(busy.port, "127.0.0.1"), connect(busy.port, "127.0.0.1")];
      for (const each of waiting) each.on("error", () => undefined);
      await Promise.all(waiting.map(async (each) => once(each, "data")));
      const target = `${busy.user}@127.0.0.1:${String(counter.port)}`;
      const known_hosts = `[127.0.0.1]:${String(counter.port)} ${busy.hostKey}`;
      const { known_hosts_file: _, ...written } = busy.access({ transport, target, known_hosts });
      await using connection = openConnection("busy", written, deps());
      const said = connection.script({ script: "echo in", args: [] });
      said.catch(() => undefined);
      await until(() => counter.connections() > 1, "a second try");
      for (const each of waiting) each.destroy();
      expect((await said).stdout.toString()).toBe("in\n");
    });

    it(`says of a lost connection that nothing is known, ends the command there, and connects again, ${over}`, async () => {
      await using cutter = await startCutter(sshd.port);
      await using connection = openConnection("cut", through(cutter.port, { transport }), deps());
      const tag = `300.${String(Date.now())}${String(process.pid)}`;
      const waiting = await begin(connection, ["sh", "-c", `echo go; sleep ${tag}; exit 0`]);
      await until(() => waiting.seen().includes("go"), "its start");
      cutter.cut();
      await expect(waiting.ran).rejects.toMatchObject({ code: "SSH_LOST", kind: "unreachable" });
      await until(
        async () => !(await everyArgv()).some((argv) => argv.includes(tag)),
        "the end of the command",
      );
      expect((await (await begin(connection, ["echo", "again"])).ran).stdout).toBe("again\n");
    });

    it(`is held up by nothing that a command leaves running, and tells of it, ${over}`, async () => {
      await using connection = to({ transport });
      const kept = join(home, `kept-${transport}`);
      await writeFile(kept, "");
      try {
        const loop = 'while [ -e "$1" ]; do sleep 0.2; done & echo hi';
        const { code, stdout, stderr } = await (await begin(connection, ["sh", "-c", loop, "sh", kept])).ran;
        expect({ code, stdout }).toEqual({ code: 0, stdout: "hi\n" });
        expect(stderr).toContain("something that it left running still holds its output");
      } finally {
        await rm(kept);
      }
    });

    it(`loses nothing of what comes late over a slow link, ${over}`, async () => {
      await using cutter = await startCutter(sshd.port);
      await using connection = openConnection("slow", through(cutter.port, { transport }), deps());
      await connection.script({ script: "true", args: [] });
      cutter.slow(16_384);
      const { code, stdout } = await (
        await begin(connection, ["sh", "-c", "yes | head -c 200000; echo end"])
      ).ran;
      expect([code, stdout.length, stdout.slice(-6)]).toEqual([0, 200_004, "y\nend\n"]);
    });

    it(`takes output that was cut off after the command's end for no success, ${over}`, async () => {
      await using cutter = await startCutter(sshd.port);
      await using connection = openConnection("torn", through(cutter.port, { transport }), deps());
      // It has ended, and what it left running goes on writing.
      const argv = ["sh", "-c", "(while echo tick; do sleep 0.05; done) & exit 0"];
      const torn = await begin(connection, argv);
      await until(() => torn.seen().split("tick").length > 5, "its output");
      cutter.cut();
      await expect(torn.ran).rejects.toMatchObject({ code: "SSH_LOST", kind: "unreachable" });
    });

    it(`refuses a host key that nobody knows, and one that changed, ${over}`, async () => {
      const other = await makeKey(join(home, `other-${transport}`));
      const name = `[127.0.0.1]:${String(sshd.port)}`;
      const refused = async (known_hosts: string): Promise<string> => {
        const { known_hosts_file: _, ...written } = sshd.access({ known_hosts, transport });
        await using connection = openConnection("build1", written, deps());
        const thrown: unknown = await connection
          .script({ script: "true", args: [] })
          .catch((error: unknown) => error);
        expect(thrown).toMatchObject({ code: "SSH_HOST_KEY", kind: "denied" });
        return thrown instanceof Error ? thrown.message : "";
      };
      const line = `${name} ${sshd.hostKey}`;
      expect(await refused(`elsewhere ${sshd.hostKey}`)).toContain(`not known: no line of`);
      expect(await refused(`elsewhere ${sshd.hostKey}`)).toContain(`Its line would be: ${line}`);
      const changed = await refused(`# of before\n${name} ${other}`);
      expect(changed).toMatch(/has changed to ssh-ed25519 SHA256:\S+; line 2 of /);
      expect(changed).toContain(`The new line would be: ${line}`);
      await refused(`${name} ${sshd.hostKey}\n@revoked ${name} ${sshd.hostKey}`);
    });

    it(`lets in an unknown key where that is asked for, but none that contradicts a known one, and writes none down, ${over}`, async () => {
      const rsa = join(home, `rsa-${transport}`);
      await run("ssh-keygen", ["-q", "-t", "rsa", "-b", "2048", "-N", "", "-C", "", "-f", rsa]);
      const otherType = (await readFile(`${rsa}.pub`, "utf8")).trim();
      const sameType = await makeKey(join(home, `contrary-${transport}`));
      const name = `[127.0.0.1]:${String(sshd.port)}`;
      const says = async (title: string, text: string): Promise<unknown> => {
        const known_hosts_file = join(home, `${title}-${transport}`);
        await writeFile(known_hosts_file, text);
        await using connection = to({ known_hosts_file, strict_host_key: false, transport });
        const said = await connection
          .script({ script: "echo in", args: [] })
          .then(({ stdout }) => stdout.toString())
          .catch((thrown: unknown) => (thrown instanceof SandkeepError ? thrown.code : thrown));
        expect(await readFile(known_hosts_file, "utf8")).toBe(text);
        return said;
      };
      expect(await says("nobody", "# nobody\n")).toBe("in\n");
      expect(await says("same-type", `${name} ${sameType}\n`)).toBe("SSH_HOST_KEY");
      // Asked for a key of the known type, the host has none to show.
      expect(await says("other-type", `${name} ${otherType}\n`)).toMatch(/^SSH_(HOST_KEY|DENIED)$/);
      expect(await says("known", `${name} ${sshd.hostKey}\n`)).toBe("in\n");
    });
  }

  it("takes from a user's config for the system's ssh nothing that is meant for the user alone", async () => {
    const socket = join(home, "agent.sock");
    const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
    try {
      await until(async () => (await stat(socket).catch(() => undefined)) !== undefined, "the agent");
      const [there, here] = [join(sshd.dir, "there.sock"), join(home, "here.sock")];
      const wants = [
        "AddKeysToAgent yes",
        `RemoteForward ${there} ${socket}`,
        `LocalForward ${here} ${socket}`,
        "RemoteCommand echo other",
        "ExitOnForwardFailure yes",
      ];
      await writeFile(join(home, ".ssh", "config"), `Host *\n${wants.map((each) => `  ${each}\n`).join("")}`);
      secrets["KEY"] = await readFile(sshd.keyFile, "utf8");
      const { identity_file: _, ...written } = sshd.access({
        identity: { env: "KEY" },
        transport: "openssh",
      });
      const env = { ...deps().env, SSH_AUTH_SOCK: socket };
      await using connection = openConnection("personal", written, { ...deps(), env });
      const script = 'echo in; [ ! -e "$1" ] || echo forwarded';
      expect((await connection.script({ script, args: [there] })).stdout.toString()).toBe("in\n");
      const path = join(sshd.dir, "echo-personal.sock");
      expect(await echoed(connection, path)).toBe("hello");
      for (const each of [there, here]) await expect(stat(each)).rejects.toMatchObject({ code: "ENOENT" });
      const held = await run("ssh-add", ["-l"], { env }).catch((thrown: unknown) => thrown);
      expect(held).toMatchObject({ stdout: expect.stringContaining("no identities") as unknown });
    } finally {
      agent.kill();
      await rm(join(home, ".ssh", "config"), { force: true });
    }
  });

  it("takes the system's ssh for certificates, host authorities and aliases, and says so", async () => {
    await makeKey(join(home, "authority"));
    const hostAuthority = await makeKey(join(home, "host_authority"));
    await using certified = await startSshd(
      [`TrustedUserCAKeys ${join(home, "authority.pub")}`, "AuthorizedKeysFile none"],
      async (dir) => {
        const key = join(dir, "host_key.pub");
        await run("ssh-keygen", [
          "-q",
          "-s",
          join(home, "host_authority"),
          "-I",
          "h",
          "-h",
          "-n",
          "127.0.0.1",
          key,
        ]);
        return [`HostCertificate ${join(dir, "host_key-cert.pub")}`];
      },
    );
    const identity = join(home, "client");
    await makeKey(identity);
    await run("ssh-keygen", [
      "-q",
      "-s",
      join(home, "authority"),
      "-I",
      "me",
      "-n",
      certified.user,
      `${identity}.pub`,
    ]);
    const known_hosts = `@cert-authority 127.0.0.1,[127.0.0.1]:* ${hostAuthority}`;
    const { known_hosts_file: _, ...base } = certified.access({ known_hosts, identity_file: identity });
    const written = { ...base, certificate_file: `${identity}-cert.pub` };
    await using connection = openConnection("certified", written, deps());
    expect((await connection.script({ script: "echo yes", args: [] })).stdout.toString()).toBe("yes\n");
    expect((await accessPosture("certified", written, deps().env)).map(({ code }) => code)).toContain(
      "ssh-system-client",
    );
    await writeFile(
      join(home, ".ssh", "config"),
      `Host work-box\n HostName 127.0.0.1\n Port ${String(sshd.port)}\n User ${sshd.user}\n`,
    );
    await using alias = openConnection("alias", sshd.access({ target: "work-box" }), deps());
    expect((await alias.script({ script: "echo alias", args: [] })).stdout.toString()).toBe("alias\n");
  });

  it("takes a key from a secret, and says who must do what when none fits", async () => {
    secrets["KEY"] = await readFile(sshd.keyFile, "utf8");
    const { identity_file: _, ...written } = sshd.access({ identity: { env: "KEY" } });
    for (const transport of ["ssh2", "openssh"] as const) {
      await using connection = openConnection("secret", { ...written, transport }, deps());
      expect((await connection.script({ script: "echo in", args: [] })).stdout.toString()).toBe("in\n");
      const wrong = join(home, `wrong-${transport}`);
      await makeKey(wrong);
      await using refused = to({ identity_file: wrong, transport });
      await expect(refused.script({ script: "true", args: [] })).rejects.toMatchObject({ kind: "denied" });
    }
  });

  it("gives up on a host that hangs without closing", async () => {
    await using cutter = await startCutter(sshd.port);
    const timing = { connectMs: 20_000, aliveMs: 300 };
    await using connection = openConnection("hang", through(cutter.port), deps(), timing);
    const waiting = await begin(connection, ["sh", "-c", "echo go; sleep 20"]);
    await until(() => waiting.seen().includes("go"), "its start");
    cutter.hang(true);
    await expect(waiting.ran).rejects.toMatchObject({ kind: "unreachable" });
    const slow = connection.script({ script: "true", args: [], timeoutMs: 500 });
    await expect(slow).rejects.toMatchObject({ kind: "unreachable" });
  });

  it("runs no script later that timed out before the host was reached", async () => {
    const held: Socket[] = [];
    const gate = createServer({ pauseOnConnect: true }, (socket) => held.push(socket));
    gate.listen(0, "127.0.0.1");
    await once(gate, "listening");
    const address = gate.address();
    const port = address === null || typeof address === "string" ? 0 : address.port;
    try {
      await using connection = openConnection("slow", through(port), deps());
      const file = join(sshd.dir, "late");
      const late = connection.script({ script: ': >"$1"', args: [file], timeoutMs: 300 });
      await expect(late).rejects.toMatchObject({ code: "SSH_HANGS" });
      await until(() => held.length > 0, "the connection");
      for (const socket of held) {
        socket.on("error", () => undefined);
        const upstream = connect(sshd.port, "127.0.0.1").on("error", () => socket.destroy());
        socket.pipe(upstream).pipe(socket);
      }
      const next = await connection.script({ script: "sleep 0.5; echo next", args: [] });
      expect(next.stdout.toString()).toBe("next\n");
      await expect(stat(file)).rejects.toMatchObject({ code: "ENOENT" });
    } finally {
      gate.close();
      for (const socket of held) socket.destroy();
    }
  });
});

/** What a program that listens on a socket of the host hears of us, as it says it back. */
async function echoed(connection: Pick<Connection, "forward">, path: string): Promise<string> {
  const server = createServer((peer) => peer.pipe(peer)).listen(path);
  await once(server, "listening");
  const { stream } = await connection.forward(path);
  stream.write("hello");
  const [answer]: Buffer[] = await once(stream, "data");
  stream.destroy();
  server.close();
  return String(answer);
}
