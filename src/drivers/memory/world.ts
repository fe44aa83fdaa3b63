import { setTimeout as sleep } from "node:timers/promises";
import type { CacheBounds, CacheUse } from "../../model/cache.ts";
import type { Capabilities } from "../../model/capabilities.ts";
import type { Json } from "../../model/json.ts";
import type { ProbeReason } from "../../model/posture.ts";
import type { Settings } from "../../model/settings.ts";
import type { ImageIdentity } from "../../model/spec.ts";
import type { EngineWarning, HealthReport } from "../driver.ts";
import { THIS_HOST } from "../driver.ts";
import { ProcessDeath, memoryError } from "./errors.ts";
import type { MemoryCommand } from "./exec.ts";
import { FileTree } from "./file-tree.ts";
import type { Fault, FaultEffect, MemoryCall, MemoryOp } from "./faults.ts";
import { FaultTable, WRITES } from "./faults.ts";
import type { MachineView, MemoryObject } from "./machine.ts";
import { Machine } from "./machine.ts";
import { digestOf } from "./image.ts";

type Lifecycle = Capabilities["lifecycle"];

export interface WorldOptions {
  readonly lifecycle?: Lifecycle;
  /** Ref → content: what every engine holds at first and what the registry has; the digest is the content's. */
  readonly images?: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** What `health` adds to the running time, so that no test waits for the two seconds of the ready rule. */
  readonly uptime?: number;
  /** Commands besides the built-in ones; they win. */
  readonly commands?: Readonly<Record<string, MemoryCommand>>;
  readonly capabilities?: Partial<Capabilities>;
}

export interface CallCount {
  readonly read: number;
  readonly write: number;
}

/** A script answers the nth health call of a runtime; a function sees the name and n, counting from 1. */
export type HealthScript = (name: string, nth: number) => Partial<HealthReport>;

/** One process's way to one engine: counts calls, lets faults strike, ends with its process. */
export interface Connection {
  readonly world: MemoryWorld;
  readonly machine: Machine;
  readonly call: <T>(op: MemoryOp, subject: string, effect: () => T | Promise<T>) => Promise<T>;
  /** The engine's listing, or an older one where a `stale` fault struck. */
  readonly view: () => Promise<MachineView>;
}

export function createWorld(options: WorldOptions = {}): MemoryWorld {
  return new MemoryWorld(options);
}

/** Machines, images and faults that outlive the drivers opened on them, as real engines outlive processes. */
export class MemoryWorld {
  readonly lifecycle: Lifecycle;
  readonly capabilities: Partial<Capabilities>;
  readonly commands: Readonly<Record<string, MemoryCommand>>;
  readonly now: () => number;
  readonly uptime: number;
  readonly registry = new Map<string, string>();
  /** Workspace folders of this machine by path; no driver call ever deletes one. */
  readonly sources = new Map<string, FileTree>();
  /** Every call since the start or the last `resetCalls`, in order of arrival. */
  readonly log: MemoryCall[] = [];
  /** Field paths that engines accept and show and do not enforce. */
  readonly unkept = new Set<string>();
  /** Field paths that engines accept and forget. */
  readonly dropped = new Set<string>();
  /** What main programs began with. */
  readonly delivered: { readonly name: string; readonly secrets: Readonly<Record<string, string>> }[] = [];
  /** Of one that makes no runtimes: what its cache holds, and what its settings leave of it. */
  cache: { readonly bounds: CacheBounds; use: CacheUse } | undefined;
  /** Nothing can be looked at from inside. */
  blind = false;
  /** What engines lack of what some settings ask. */
  lacks: (settings: Settings) => readonly ProbeReason[] = () => [];
  /** What engines say at each creation. */
  warnings: readonly EngineWarning[] = [];
  healthScript: HealthScript = () => ({});
  readonly #machines = new Map<string, Machine>();
  readonly #faults = new FaultTable();
  readonly #stale = new WeakMap<FaultEffect, ReadonlyMap<string, MachineView>>();
  readonly #healthCalls = new Map<string, number>();
  #ids = 0;
  #calls = 0;
  #life = 0;
  #dead: { readonly how: "throw" | "hang" } | undefined;
  #onKill: (() => void)[] = [];

  constructor(options: WorldOptions) {
    this.lifecycle = options.lifecycle ?? "process";
    this.capabilities = options.capabilities ?? {};
    this.commands = options.commands ?? {};
    this.now = options.now ?? Date.now;
    this.uptime = options.uptime ?? 0;
    for (const [ref, content] of Object.entries(options.images ?? {}))
      this.registry.set(ref, digestOf(content));
  }

  machine(host: string = THIS_HOST): Machine {
    const known = this.#machines.get(host);
    if (known !== undefined) return known;
    const machine = new Machine(host);
    for (const [ref, digest] of this.registry) machine.images.set(ref, digest);
    this.#machines.set(host, machine);
    return machine;
  }

  /** Deterministic: the nth object of a world always has the same id. */
  nextId(): string {
    this.#ids += 1;
    return `m${String(this.#ids).padStart(11, "0")}`;
  }

  get calls(): CallCount {
    const write = this.log.filter((call) => call.write).length;
    return { read: this.log.length - write, write };
  }

  resetCalls(): void {
    this.log.length = 0;
  }

