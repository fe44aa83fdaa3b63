import { execFile, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { ApplyResult } from "../../src/model/outcome.ts";
import { applyResultSchema } from "../../src/model/outcome.ts";
import type { Change, Plan } from "../../src/model/plan.ts";
import { planSchema } from "../../src/model/plan.ts";

// The end-to-end tests' way to the built CLI: what a person types, in a project folder and a state directory of its own.

const exec = promisify(execFile);

export const MAIN = join(import.meta.dirname, "../../dist/src/cli/main.cjs");

export interface Ran {
  /** Null when a signal ended the process. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** `main.cjs` of another copy of the built CLI. */
  readonly main?: string;
  /** In a process group of its own, as a terminal's foreground job is. */
  readonly ownGroup?: boolean;
}

/** A CLI that runs; `ended` settles when it has gone, however it went. */
export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
}

export interface ProjectOptions {
  /** `DOCKER_HOST` of the test engine; without it no engine can be reached. */
  readonly docker?: string;
  /** `CONTAINER_HOST` of the test's Podman; a project has one engine at most. */
  readonly podman?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Never a real engine of the machine. */
const NO_ENGINE = "unix:///nonexistent/sandkeep-test/docker.sock";

/** A fleet of its own; whatever it made is gone when it is disposed, also after a failed test. */
export class Project implements AsyncDisposable {
  readonly fleet = `e${randomBytes(5).toString("hex")}`;
  readonly folder: string;
  readonly root: string;
  readonly state: string;
  readonly env: Readonly<Record<string, string>>;
  readonly #cli: readonly [string, ...string[]] | undefined;
  readonly #children = new Set<ChildProcess>();

  private constructor(folder: string, options: ProjectOptions) {
    this.folder = folder;
    this.root = join(folder, "project");
    this.state = join(folder, "state");
    this.#cli = engineCli(options);
    this.env = {
      PATH: process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
      HOME: join(folder, "home"),
      LANG: "C.UTF-8",
      SANDKEEP_STATE_DIR: this.state,
      DOCKER_HOST: options.docker ?? NO_ENGINE,
      CONTAINER_HOST: options.podman ?? NO_ENGINE,
      ...options.env,
    };
  }

  static async open(options: ProjectOptions = {}): Promise<Project> {
    const project = new Project(await realpath(await mkdtemp(join(tmpdir(), "sandkeep-e2e-"))), options);
    for (const each of [project.root, join(project.folder, "home")]) await mkdir(each);
    return project;
  }

  /** Writes `sandkeep.toml` with the head every fleet has; line 4 is the first of `body`. */
  async config(body: string): Promise<void> {
    await this.file("sandkeep.toml", `version = 1\nfleet = "${this.fleet}"\nfleet_id = "k3v9q2"\n${body}\n`);
  }

  async file(name: string, content: string): Promise<string> {
    const path = join(this.root, name);
    await writeFile(path, content);
    return path;
  }

  /** Replaces a part of `sandkeep.toml`, which must be there. */
  async edit(from: string, to: string): Promise<void> {
    const before = await readFile(join(this.root, "sandkeep.toml"), "utf8");
    if (!before.includes(from)) throw new Error(`${from} is not in the config`);
    await this.file("sandkeep.toml", before.replace(from, to));
  }

  start(argv: readonly string[], options: RunOptions = {}): Running {
    const child = spawn(process.execPath, [options.main ?? MAIN, ...argv], {
      cwd: options.cwd ?? this.root,
      env: { ...this.env, ...options.env },
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      detached: options.ownGroup === true,
    });
    this.#children.add(child);
    child.stdin?.end(options.input);
    return { child, ended: this.#end(child) };
  }

  async #end(child: ChildProcess): Promise<Ran> {
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error("no pipes");
    const closed = once(child, "close");
    const [out, err] = await Promise.all([text(stdout), text(stderr), closed]);
    this.#children.delete(child);
    return { code: child.exitCode, stdout: out, stderr: err };
  }

  /** `sandkeep ARGV…` to its end. */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return await this.start(argv, options).ended;
  }

  /** As `run`, for what must succeed; answers stdout. */
  async ok(...argv: readonly string[]): Promise<string> {
    const ran = await this.run(argv);
    if (ran.code !== 0) {
      throw new Error(`sandkeep ${argv.join(" ")} exited ${ran.code}\n${ran.stdout}\n${ran.stderr}`);
    }
    return ran.stdout;
  }

  /** The document that `--json` prints, whatever the exit code. */
  async json(...argv: readonly string[]): Promise<Document> {
    return documentOf(await this.run([...globals(argv, "--json")]));
  }

