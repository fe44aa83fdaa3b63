import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

// A real registry (Debian's docker-registry) on loopback, which engines ask without encryption. Each is its own.

const run = promisify(execFile);

/** `ci` with the password `pass:word`, as htpasswd -B writes it. */
const HTPASSWD = "ci:$2y$05$VC5ptSpN6JfPG7gdSSmY6eyep0U.3QQhOlhjJnwhBR34IAzS6vEJa\n";
export const LOGIN = { username: "ci", password: "pass:word" } as const;

export class TestRegistry implements AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  readonly #folder: string;
  readonly #engine: string;
  readonly #pushed = new Set<string>();
  #child: ChildProcess | undefined;

  private constructor(folder: string, port: number, engine: string) {
    this.#folder = folder;
    this.address = `127.0.0.1:${port}`;
    this.#engine = engine;
  }

  /** `engine` is a `DOCKER_HOST` from which images are pushed. */
  static async open(engine: string, options: { readonly login?: boolean } = {}): Promise<TestRegistry> {
    const folder = await mkdtemp(join(tmpdir(), "sandkeep-registry-"));
    const registry = new TestRegistry(folder, await freePort(), engine);
    const auth =
      options.login === true ? `auth: { htpasswd: { realm: test, path: ${join(folder, "htpasswd")} } }\n` : "";
    await writeFile(join(folder, "htpasswd"), HTPASSWD);
    await writeFile(
      join(folder, "config.yml"),
      `version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: ${join(folder, "data")} }, delete: { enabled: true } }
http: { addr: "${registry.address}" }
${auth}`,
    );
    await registry.start();
    return registry;
  }

  async start(): Promise<void> {
    this.#child = spawn("docker-registry", ["serve", join(this.#folder, "config.yml")], { stdio: "ignore" });
    for (let tries = 0; tries < 200; tries += 1) {
      const up = await fetch(`http://${this.address}/v2/`).catch(() => undefined);
      if (up?.status === 200 || up?.status === 401) return;
      await sleep(50);
    }
    throw new Error("docker-registry did not come up in 10 s");
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  /**
   * Pushes a new image of busybox with this content under a name and tag, and leaves no trace of it on the engine.
   * Answers its manifest's digest.
   */
  async push(name: string, content: string): Promise<string> {
    const ref = `${this.address}/${name}`;
    const config = join(this.#folder, "push");
    const login = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString("base64");
    await run("mkdir", ["-p", config]);
    await writeFile(
      join(config, "config.json"),
      JSON.stringify({ auths: { [this.address]: { auth: login } } }),
    );
    const docker = async (...args: string[]): Promise<string> =>
      (await run("docker", ["--config", config, "-H", this.#engine, ...args])).stdout.trim();
    const made = await docker("create", "sandkeep-test/busybox:1");
    try {
      await docker("commit", "-c", `LABEL content=${content}`, made, ref);
    } finally {
      await docker("rm", "-f", made);
    }
    await docker("push", "-q", ref);
    const [digest = ""] = JSON.parse(await docker("inspect", "-f", "{{json .RepoDigests}}", ref)) as string[];
    this.#pushed.add(ref);
    await docker("rmi", "-f", ref);
    return digest.slice(digest.indexOf("@") + 1);
  }

  /** Also takes away from the engine whatever was pulled from here. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    const docker = async (...args: string[]): Promise<string> =>
      (await run("docker", ["-H", this.#engine, ...args])).stdout.trim();
    const listed = await docker("images", "--digests", "--format", "{{.Repository}} {{.ID}}");
    const ids = listed.split("\n").filter((line) => line.startsWith(`${this.address}/`));
    for (const id of new Set(ids.map((line) => line.split(" ")[1] ?? ""))) {
      await docker("rmi", "-f", id).catch(() => undefined);
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