  inject(fault: Fault): void {
    if (fault.effect.kind === "stale") {
      const views = [...this.#machines.values()].map((each) => [each.host, each.view()] as const);
      this.#stale.set(fault.effect, new Map(views));
    }
    this.#faults.add(fault);
  }

  clearFaults(): void {
    this.#faults.clear();
  }

  /** Resolves when a `kill` strikes; for tests whose process hangs instead of unwinding. */
  killed(): Promise<void> {
    return this.#dead === undefined
      ? new Promise((resolve) => this.#onKill.push(resolve))
      : Promise.resolve();
  }

  /** After a `kill`: drivers opened from now on belong to a new process; older ones stay dead. */
  revive(): void {
    this.#life += 1;
    this.#dead = undefined;
  }

  /** Makes a tag mean another content, in the registry and (unless `registryOnly`) in every engine. */
  moveImage(ref: string, content: string, where: "everywhere" | "registry" = "everywhere"): void {
    this.registry.set(ref, digestOf(content));
    if (where === "registry") return;
    for (const machine of this.#machines.values()) machine.images.set(ref, digestOf(content));
  }

  identity(ref: string, digest: string): ImageIdentity {
    return { ref, kind: "config", digest, platform: "linux/amd64" };
  }

  nthHealth(id: string): number {
    const nth = (this.#healthCalls.get(id) ?? 0) + 1;
    this.#healthCalls.set(id, nth);
    return nth;
  }

  source(path: string): FileTree {
    const known = this.sources.get(path) ?? new FileTree();
    this.sources.set(path, known);
    return known;
  }

  connect(host: string): Connection {
    const machine = this.machine(host);
    const life = this.#life;
    const run = async <T>(
      op: MemoryOp,
      subject: string,
      effect: (stale: MachineView | undefined) => T | Promise<T>,
    ) => this.#perform(machine, life, op, subject, effect);
    return {
      world: this,
      machine,
      call: async (op, subject, effect) => run(op, subject, () => effect()),
      view: async () => run("observe", "", (stale) => stale ?? machine.view()),
    };
  }

  async #perform<T>(
    machine: Machine,
    life: number,
    op: MemoryOp,
    subject: string,
    effect: (stale: MachineView | undefined) => T | Promise<T>,
  ): Promise<T> {
    if (this.#dead !== undefined || life !== this.#life) return this.#die(this.#dead?.how ?? "throw");
    this.#calls += 1;
    const write = WRITES.some((each) => each === op);
    const call: MemoryCall = { op, host: machine.host, subject, index: this.#calls, write };
    this.log.push(call);
    const effects = this.#faults.strike(call);
    // Every call takes a turn of the event loop, as a real one does, so that callers interleave.
    await Promise.resolve();
    await this.#strike(effects, "before", call);
    if (!machine.reachable)
      throw memoryError("unreachable", `cannot reach the memory engine ${machine.host}`);
    const stale = effects.find((each) => each.kind === "stale");
    const value = await effect(stale && this.#stale.get(stale)?.get(machine.host));
    await this.#strike(effects, "after", call);
    // Another call of this process was killed meanwhile: nobody is left to hear the answer.
    await this.#survive();
    return value;
  }

  async #strike(effects: readonly FaultEffect[], when: "before" | "after", call: MemoryCall): Promise<void> {
    for (const effect of effects) {
      if (effect.kind === "delay" && when === "before") await sleep(effect.ms);
      if (effect.kind === "lost" && when === "after") {
        throw memoryError("transient", `the answer to ${call.op} ${call.subject} was lost`);
      }
      if (!("when" in effect) || effect.when !== when) continue;
      if (effect.kind === "hook") await effect.run(call);
      if (effect.kind === "fail") {
        throw memoryError(
          effect.as,
          effect.message ?? `${call.op} ${call.subject} failed ${when} its effect`,
        );
      }
      if (effect.kind === "kill") {
        this.#dead = { how: effect.how };
        for (const tell of this.#onKill.splice(0)) tell();
        await this.#die(effect.how);
      }
    }
  }

  async #survive(): Promise<void> {
    if (this.#dead !== undefined) await this.#die(this.#dead.how);
  }

  async #die(how: "throw" | "hang"): Promise<never> {
    if (how === "hang") await new Promise<never>(() => undefined);
    throw new ProcessDeath();
  }

  /** Changes nobody asked the driver for. Each is told to subscribers, as an engine would. */
  stopBehind(name: string, exitCode = 137, host: string = THIS_HOST): void {
    this.machine(host).stop(this.find(name, host), exitCode);
  }

  restartBehind(name: string, host: string = THIS_HOST): void {
    this.stopBehind(name, 137, host);
    this.machine(host).start(this.find(name, host), this.now());
  }

  removeBehind(name: string, host: string = THIS_HOST): void {
    this.machine(host).remove(this.find(name, host));
  }

  renameBehind(name: string, to: string, host: string = THIS_HOST): void {
    this.machine(host).rename(this.find(name, host), to);
  }

  changeBehind(name: string, path: string, value: Json, host: string = THIS_HOST): void {
    const object = this.find(name, host);
    object.fields[path] = value;
    this.machine(host).changed(object);
  }

  /** Somebody else's object, without labels of ours. Returns its id. */
  addForeign(name: string, labels: Readonly<Record<string, string>> = {}, host: string = THIS_HOST): string {
    const id = this.nextId();
    this.machine(host).add({
      id,
      name,
      labels,
      decoded: undefined,
      spec: undefined,
      state: "running",
      createdAt: this.now(),
      startedAt: this.now(),
      exitCode: undefined,
      fields: {},
      image: undefined,
      files: new FileTree(),
      running: new Set(),
      seen: undefined,
    });
    return id;
  }

  find(name: string, host: string = THIS_HOST): MemoryObject {
    const found = this.machine(host).names.get(name);
    if (found === undefined) throw memoryError("not-found", `nothing is named ${name} on ${host}`);
    return found;
  }
}
