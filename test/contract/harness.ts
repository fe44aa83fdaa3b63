// What the contract suite needs to know of one driver, and the small tools its tests are written with.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { expect } from "vitest";
import { normaliseSpec } from "../../src/desire/normalise.ts";
import { specHash } from "../../src/desire/hash.ts";
import type {
  Driver,
  DriverDeps,
  DriverModule,
  ExecHandle,
  ExecRequest,
  ObserveScope,
  ReadDriver,
} from "../../src/drivers/driver.ts";
import type { JsonObject } from "../../src/model/json.ts";
import type { RuntimeLabels } from "../../src/model/labels.ts";
import type { Observation, ObservedRuntime } from "../../src/model/observed.ts";
import type { Access, Host, Settings } from "../../src/model/settings.ts";
import type { Spec } from "../../src/model/spec.ts";
import { BUILT_IN } from "../../src/resolve/defaults.ts";
import { pathFacts } from "../../src/util/path-facts.ts";

/** Commands that every backend under test can run. */
export interface ContractCommands {
  exit(code: number): readonly string[];
  /** `out` on stdout, `err` on stderr, each with a newline. */
  both(): readonly string[];
  /** stdin to stdout. */
  cat(): readonly string[];
  /** The variable's value and a newline. */
  print(variable: string): readonly string[];
  pwd(): readonly string[];
  /** Says `started`, then waits for a child process that has `tag` in its argv. */
  waitForChild(tag: string): readonly string[];
  /** The terminal's `rows columns`, again and again. */
  terminalSize(): readonly string[];
}

/** For backends with a POSIX shell. */
export const shellCommands: ContractCommands = {
  exit: (code) => ["sh", "-c", `exit ${code}`],
  both: () => ["sh", "-c", "echo out; echo err >&2"],
  cat: () => ["cat"],
  print: (variable) => ["sh", "-c", `echo "$${variable}"`],
  pwd: () => ["pwd"],
  waitForChild: (tag) => ["sh", "-c", `sleep ${tag} & echo started; wait`],
  terminalSize: () => ["sh", "-c", "while :; do stty size; sleep 0.1; done"],
};

/** A live field: the suite creates with one value, updates to the other, and reads it back. */
export interface LiveChange {
  readonly path: string;
  readonly from: Partial<SpecInput>;
  readonly to: Partial<SpecInput>;
}

export interface SpecInput {
  readonly options: JsonObject;
  readonly env: Readonly<Record<string, string>>;
  readonly access: Access;
}

export interface ContractHarness extends AsyncDisposable {
  readonly module: DriverModule;
  readonly host: Host | undefined;
  readonly deps: DriverDeps;
  /** The least a spec of this backend needs. */
  readonly plain: JsonObject;
  /** More specs, by what they try out; each must show no drift against itself. */
  readonly variants: Readonly<Record<string, Partial<SpecInput>>>;
  readonly live: readonly LiveChange[];
  readonly commands: ContractCommands;
  /** What others do to the engine. */
  readonly behind: {
    remove(runtime: {
      readonly objectId: string;
      readonly name: string;
      readonly fleet: string;
    }): Promise<void>;
    /** Makes something that is not ours and has this name. */
    foreign(name: string, fleet: string): Promise<AsyncDisposable>;
  };
  /** A reader whose engine does not answer. */
  unreachable(fleet: string): Promise<ReadDriver>;
  /** Makes a workspace source that holds `keep.txt`; the second function reads that file back. */
  readonly source: () => Promise<{ readonly path: string; readonly keeps: () => Promise<string> }>;
}