  async plan(...argv: readonly string[]): Promise<Plan> {
    return planSchema.parse(await this.json("plan", ...argv));
  }

  /** Applies without asking, and expects nothing of the outcome. */
  async apply(...argv: readonly string[]): Promise<ApplyResult> {
    return applyResultSchema.parse(await this.json("apply", "--yes", ...argv));
  }

  async list(...argv: readonly string[]): Promise<Listed[]> {
    const { runtimes } = await this.json("list", ...argv);
    return runtimes as Listed[];
  }

  /** The engine's own command line: how a person would meddle. */
  async docker(...args: readonly string[]): Promise<string> {
    if (this.#cli === undefined) throw new Error("this project has no engine");
    const [command, ...first] = this.#cli;
    const { stdout } = await exec(command, [...first, ...args], { maxBuffer: 2 ** 26 });
    return stdout.trim();
  }

  /** Names of the fleet's containers, sorted. */
  async containers(): Promise<string[]> {
    const names = await this.docker("ps", "-a", "--filter", this.#label, "--format", "{{.Names}}");
    return names.split("\n").filter(Boolean).toSorted();
  }

  /** Names of the fleet's networks, sorted. */
  async networks(): Promise<string[]> {
    const names = await this.docker("network", "ls", "--filter", this.#label, "--format", "{{.Name}}");
    return names.split("\n").filter(Boolean).toSorted();
  }

  get #label(): string {
    return `label=sandkeep.fleet=${this.fleet}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill("SIGKILL");
    if (this.#cli !== undefined) {
      await this.#removeAll(["ps", "-aq"], ["rm", "-fv"]);
      await this.#removeAll(["network", "ls", "-q"], ["network", "rm"]);
      await this.#removeAll(["volume", "ls", "-q"], ["volume", "rm", "-f"]);
    }
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async #removeAll(list: readonly string[], remove: readonly string[]): Promise<void> {
    const ids = (await this.docker(...list, "--filter", this.#label)).split("\n").filter(Boolean);
    if (ids.length > 0) await this.docker(...remove, ...ids);
  }
}

function engineCli({ docker, podman }: ProjectOptions): readonly [string, ...string[]] | undefined {
  if (podman !== undefined) return ["podman", "--url", podman];
  return docker === undefined ? undefined : ["docker", "-H", docker];
}

export type Document = Readonly<Record<string, unknown>>;

export interface Listed {
  readonly address: string;
  readonly name: string;
  readonly object_id: string | null;
  readonly status: string;
  readonly config: string;
  readonly busy: boolean;
  readonly held: boolean;
  readonly watch: string | null;
  readonly idle_s: number | null;
}

/** Puts a flag before `--`, where it is sandkeep's own. */
function globals(argv: readonly string[], flag: string): string[] {
  const end = argv.indexOf("--");
  return end === -1 ? [...argv, flag] : [...argv.slice(0, end), flag, ...argv.slice(end)];
}

/** Throws unless stdout is exactly one JSON document and a newline. */
export function documentOf(ran: Ran): Document {
  if (!ran.stdout.endsWith("}\n")) throw new Error(`no document: ${ran.stdout}\n${ran.stderr}`);
  return JSON.parse(ran.stdout) as Document;
}

export function changeOf(plan: Plan, address: string): Change {
  const found = plan.changes.find((each) => each.address === address);
  if (found === undefined) throw new Error(`the plan says nothing of ${address}`);
  return found;
}

/** `path` of each reason → its before and after. */
export function reasonsOf(plan: Plan, address: string): Record<string, readonly [unknown, unknown]> {
  const reasons = changeOf(plan, address).reasons;
  return Object.fromEntries(reasons.map((each) => [each.path, [each.before, each.after]]));
}

/** What each address is to undergo: `agent/work` → `["update"]`; nothing for what stays as it is. */
export function actionsOf(plan: Plan): Record<string, readonly string[]> {
  const acting = plan.changes.filter((each) => each.actions[0] !== "no-op");
  return Object.fromEntries(acting.map((each) => [each.address, each.actions]));
}

/** `address` → `action status`. */
export function outcomesOf(result: ApplyResult): Record<string, string> {
  return Object.fromEntries(result.outcomes.map((each) => [each.address, `${each.action} ${each.status}`]));
}

/** Looks until `probe` answers, at most for 20 seconds. */
export async function eventually<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + 45_000;
  while (Date.now() < end) {
    const found = await probe();
    if (found !== undefined) return found;
    await sleep(50);
  }
  throw new Error(`${what} did not come about in 45 s`);
}

/** Every file below `folder`, as path and content. */
export async function filesBelow(folder: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
  return new Map(await Promise.all(files.map(async (path) => [path, await readFile(path, "utf8")] as const)));
}
