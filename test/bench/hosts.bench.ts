// What it takes to see hosts over SSH: 200 runtimes on one of them, and ten of them at once beside the slowest.
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { ReadDriver } from "../../src/drivers/driver.ts";
import { sshDriver } from "../../src/drivers/ssh/index.ts";
import { observeFleet } from "../../src/drivers/ssh/observe.ts";
import type { Host } from "../../src/model/settings.ts";
import { observe } from "../../src/observe/observe.ts";
import type { Connection } from "../../src/remote/connection.ts";
import { openConnection } from "../../src/remote/open.ts";
import { bareHarness, Fleet, complete, folderSource, realDeps } from "../contract/harness.ts";
import { describeWith } from "../support/services.ts";
import type { Sshd } from "../support/sshd.ts";
import { startSshd } from "../support/sshd.ts";
import { median } from "./timing.ts";

/** What was opened goes in the other order. */
class Opened implements AsyncDisposable {
  readonly #closing: (() => unknown)[] = [];

  use<T extends AsyncDisposable>(each: T): T {
    this.defer(() => each[Symbol.asyncDispose]());
    return each;
  }

  defer(close: () => unknown): void {
    this.#closing.push(close);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closing.toReversed()) await close();
  }
}

const ROUNDS = 7;
/** Milliseconds that each direction takes: hosts are elsewhere, and all that runs here shares two cores. */
const AWAY_MS = 25;

/** Passes on what comes so much later, in order. */
async function far(port: number, stack: Opened): Promise<number> {
  const later = (from: Socket, to: Socket): void => {
    from.on("error", () => to.destroy());
    from.on("close", () => setTimeout(() => to.destroy(), AWAY_MS));
    from.on("data", (chunk) => setTimeout(() => to.writable && to.write(chunk), AWAY_MS));
  };
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ port, host: "127.0.0.1", noDelay: true });
    later(client, upstream);
    later(upstream, client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const began = performance.now();
    await work();
    times.push(performance.now() - began);
  }
  return median(times);
}

describeWith(["ssh"], "hosts over ssh", () => {
  async function world() {
    const stack = new Opened();
    const dir = await mkdtemp(join(tmpdir(), "sandkeep-bench-"));
    stack.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
    const deps = realDeps(join(dir, "state"), { PATH: process.env["PATH"], HOME: dir });
    return { stack, dir, deps };
  }

  it("shows 200 runtimes of one host for one command on it", async () => {
    const { stack, dir, deps } = await world();
    await using _ = stack;
    const sshd = stack.use(await startSshd());
    const root = join(dir, "root");
    const driver = stack.use(await sshDriver.open(sshd.host(), deps));
    const mine = stack.use(
      new Fleet(
        bareHarness({
          module: sshDriver,
          host: sshd.host(),
          deps,
          plain: { workspace_root: root },
          source: async () => folderSource(dir),
        }),
        driver,
      ),
    );
    const made = await mine.run("a", { access: "none" });
    await multiply(join(root, mine.name), mine.name, made.objectId, 199);
    const port = await far(sshd.port, stack);
    await writeFile(sshd.knownHostsFile, `[127.0.0.1]:${String(port)} ${sshd.hostKey}\n`);
    const access = sshd.access({ target: `${sshd.user}@127.0.0.1:${String(port)}` });
    const host: Host = { name: "build1", ssh: access, labels: {} };
    const real = stack.use(openConnection("build1", access, deps));
    let commands = 0;
    const connection: Connection = {
      ...real,
      script: async (request) => {
        commands += 1;
        return real.script(request);
      },
    };
    const bare = async () => real.script({ script: "exit 0", args: [] });
    const look = async () => complete(await observeFleet({ deps, host, connection }, mine.scope()));
    await bare();
    expect((await look()).runtimes).toHaveLength(200);
    expect(commands).toBe(1);
    const [one, all] = [await timed(bare), await timed(look)];
    console.table([
      { what: "one empty command on the host", ms: Math.round(one), ratio: "1.00" },
      { what: "observe 200 runtimes there", ms: Math.round(all), ratio: (all / one).toFixed(2) },
    ]);
    console.log(
      `commands for one observation: ${String(commands / (ROUNDS + 1))}; a round trip takes ${String(2 * AWAY_MS)} ms`,
    );
    expect(commands).toBe(ROUNDS + 1);
  });

  it("sees ten hosts in at most 1.5 times what the slowest takes", async () => {
    const { stack, deps } = await world();
    await using _ = stack;
    const sshds: Sshd[] = [];
    const hosts: { readonly host: string; readonly reader: ReadDriver }[] = [];
    for (let n = 0; n < 10; n += 1) {
      const sshd = stack.use(await startSshd());
      sshds.push(sshd);
      const port = await far(sshd.port, stack);
      await writeFile(sshd.knownHostsFile, `[127.0.0.1]:${String(port)} ${sshd.hostKey}\n`);
      const name = `h${String(n)}`;
      const config = sshd.host(name, { target: `${sshd.user}@127.0.0.1:${String(port)}` });
      hosts.push({ host: name, reader: stack.use(await sshDriver.openReader(config, deps)) });
    }
    const open = hosts.map(({ host, reader }) => ({ ref: { backend: "ssh", host, declared: true }, reader }));
    const see = async (some: typeof open) => {
      const seen = await observe(some, { fleet: "none", names: {} });
      expect(seen.map(({ status }) => status)).toEqual(some.map(() => "complete"));
    };
    await see(open);
    const alone: number[] = [];
    for (const each of open) alone.push(await timed(async () => see([each])));
    const slowest = Math.max(...alone);
    const all = await timed(async () => see(open));
    console.table([
      { what: "the slowest of ten hosts, alone", ms: Math.round(slowest), ratio: "1.00" },
      { what: "all ten at once", ms: Math.round(all), ratio: (all / slowest).toFixed(2) },
    ]);
    expect(all / slowest).toBeLessThanOrEqual(1.5);
  });
});

/** As many more as the first one, which none but its id tells from them. */
async function multiply(fleet: string, name: string, id: string, times: number): Promise<void> {
  const first = join(fleet, "objects", id);
  const manifest = await readFile(join(first, "manifest.json"), "utf8");
  for (let n = 0; n < times; n += 1) {
    const copy = n.toString(16).padStart(16, "0");
    await mkdir(join(fleet, "objects", copy));
    await cp(first, join(fleet, "objects", copy), { recursive: true });
    await writeFile(join(fleet, "objects", copy, "manifest.json"), manifest.replaceAll(id, copy));
    await writeFile(join(fleet, "names", `${name}-n${String(n)}`), `${copy}\n`);
  }
}