/** What a fleet needs outside the suite: nobody else does anything to its engine, which always answers. */
export function bareHarness(
  given: Pick<ContractHarness, "module" | "host" | "deps" | "plain" | "source">,
): ContractHarness {
  const { module, host, deps } = given;
  return {
    ...given,
    variants: {},
    live: [],
    commands: shellCommands,
    behind: {
      remove: async () => undefined,
      foreign: async () => ({ [Symbol.asyncDispose]: async () => undefined }),
    },
    unreachable: async () => module.openReader(host, deps),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** What each group of tests is given; values exist only once the suite runs. */
export interface Cases {
  readonly fleet: () => Fleet;
  readonly harness: () => ContractHarness;
  readonly driver: () => Driver;
}

export const KEPT = "must survive\n";

/** A source as a folder of this machine. */
export async function folderSource(dir: string): Promise<{ path: string; keeps: () => Promise<string> }> {
  const path = await mkdtemp(join(dir, "source-"));
  await chmod(path, 0o755);
  await writeFile(join(path, "keep.txt"), KEPT);
  return { path, keeps: () => readFile(join(path, "keep.txt"), "utf8") };
}

export function realDeps(stateDir: string, env: DriverDeps["env"] = process.env): DriverDeps {
  return { stateDir, env, now: Date.now, randomId: () => randomBytes(8).toString("hex") };
}

/** One fleet of one test, with everything it made: disposing removes it. */
export class Fleet implements AsyncDisposable {
  readonly harness: ContractHarness;
  readonly driver: Driver;
  readonly name: string;
  readonly id: string;
  readonly #scopes: ObserveScope[] = [];

  constructor(harness: ContractHarness, driver: Driver, name = `ct${randomBytes(4).toString("hex")}`) {
    this.harness = harness;
    this.driver = driver;
    this.name = name;
    this.id = randomBytes(3).toString("hex");
  }

  scope(changes: Partial<ObserveScope> = {}): ObserveScope {
    return { fleet: this.name, fleet_id: this.id, names: [], ...changes };
  }

  runtimeName(suffix: string): string {
    return `${this.name}-${suffix}-0123456789`;
  }

  settings(input: Partial<SpecInput>, path = "/source"): Settings {
    const { module, plain } = this.harness;
    return {
      mode: "all",
      scope: "agent",
      backend: module.backend,
      writes: "direct",
      provision: "eager",
      protect: false,
      attest: false,
      setup: [],
      env: input.env ?? { LANG: "C.UTF-8" },
      secrets: {},
      workspace: { source: path, access: input.access ?? "rw", target: "/workspace" },
      timeouts: BUILT_IN.timeouts,
      prune: { idle: "off", max_age: "off" },
      disruption: { when: "idle", max_wait: "off" },
      salvage: { ...BUILT_IN.salvage, include: ["/"], exclude: [] },
      options: { ...plain, ...input.options },
    };
  }

  /** False for settings that `validate` would refuse for this backend. */
  accepts(input: Partial<SpecInput>): boolean {
    const { module, host } = this.harness;
    return module.require(this.settings(input), host).length === 0;
  }

  async spec(input: Partial<SpecInput> = {}): Promise<Spec & { readonly source: string }> {
    const { module, host, source } = this.harness;
    const { path } = await source();
    const settings = this.settings(input, path);
    const facts = pathFacts(path, homedir());
    return { ...normaliseSpec("sandbox", settings, module, host, facts), source: path };
  }

  labels(suffix: string, spec: Spec, changes: Partial<RuntimeLabels> = {}): RuntimeLabels {
    const { kind, backend, values } = spec;
    return {
      fleet: this.name,
      fleet_id: this.id,
      address: `agent/${suffix}`,
      kind: "sandbox",
      role: "primary",
      name: this.runtimeName(suffix),
      agent: suffix,
      session: "main",
      spec_hash: specHash(spec, this.harness.module.fields),
      spec: { kind, backend, values },
      secrets: { TOKEN: "k1:00ff" },
      protect: true,
      owner: "0123456789abcdef",
      created_at: 1_700_000_000_000,
      candidate_until: 1_700_000_060_000,
      ...changes,
    };
  }

  /** Creates and, where there is something to start, starts. */
  async run(suffix: string, input: Partial<SpecInput> = {}): Promise<MadeRuntime> {
    const spec = await this.spec(input);
    const labels = this.labels(suffix, spec);
    const { objectId } = await this.driver.create({ name: labels.name, labels, spec });
    await this.driver.start(objectId);
    return { objectId, name: labels.name, labels, spec, fleet: this.name };
  }

  async observe(changes: Partial<ObserveScope> = {}): Promise<Extract<Observation, { status: "complete" }>> {
    const scope = this.scope(changes);
    this.#scopes.push(scope);
    return complete(await this.driver.observe(scope));
  }

  async only(): Promise<ObservedRuntime> {
    const { runtimes } = await this.observe();
    expect(runtimes).toHaveLength(1);
    return runtimes[0]!; // the expectation above
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Without an id the name alone owns, so this finds whatever the test made.
    const { runtimes, dormant } = complete(await this.driver.observe({ fleet: this.name, names: [] }));
    for (const { object_id } of runtimes) await this.driver.remove(object_id, "delete");
    for (const { address } of dormant) await this.driver.mark(this.scope(), address, undefined);
  }
}

export interface MadeRuntime {
  readonly objectId: string;
  readonly name: string;
  readonly labels: RuntimeLabels;
  readonly spec: Spec & { readonly source: string };
  readonly fleet: string;
}

export function complete(observation: Observation): Extract<Observation, { status: "complete" }> {
  if (observation.status === "complete") return observation;
  throw new Error(`unobserved: ${observation.message}`);
}

export interface Ran {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export interface Started {
  readonly handle: ExecHandle;
  readonly ran: Promise<Ran>;
  /** Resolves when stdout holds the text. */
  waitFor(text: string): Promise<void>;
}

export async function start(
  driver: Driver,
  request: Pick<ExecRequest, "objectId" | "argv"> & Partial<ExecRequest>,
): Promise<Started> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let seen = "";
  stdout.on("data", (chunk: Buffer) => (seen += chunk.toString("latin1")));
  const output = Promise.all([buffer(stdout), buffer(stderr)]);
  const handle = await driver.exec({ env: {}, stdout, stderr, ...request });
  return {
    handle,
    ran: (async () => {
      const { exitCode } = await handle.result;
      stdout.end();
      stderr.end();
      const [out, err] = await output;
      return { exitCode, stdout: out, stderr: err };
    })(),
    async waitFor(text) {
      await until(() => seen.includes(text), `the text ${JSON.stringify(text)} in ${JSON.stringify(seen)}`);
    },
  };
}

export async function exec(
  driver: Driver,
  objectId: string,
  argv: readonly string[],
  rest: Partial<ExecRequest> = {},
): Promise<Ran> {
  const { ran } = await start(driver, { objectId, argv, ...rest });
  return ran;
}

export async function until(
  check: () => boolean | Promise<boolean>,
  what: string,
  ms = 15_000,
): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`waited ${ms} ms for ${what}`);
    await sleep(20);
  }
}

