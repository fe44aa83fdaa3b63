// A whole fleet on the memory backend: real config files, real state directories, virtual time, and a world to disturb.
import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { cp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { Decision } from "../../src/diff/diff.ts";
import type { Driver, DriverModule, ReadDriver } from "../../src/drivers/driver.ts";
import { THIS_HOST } from "../../src/drivers/driver.ts";
import { FileTree } from "../../src/drivers/memory/file-tree.ts";
import { memoryDriver } from "../../src/drivers/memory/index.ts";
import type { MemoryObject } from "../../src/drivers/memory/machine.ts";
import type { MemoryWorld, WorldOptions } from "../../src/drivers/memory/world.ts";
import { createWorld } from "../../src/drivers/memory/world.ts";
import type { EventBody } from "../../src/model/event.ts";
import type { Intent, PlanRequest } from "../../src/model/intent.ts";
import type { JsonObject } from "../../src/model/json.ts";
import type { RuntimeLabels } from "../../src/model/labels.ts";
import { decodeLabels, encodeLabels } from "../../src/model/labels.ts";
import type { ObservedRuntime } from "../../src/model/observed.ts";
import type { ApplyResult } from "../../src/model/outcome.ts";
import type { Plan } from "../../src/model/plan.ts";
import type { Spec } from "../../src/model/spec.ts";
import type { Measuring } from "../../src/plan/losses.ts";
import { withLosses } from "../../src/plan/losses.ts";
import type { Survey } from "../../src/plan/survey.ts";
import { survey, surveyFor } from "../../src/plan/survey.ts";
import type { Engine, ReconcileOptions } from "../../src/reconcile.ts";
import { applySavedPlan, planFleet, reconcile } from "../../src/reconcile.ts";
import type { FleetState } from "../../src/state/directory.ts";
import { fleetState } from "../../src/state/directory.ts";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** How much longer than usual the properties run: `SANDKEEP_RUNS=10` for a night. */
export function runs(usual: number): number {
  return Math.max(1, Math.round(usual * Number(process.env["SANDKEEP_RUNS"] ?? "1")));
}

/** Time that passes when somebody waits, or when it is told to. */
export class VirtualTime {
  #now = Date.UTC(2030, 0, 1);

  now(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }

  readonly wait = {
    elapsed: (): number => this.#now,
    sleep: async (ms: number): Promise<void> => {
      this.advance(ms);
      await Promise.resolve();
    },
  };
}

const outward = (path: string): string => path.replace(/^memory\./, "docker.");
const inward = (path: string): string => path.replace(/^docker\./, "memory.");
const inwardSpec = ({ kind, values: { docker, ...values } }: Spec): Spec => ({
  kind,
  backend: "memory",
  values: { ...values, memory: docker ?? {} },
});

/** The memory engine in the place of `docker`, so that real config files drive it. */
export function standIn(world: MemoryWorld): DriverModule {
  const inner = memoryDriver(world);
  const seen = new WeakMap<ObservedRuntime, ObservedRuntime>();
  const look = (runtime: ObservedRuntime): ObservedRuntime => {
    const known = seen.get(runtime);
    if (known !== undefined) return known;
    const fields = Object.entries(runtime.fields).map(([path, value]) => [outward(path), value] as const);
    const made = { ...runtime, fields: Object.fromEntries(fields) };
    seen.set(runtime, made);
    return made;
  };
  const reading = (driver: ReadDriver): ReadDriver => ({
    ...driver,
    observe: async (scope) => {
      const found = await driver.observe(scope);
      return found.status === "complete" ? { ...found, runtimes: found.runtimes.map(look) } : found;
    },
    inspect: async (id) => {
      const found = await driver.inspect(id);
      return found && look(found);
    },
  });
  const writing = (driver: Driver): Driver => ({
    ...driver,
    ...reading(driver),
    create: (request) => driver.create({ ...request, spec: inwardSpec(request.spec) }),
    attest: async (id, spec) =>
      (await driver.attest(id, inwardSpec(spec))).map((each) => ({ ...each, path: outward(each.path) })),
    update: (request) =>
      driver.update({ ...request, spec: inwardSpec(request.spec), paths: request.paths.map(inward) }),
  });
  return {
    ...inner,
    backend: "docker",
    fields: inner.fields.map((row) => ({ ...row, path: outward(row.path) })),
    openReader: async (host, deps) => reading(await inner.openReader(host, deps)),
    open: async (host, deps) => writing(await inner.open(host, deps)),
  };
}

export const IMAGES = { "img:a": "a1", "img:b": "b1" } as const;

function temporaryFolder(parent: string): string {
  return realpathSync(mkdtempSync(join(parent, "sandkeep-lab-")));
}

/** In memory where the system has such a place: thousands of fsyncs are not what is tested. */
const STATES = temporaryFolder(existsSync("/dev/shm") ? "/dev/shm" : tmpdir());

// What a test counts as dead may still be writing when its lab goes, so this goes last and as a whole.
afterAll(() => rmSync(STATES, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));

export interface LabOptions extends WorldOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Another lab's, for two worlds with the very same config. */
  readonly repo?: string;
}

