import type { ApplyInput } from "../../src/apply/apply.ts";
import { apply } from "../../src/apply/apply.ts";
import type { Driver, DriverModule, ObserveScope } from "../../src/drivers/driver.ts";
import { memoryDriver } from "../../src/drivers/memory/index.ts";
import type { MemoryWorld, WorldOptions } from "../../src/drivers/memory/world.ts";
import { createWorld } from "../../src/drivers/memory/world.ts";
import type { EventBody } from "../../src/model/event.ts";
import { decodeLabels } from "../../src/model/labels.ts";
import type { Observation } from "../../src/model/observed.ts";
import type { ApplyResult } from "../../src/model/outcome.ts";
import type { Plan } from "../../src/model/plan.ts";
import { fleetState } from "../../src/state/directory.ts";
import type { JournalStep } from "../../src/state/journal.ts";
import type { World } from "../plan/planned.ts";
import { planned } from "../plan/planned.ts";
import { NOW, OWNER } from "../support/runtimes.ts";

const SCOPE: ObserveScope = { fleet: "team", fleet_id: "k3v9q2", names: [] };

/** One memory engine, plans made from what it shows, and applies of them in virtual time. */
export class Bench {
  readonly world: MemoryWorld;
  readonly module: DriverModule;
  readonly events: EventBody[] = [];
  readonly journal: (JournalStep & { readonly phase: string; readonly status?: string })[] = [];
  now = NOW;

  constructor(options: WorldOptions = {}) {
    this.world = createWorld({ uptime: 10_000, ...options, now: () => this.now });
    this.module = memoryDriver(this.world);
  }

  async observe(): Promise<Observation> {
    const driver = await this.open();
    return driver.observe(SCOPE);
  }

  async open(): Promise<Driver> {
    return this.module.open(undefined, {
      stateDir: "/nowhere",
      env: {},
      now: () => this.now,
      randomId: () => "0".repeat(16),
    });
  }

  async plan(world: World): Promise<Plan> {
    return planned({ module: this.module, observations: [await this.observe()], now: this.now, ...world });
  }

  async apply(plan: Plan, more: Partial<ApplyInput> = {}): Promise<ApplyResult> {
    const driver = await this.open();
    return apply({
      plan,
      drivers: new Map([["memory@local", driver]]),
      modules: { memory: this.module },
      scope: () => SCOPE,
      observedSpec: (id) => decodeLabels(this.world.machine().objects.get(id)?.labels ?? {})?.spec,
      stateDir: "/nowhere",
      env: process.env,
      stages: undefined,
      state: fleetState("/nowhere", "team"),
      made: new Set(),
      owner: OWNER,
      now: () => this.now,
      wait: {
        elapsed: () => this.now,
        sleep: async (ms) => {
          this.now += ms;
          await Promise.resolve();
        },
      },
      sink: { notify: (event) => void this.events.push(event) },
      journal: {
        intent: async (step) => void this.journal.push({ ...step, phase: "intent" }),
        result: (step) => void this.journal.push({ ...step, phase: "result" }),
        [Symbol.asyncDispose]: async () => undefined,
      },
      assertHeld: async () => undefined,
      lockAddress: async () => ({ [Symbol.asyncDispose]: async () => undefined }),
      useOf: async () => ({ open: false, last: -1 }),
      disrupt: async () => undefined,
      heldNow: async () => undefined,
      secretsFor: async () => ({}),
      readableSecrets: async () => [],
      calls: { read: 0, write: 0 },
      parallelism: undefined,
      signal: undefined,
      stale: new Map(),
      ...more,
    });
  }

  /** Plans and applies at once. */
  async run(world: World, more: Partial<ApplyInput> = {}): Promise<ApplyResult> {
    return this.apply(await this.plan(world), more);
  }

  names(): string[] {
    return [...this.world.machine().objects.values()].map(({ name, state }) => `${name} ${state}`);
  }

  /** Ops of the engine's writes since the last `resetCalls`. */
  writes(): string[] {
    return this.world.log.filter(({ write }) => write).map(({ op }) => op);
  }
}

export const brief = (result: ApplyResult): string[] =>
  result.outcomes.map(({ address, action, status }) => `${address} ${action} ${status}`);
