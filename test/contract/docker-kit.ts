import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { promisify } from "node:util";
import { dockerDriver } from "../../src/drivers/docker/index.ts";
import type {
  CreateRequest,
  Driver,
  DriverDeps,
  DriverModule,
  ExecRequest,
  ObserveScope,
  PathFacts,
} from "../../src/drivers/driver.ts";
import type { JsonObject } from "../../src/model/json.ts";
import type { RuntimeLabels } from "../../src/model/labels.ts";
import type { Host } from "../../src/model/settings.ts";
import type { Spec, WorkspaceProvider } from "../../src/model/spec.ts";
import type { Access } from "../../src/model/settings.ts";

const run = promisify(execFile);

export interface Recipe {
  readonly docker?: JsonObject;
  readonly env?: Readonly<Record<string, string>>;
  readonly access?: Access;
  readonly provider?: WorkspaceProvider;
  readonly slot?: string;
  readonly address?: RuntimeLabels["address"];
}

/** One fleet of its own on the test engine, and everything it made, which goes away with it. */
export class DockerFleet implements AsyncDisposable {
  readonly fleet = `t${randomBytes(6).toString("hex")}`;
  readonly folder: string;
  readonly workspace: string;
  readonly driver: Driver;
  readonly deps: DriverDeps;
  readonly #endpoint: string;
  readonly #image: string;
  readonly #module: DriverModule;

  private constructor(
    folder: string,
    where: { readonly endpoint: string; readonly image: string; readonly module: DriverModule },
    driver: Driver,
    deps: DriverDeps,
  ) {
    this.folder = folder;
    this.workspace = join(folder, "workspace");
    this.driver = driver;
    this.deps = deps;
    this.#endpoint = where.endpoint;
    this.#image = where.image;
    this.#module = where.module;
  }

  static async open(
    endpoint: string,
    image: string,
    host?: Host,
    env: DriverDeps["env"] = {},
    module: DriverModule = dockerDriver,
  ): Promise<DockerFleet> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), "sandkeep-docker-")));
    await mkdir(join(folder, "workspace", "state"), { recursive: true });
    await chmod(folder, 0o755);
    const deps: DriverDeps = {
      stateDir: join(folder, "workspace", "state"),
      env: {
        PATH: process.env["PATH"],
        HOME: folder,
        DOCKER_HOST: endpoint,
        CONTAINER_HOST: endpoint,
        ...env,
      },
      now: () => Date.now(),
      randomId: () => randomBytes(8).toString("hex"),
    };
    const driver = await module.open(host, deps);
    return new DockerFleet(folder, { endpoint, image, module }, driver, deps);
  }

  /** The engine's own command line: how a person would meddle. */
  async docker(...args: string[]): Promise<string> {
    const { backend } = this.#module;
    const { stdout } = await run(backend, [backend === "docker" ? "-H" : "--url", this.#endpoint, ...args]);
    return stdout.trim();
  }

  scope(extra: Partial<ObserveScope> = {}): ObserveScope {
    return { fleet: this.fleet, fleet_id: "id1", names: [this.name()], ...extra };
  }

  name(address = "agent/work"): string {
    return `sk-${this.fleet}-${address.replaceAll(/[^a-z0-9]+/g, "-")}`;
  }

  facts(): PathFacts {
    const nothing = { unseen: () => undefined, readText: () => undefined, found: () => undefined };
    return { root: this.folder, home: this.folder, realPath: (path) => path, ...nothing };
  }

  spec(recipe: Recipe = {}): Spec {
    const access = recipe.access ?? "none";
    const provider = recipe.provider ?? (access === "none" ? "own" : "bind");
    return {
      kind: "sandbox",
      backend: this.#module.backend,
      values: {
        workspace: {
          access,
          provider,
          target: "/workspace",
          ...(access === "none" ? {} : { source: this.workspace }),
        },
        env: { LANG: "C.UTF-8", ...recipe.env },
        secrets: {},
        setup: [],
        [this.#module.backend]: this.#module.normalise(
          {
            image: this.#image,
            cap_drop: ["ALL"],
            tmpfs: ["/tmp", "/var/tmp", "/run"],
            pids: 64,
            stop_timeout: 1000,
            ...recipe.docker,
          },
          this.facts(),
        ),
      },
    };
  }

  async request(recipe: Recipe = {}): Promise<CreateRequest> {
    const spec = this.spec(recipe);
    const state = await this.driver.resolveImage(this.#image, "missing");
    const address = recipe.address ?? "agent/work";
    const labels: RuntimeLabels = {
      fleet: this.fleet,
      fleet_id: "id1",
      address,
      kind: "sandbox",
      role: "primary",
      name: this.name(address),
      agent: "work",
      spec_hash: `v1:sha256:${"0".repeat(64)}`,
      spec,
      secrets: {},
      protect: false,
      owner: "tests",
      created_at: 1,
      candidate_until: 2,
      ...(state.status === "present" ? { image: state.image } : {}),
    };
    return { name: this.name(address) + (recipe.slot ?? ""), labels, spec };
  }

  async create(recipe: Recipe = {}): Promise<string> {
    return (await this.driver.create(await this.request(recipe))).objectId;
  }

  async up(recipe: Recipe = {}): Promise<string> {
    const id = await this.create(recipe);
    await this.driver.start(id);
    return id;
  }

  async run(objectId: string, script: string, extra: Partial<ExecRequest> = {}): Promise<Ran> {
    const stdout = new Text();
    const stderr = new Text();
    const handle = await this.driver.exec({
      objectId,
      argv: ["sh", "-c", script],
      env: {},
      stdout,
      stderr,
      ...extra,
    });
    const { exitCode } = await handle.result;
    return { exitCode, stdout: stdout.text, stderr: stderr.text };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const filter = `label=sandkeep.fleet=${this.fleet}`;
    const containers = await this.docker("ps", "-aq", "--filter", filter);
    if (containers !== "") await this.docker("rm", "-fv", ...containers.split("\n"));
    const volumes = await this.docker("volume", "ls", "-q", "--filter", filter);
    if (volumes !== "") await this.docker("volume", "rm", "-f", ...volumes.split("\n"));
    await this.driver[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

export interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Keeps what was written. */
export class Text extends Writable {
  text = "";

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