export interface Applied {
  readonly plan: Plan;
  readonly result: ApplyResult;
}

/** One test's world, config and state directories; disposing removes them. */
export class Lab implements AsyncDisposable {
  readonly time = new VirtualTime();
  readonly world: MemoryWorld;
  readonly events: EventBody[] = [];
  /** Environment of sandkeep itself, where secrets come from. */
  readonly env: Record<string, string>;
  /** Where the config is. */
  readonly repo: string;
  readonly #states = temporaryFolder(STATES);
  readonly #module: DriverModule;
  readonly #kept: AsyncDisposable[] = [];
  #ids = 0;

  constructor(options: LabOptions = {}) {
    this.world = createWorld({ images: IMAGES, ...options, now: () => this.time.now() });
    this.repo = options.repo ?? temporaryFolder(tmpdir());
    this.env = { HOME: "/home/nobody", ...options.env };
    this.#module = standIn(this.world);
  }

  async write(config: object): Promise<void> {
    const head = { version: 1, fleet: "team", fleet_id: "k3v9q2" };
    await writeFile(join(this.repo, "sandkeep.json"), JSON.stringify({ ...head, ...config }));
  }

  stateDir(machine = "one"): string {
    return join(this.#states, machine);
  }

  state(machine = "one"): FleetState {
    return fleetState(this.stateDir(machine), "team");
  }

  forget(machine = "one"): void {
    rmSync(this.stateDir(machine), { recursive: true, force: true });
  }

  engine(machine = "one"): Engine {
    return {
      drivers: { docker: () => Promise.resolve(this.#module) },
      stateDir: this.stateDir(machine),
      cwd: this.repo,
      env: this.env,
      now: () => this.time.now(),
      wait: this.time.wait,
      randomId: () => {
        this.#ids += 1;
        return this.#ids.toString(16).padStart(16, "0");
      },
      sink: { notify: (event) => void this.events.push(event) },
      toolVersion: "0.0.0",
    };
  }

  /** The state directory as a process that died left it, under another name: its claims are a dead process's. */
  async inherit(from: string, to: string): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await rm(this.stateDir(to), { recursive: true, force: true, maxRetries: 5 });
        // Mutexes and half-written files live for milliseconds; others of the same process come and go with them.
        const filter = (path: string) => !/\.lock$|\.\d+$/.test(path);
        await cp(this.stateDir(from), this.stateDir(to), { recursive: true, filter });
        break;
      } catch (thrown) {
        const vanished = thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
        if (!vanished || tries === 20) throw thrown;
      }
    }
    for (const entry of await readdir(this.stateDir(to), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const text = await readFile(path, "utf8");
      await writeFile(path, text.replace(/"start_time": ?"\d+"/, '"start_time":"1"'));
    }
  }

  async look(machine = "one"): Promise<Survey> {
    const seen = await survey(this.engine(machine), { wanted: [] });
    if (seen.status === "invalid") throw new Error(JSON.stringify(seen.diagnostics, undefined, 2));
    return seen;
  }

  /** With what decisions destroy, measured on this machine's engines. */
  async measure(seen: Survey, decisions: readonly Decision[], options?: Measuring): Promise<Survey> {
    const engine = this.engine();
    const measured = await surveyFor(engine, { wanted: [] }, (_, open) =>
      withLosses(engine, open, seen, decisions, options),
    );
    if (measured.status === "invalid") throw new Error(JSON.stringify(measured.diagnostics, undefined, 2));
    return measured;
  }

  async plan(request: Partial<PlanRequest> = {}, machine = "one"): Promise<Plan> {
    const answer = await planFleet(this.engine(machine), { intent: { mode: "apply" }, ...request });
    if (answer.status === "invalid") throw new Error(JSON.stringify(answer.diagnostics, undefined, 2));
    return answer.plan;
  }

  async apply(
    request: Partial<PlanRequest> = {},
    machine = "one",
    options: Partial<ReconcileOptions> = {},
  ): Promise<Applied> {
    const answer = await reconcile(
      this.engine(machine),
      { intent: { mode: "apply" }, ...request },
      { approve: () => Promise.resolve(true), ...options },
    );
    if (answer.status !== "applied") throw new Error(JSON.stringify(answer, undefined, 2));
    return answer;
  }

  async applySaved(plan: Plan, machine = "one"): Promise<ApplyResult> {
    const answer = await applySavedPlan(this.engine(machine), plan, {});
    if (answer.status !== "applied") throw new Error(JSON.stringify(answer, undefined, 2));
    return answer.result;
  }

  async intent(intent: Intent, machine = "one"): Promise<Applied> {
    return this.apply({ intent }, machine);
  }

  /** Disposed with the lab. */
  keep(resource: AsyncDisposable): void {
    this.#kept.push(resource);
  }

  /** Every object of every engine, in order of creation. */
  objects(): MemoryObject[] {
    return HOSTS.flatMap((host) => [...this.world.machine(host).objects.values()]);
  }

  hostOf(id: string): string {
    return HOSTS.find((host) => this.world.machine(host).objects.has(id)) ?? THIS_HOST;
  }

  primaries(): MemoryObject[] {
    return this.objects().filter(({ decoded }) => decoded?.role === "primary");
  }

  /** Writes made since `reset`; resets. */
  writes(): number {
    const { write } = this.world.calls;
    this.world.resetCalls();
    return write;
  }

  /** Everything on disk below the state directories and everything said, as one text. */
  async everythingWritten(): Promise<string> {
    const texts: string[] = [JSON.stringify(this.events)];
    for (const entry of await readdir(this.#states, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) texts.push(await readFile(join(entry.parentPath, entry.name), "utf8"));
    }
    for (const object of this.objects()) {
      texts.push(JSON.stringify([object.labels, object.spec ?? null, object.fields]));
    }
    return texts.join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#kept) await each[Symbol.asyncDispose]();
    for (const folder of [this.#states, this.repo]) {
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  }
}

/** The engines a lab's configs use: this machine's and one remote. */
export const HOSTS = [THIS_HOST, "b1"] as const;

/** `[hosts]` for configs that use the remote one. */
export const REMOTE = { b1: { docker: "tcp://b1.test:2375" } } as const;

export interface Planted {
  readonly name: string;
  readonly labels: RuntimeLabels;
  readonly state?: MemoryObject["state"];
  readonly host?: string;
  readonly fields?: JsonObject;
}

/** An object as an earlier or another sandkeep would have left it. Undefined when its name is taken. */
export function plant(lab: Lab, like: MemoryObject, planted: Planted): MemoryObject | undefined {
  const { world } = lab;
  const machine = world.machine(planted.host ?? lab.hostOf(like.id));
  if (machine.names.has(planted.name)) return undefined;
  const labels = encodeLabels(planted.labels);
  const state = planted.state ?? "stopped";
  const made: MemoryObject = {
    id: world.nextId(),
    name: planted.name,
    labels,
    decoded: decodeLabels(labels),
    spec: like.spec,
    state,
    createdAt: world.now(),
    startedAt: state === "running" ? world.now() : undefined,
    exitCode: undefined,
    fields: { ...like.fields },
    image: like.image,
    files: new FileTree(),
    running: new Set(),
    seen: undefined,
  };
  machine.add(made);
  return made;
}

/** Something goes on in it, as the engine tells; the answer ends it. */
export function occupy(object: MemoryObject): () => void {
  const running = { end: () => undefined };
  object.running.add(running);
  object.seen = undefined;
  return () => {
    object.running.delete(running);
    object.seen = undefined;
  };
}

/** What a person would call different about an object. */
export function portrait(object: MemoryObject): string {
  const { id, name, state, fields, labels } = object;
  return JSON.stringify([id, name, state, fields, labels]);
}

/** Changes of a plan that would do something. */
export function acting(plan: Plan): Plan["changes"] {
  return plan.changes.filter(({ actions }) => actions[0] !== "no-op");
}
