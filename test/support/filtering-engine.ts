// An engine that filters packets, as engines do unless they are told not to. The engines of all other tests set no rules
// on this machine, so that what only its rules keep cannot be tried on them. This one has a network of its own, rules
// included, and beside it a machine that is reached through it alone.
import { execFile, spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
type Child = ChildProcessByStdio<Writable, Readable, null>;

/** Both end with their stdin, however this process ends, and everything that they made ends with them. */
const ENGINE = `
ip link set lo up
echo '{}' >"$0/daemon.json"
dockerd --config-file "$0/daemon.json" --data-root "$0/data" --exec-root "$0/exec" --pidfile "$0/pid" \\
  -H "unix://$0/engine.sock" --bip 10.98.1.1/24 --default-address-pool base=10.98.128.0/17,size=24 \\
  --shutdown-timeout 3 --log-level warn </dev/null >"$0/log" 2>&1 &
echo started
read -r _
kill -TERM $!
wait
awk -v dir="$0/" 'index($2, dir) == 1 { print $2 }' /proc/self/mounts | sort -r | xargs -r umount -l
rm -rf "$0"
`;
const SITE = `
process.stdin.resume().on("end", () => process.exit());
const answer = (request, response) => { console.log(request.url); response.end("reached\\n"); };
require("node:http").createServer(answer).listen(80, () => console.log("listening"));
`;
const HERE = "198.18.0.1";
const OUTSIDE = "198.18.0.2";
const READY_MS = 120_000;

export class FilteringEngine implements AsyncDisposable {
  /** As a `DOCKER_HOST` value. */
  readonly host: string;
  /** Of the machine beside it; a site answers there on port 80. */
  readonly outside = OUTSIDE;
  /** Paths that the site was asked for. */
  readonly hits: string[] = [];
  readonly #engine: Child;
  readonly #site: Child;

  private constructor(folder: string) {
    this.host = `unix://${join(folder, "engine.sock")}`;
    this.#engine = alone("sh", "-c", ENGINE, folder);
    this.#site = alone(process.execPath, "-e", SITE);
  }

  /** With these images of another engine. */
  static async open(other: string, ...images: readonly string[]): Promise<FilteringEngine> {
    // Not under TMPDIR: the path of a socket may have 107 bytes at most.
    const engine = new FilteringEngine(await mkdtemp("/tmp/sandkeep-filter-"));
    try {
      await engine.#start();
      const copy = 'docker -H "$0" save "$@" | docker -H "$COPY_TO" load';
      await run("sh", ["-c", copy, other, ...images], { env: { ...process.env, COPY_TO: engine.host } });
      return engine;
    } catch (thrown) {
      await engine[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  async #start(): Promise<void> {
    const lines = createInterface({ input: this.#site.stdout });
    await Promise.all([once(lines, "line"), once(this.#engine.stdout, "data")]);
    lines.on("line", (path) => this.hits.push(path));
    const [here, there] = [within(this.#engine), within(this.#site)];
    const peer = ["type", "veth", "peer", "name", "out0", "netns", String(this.#site.pid)];
    await here("link", "add", "out0", ...peer);
    await here("addr", "add", `${HERE}/30`, "dev", "out0");
    await here("link", "set", "out0", "up");
    await there("addr", "add", `${OUTSIDE}/30`, "dev", "out0");
    await there("link", "set", "out0", "up");
    // What comes without the engine's own address is answered too: only its rules hold anything back.
    await there("route", "add", "default", "via", HERE);
    const end = Date.now() + READY_MS;
    while (!(await this.#answers())) {
      if (Date.now() > end || this.#engine.exitCode !== null) throw new Error("the engine does not start");
      await sleep(100);
    }
  }

  async #answers(): Promise<boolean> {
    return await run("docker", ["-H", this.host, "version"]).then(
      () => true,
      () => false,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = [this.#engine, this.#site].map(async (child) => {
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    });
    this.#site.stdin.end();
    this.#engine.stdin.end();
    await Promise.all(ended);
  }
}

/** In a network namespace of its own. */
function alone(...command: readonly string[]): Child {
  return spawn("unshare", ["--net", ...command], { stdio: ["pipe", "pipe", "inherit"] });
}

/** `ip` in the namespace of a process. */
function within({ pid }: Child): (...words: readonly string[]) => Promise<unknown> {
  return (...words) => run("nsenter", ["-t", String(pid), "-n", "ip", ...words]);
}