const run = promisify(execFile);

/** A tar stream of a folder's content with odd modes, links and names. */
export async function sampleTar(): Promise<Readable> {
  const dir = await mkdtemp(join(tmpdir(), "sandkeep-tar-"));
  try {
    await mkdir(join(dir, "bin"));
    await writeFile(join(dir, "bin", "tool"), "#!/bin/sh\nexit 0\n");
    await chmod(join(dir, "bin", "tool"), 0o755);
    await writeFile(join(dir, "secret file"), randomBytes(0));
    await chmod(join(dir, "secret file"), 0o600);
    await writeFile(join(dir, "bytes"), Buffer.from(Array.from({ length: 70_000 }, (_, n) => n & 255)));
    await symlink("bin/tool", join(dir, "link"));
    const { stdout } = await run("tar", ["-C", dir, "--format=ustar", "-cf", "-", "."], {
      encoding: "buffer",
      maxBuffer: 1 << 24,
    });
    return Readable.from([stdout]);
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** `type mode size name -> target` of every entry of a tar stream, below its top folder. */
export async function listTar(tar: Readable): Promise<readonly string[]> {
  const dir = await mkdtemp(join(tmpdir(), "sandkeep-tar-"));
  try {
    const file = join(dir, "files.tar");
    await writeFile(file, await buffer(tar));
    const { stdout } = await run("tar", ["-C", dir, "--strip-components=1", "-xpf", file]).then(() =>
      run("find", [dir, "-mindepth", "1", "!", "-name", "files.tar", "-printf", "%y %m %s %P %l\n"]),
    );
    return stdout
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("d"))
      .toSorted();
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
