import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
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

const LOGIN_TOKEN = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString("base64");

const MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
const INDEX = "application/vnd.docker.distribution.manifest.list.v2+json";

interface Base {
  readonly manifest: {
    readonly mediaType: string;
    readonly config: { readonly digest: string };
    readonly layers: readonly { readonly digest: string }[];
  };
  readonly config: { readonly config: { readonly Env?: readonly string[] } };
}

function digestOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

export class TestRegistry implements AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  readonly #folder: string;
  readonly #engine: string;
  #base: Promise<Base> | undefined;
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
      options.login === true
        ? `auth: { htpasswd: { realm: test, path: ${join(folder, "htpasswd")} } }\n`
        : "";
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
   * Pushes an image of busybox with this label `content` and variable `CONTENT` under a name and tag, past every engine. Answers its
   * manifest's digest.
   */
  async push(name: string, content: string): Promise<string> {
    this.#base ??= this.#pushBase();
    const base = await this.#base;
    const [repository = "", tag = ""] = name.split(":");
    for (const { digest } of base.manifest.layers) {
      await this.#call("POST", `${repository}/blobs/uploads/?mount=${digest}&from=base`);
    }
    const own = { Labels: { content }, Env: [...(base.config.config.Env ?? []), `CONTENT=${content}`] };
    const config = { ...base.config, config: { ...base.config.config, ...own } };
    const body = JSON.stringify(config);
    const digest = digestOf(body);
    const upload = await this.#call("POST", `${repository}/blobs/uploads/`);
    const place = new URL(upload.headers.get("location") ?? "");
    place.searchParams.set("digest", digest);
    await this.#call("PUT", place.href, body, "application/octet-stream");
    const manifest = { ...base.manifest, config: { ...base.manifest.config, digest, size: body.length } };
    return this.#putManifest(repository, tag, manifest, MANIFEST);
  }

  /** Pushes an index that offers one manifest for this machine's platform, and an attestation that changes with `salt`. */
  async pushIndex(name: string, manifest: string, salt: string): Promise<string> {
    const [repository = "", tag = ""] = name.split(":");
    const found = await this.#call("GET", `${repository}/manifests/${manifest}`);
    const size = (await found.text()).length;
    const entry = { mediaType: MANIFEST, digest: manifest, size };
    const index = {
      schemaVersion: 2,
      mediaType: INDEX,
      manifests: [
        { ...entry, platform: { os: "unknown", architecture: "unknown" }, annotations: { salt } },
        { ...entry, platform: { os: "linux", architecture: "amd64" } },
      ],
    };
    return this.#putManifest(repository, tag, index, INDEX);
  }

  async #pushBase(): Promise<Base> {
    const ref = `${this.address}/base:1`;
    const config = join(this.#folder, "push");
    await mkdir(config);
    const auth = LOGIN_TOKEN;
    await writeFile(join(config, "config.json"), JSON.stringify({ auths: { [this.address]: { auth } } }));
    const docker = (...args: string[]) => run("docker", ["--config", config, "-H", this.#engine, ...args]);
    await docker("tag", "sandkeep-test/busybox:1", ref);
    try {
      await docker("push", "-q", ref);
    } finally {
      await docker("rmi", ref);
    }
    const manifest = (await (await this.#call("GET", "base/manifests/1")).json()) as Base["manifest"];
    const blob = await this.#call("GET", `base/blobs/${manifest.config.digest}`);
    return { manifest, config: (await blob.json()) as Base["config"] };
  }

  async #putManifest(
    repository: string,
    tag: string,
    manifest: Readonly<Record<string, unknown>>,
    type: string,
  ): Promise<string> {
    const body = JSON.stringify(manifest);
    await this.#call("PUT", `${repository}/manifests/${tag}`, body, type);
    return digestOf(body);
  }

  async #call(method: string, path: string, body?: string, type?: string): Promise<Response> {
    const url = path.startsWith("http:") ? path : `http://${this.address}/v2/${path}`;
    const answer = await fetch(url, {
      method,
      headers: {
        accept: `${MANIFEST}, ${INDEX}`,
        authorization: `Basic ${LOGIN_TOKEN}`,
        ...(type === undefined ? {} : { "content-type": type }),
      },
      ...(body === undefined ? {} : { body }),
    });
    if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`);
    return answer;
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
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
