/**
 * In: what is wanted, what is there, and what the state directory knows. Out: one decision an address and engine.
 * Pure: it neither reads nor changes anything, and the clock is a value.
 */
import type { DesiredRuntime, Modules } from "../desire/desire.ts";
import type { Facts } from "../model/facts.ts";
import type { Intent } from "../model/intent.ts";
import type { Address } from "../model/names.ts";
import { slotNames } from "../model/names.ts";
import type { ForeignObject, Observation, ObservedRuntime } from "../model/observed.ts";
import { engineKey } from "../observe/engines.ts";
import type { PausedRollout } from "../model/rollout.ts";
import type { ImageFact } from "../observe/images.ts";
import { imageKey, imageRefusal } from "../observe/images.ts";
import { compareFields, compareImage, compareSecrets } from "./fields.ts";
import { guard } from "./guards.ts";
import { pauseRollouts } from "./rollout.ts";
import type { RuleContext } from "./rules.ts";
import { decidePassing } from "./passing.ts";
import { decide } from "./rules.ts";
import type { Repair, Situation } from "./situation.ts";
import { standing } from "./situation.ts";
import { compareState } from "./state.ts";
import type { UsageIndex } from "./usage.ts";
import { usageIndex } from "./usage.ts";
import type { Difference, Verdict } from "./verdict.ts";

export interface DiffInput {
  readonly desired: readonly DesiredRuntime[];
  readonly observations: readonly Observation[];
  readonly modules: Modules;
  readonly images: ReadonlyMap<string, ImageFact>;
  /** Keyed fingerprints of the secrets that a runtime's setup consumes; empty where they could not be resolved. */
  readonly fingerprints: (desired: DesiredRuntime) => Readonly<Record<string, string>>;
  readonly facts: Facts;
  readonly now: number;
  readonly intent: Intent;
  readonly configless: boolean;
  readonly skip: ReadonlySet<string>;
  /** What has failed elsewhere and is not to be tried on others. */
  readonly paused: readonly PausedRollout[];
  readonly guards: { readonly max_destroy: number | "off"; readonly allow_empty: boolean };
}

export interface Decision {
  readonly situation: Situation;
  readonly verdict: Verdict;
}

export function diff(input: DiffInput): Decision[] {
  const context = contextOf(input);
  const usage = usageIndex(input.facts, input.now);
  const holds = new Map(input.facts.holds.map((hold) => [hold.address, hold]));
  const wanted = new Map(input.desired.map((each) => [`${engineKey(each)} ${each.address}`, each]));
  const decisions: Decision[] = [];
  for (const observation of input.observations) {
    if (observation.status !== "complete") continue;
    const engine = engineKey(observation);
    const groups = groupByAddress(observation.runtimes);
    const marks = new Map(observation.dormant.map((mark) => [mark.address, mark]));
    const foreign = new Map(observation.foreign.map((each) => [each.name, each]));
    for (const address of addressesOf(input.desired, engine, groups, marks)) {
      const mark = marks.get(address);
      const desired = wanted.get(`${engine} ${address}`);
      const hold = holds.get(address) ?? holds.get("fleet");
      const base = { address, backend: observation.backend, host: observation.host };
      const extra = { desired, mark, hold, foreign: foreignHolder(desired, foreign) };
      const objects = groups.get(address) ?? [];
      const primary = objects.filter((each) => each.labels.role === "primary");
      if (primary.length > 0 || desired !== undefined || mark !== undefined) {
        const situation = situate(input, usage, { ...base, ...dropAbsent(extra) }, primary);
        decisions.push({ situation, verdict: decide(situation, context) });
      }
      for (const object of objects) {
        if (object.labels.role === "primary") continue;
        const found = { ...base, ...dropAbsent({ hold }), usage: usage.usage(address, object) };
        decisions.push(passing(object, found, context));
      }
    }
  }
  return guard(pauseRollouts(decisions, input.paused, input.modules), input);
}

type Located = Pick<Situation, "address" | "backend" | "host">;
type Context = Located & Pick<Situation, "desired" | "mark" | "hold" | "foreign">;
type Passing = Located & Pick<Situation, "hold" | "usage">;

function dropAbsent<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> };
function dropAbsent(object: object): object {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

function situate(
  input: DiffInput,
  usage: UsageIndex,
  at: Context,
  objects: readonly ObservedRuntime[],
): Situation {
  const { desired, mark } = at;
  const name = desired?.name ?? objects[0]?.labels.name ?? "";
  const { intent, facts, now } = input;
  const keep = (object: ObservedRuntime): boolean =>
    intent.mode === "destroy"
      ? !intent.unprotect && (desired?.settings.protect ?? object.labels.protect)
      : object.execs > 0 || (desired?.settings.protect ?? object.labels.protect);
  const found = standing(name, objects, facts.changing ? undefined : facts.owner, now, keep);
  const { current } = found;
  const repairs: Repair[] = [...found.repairs];
  if (mark !== undefined && (current !== undefined || (desired === undefined && !input.configless))) {
    const why = current === undefined ? "it is no longer declared" : "it is in use again";
    repairs.push({ kind: "clear-mark", why: `its dormancy mark is out of date: ${why}` });
  }
  const ephemeral = input.modules[at.backend]?.capabilities.lifecycle === "ephemeral";
  const refusal = imageRefusal(desired === undefined ? undefined : factOf(input, desired));
  return {
    ...at,
    name,
    repairs,
    ...(ephemeral ? { ephemeral } : {}),
    ...(refusal === undefined ? {} : { imageless: refusal }),
    differences: desired === undefined || current === undefined ? [] : differences(input, desired, current),
    protected: desired?.settings.protect ?? current?.labels.protect ?? false,
    ...(current === undefined ? {} : { current, usage: usage.usage(at.address, current) }),
    ...(found.others === undefined ? {} : { others: found.others }),
    ...(found.spared === undefined ? {} : { spared: found.spared }),
  };
}

function differences(input: DiffInput, desired: DesiredRuntime, current: ObservedRuntime): Difference[] {
  const module = input.modules[desired.backend];
  if (module === undefined) return [];
  const fact = factOf(input, desired);
  return [
    ...compareState(desired, current),
    ...compareFields(desired, current, module.fields, input.facts.updates[current.object_id]),
    ...compareImage(desired, current, fact),
    ...compareSecrets(desired, current, input.fingerprints(desired)),
  ];
}

function factOf(input: DiffInput, { image, backend, host }: DesiredRuntime): ImageFact | undefined {
  return image === undefined ? undefined : input.images.get(imageKey({ ...image, backend, host }));
}

/** Runtimes of a passing role are not declared anywhere: they live until they expire. */
function passing(object: ObservedRuntime, at: Passing, context: RuleContext): Decision {
  const situation: Situation = {
    ...at,
    name: object.name,
    current: object,
    repairs: [],
    differences: [],
    protected: false,
  };
  return { situation, verdict: decidePassing(situation, object.labels, context) };
}

function groupByAddress(runtimes: readonly ObservedRuntime[]): Map<Address, ObservedRuntime[]> {
  const groups = new Map<Address, ObservedRuntime[]>();
  for (const runtime of runtimes) {
    const group = groups.get(runtime.labels.address);
    if (group === undefined) groups.set(runtime.labels.address, [runtime]);
    else group.push(runtime);
  }
  // An engine lists in any order; what stands first must not depend on it.
  for (const group of groups.values()) group.sort((a, b) => (a.object_id < b.object_id ? -1 : 1));
  return groups;
}

function addressesOf(
  desired: readonly DesiredRuntime[],
  engine: string,
  groups: ReadonlyMap<Address, unknown>,
  marks: ReadonlyMap<Address, unknown>,
): Address[] {
  const here = desired.filter((each) => engineKey(each) === engine).map((each) => each.address);
  return [...new Set([...here, ...groups.keys(), ...marks.keys()])].toSorted();
}

function foreignHolder(
  desired: DesiredRuntime | undefined,
  foreign: ReadonlyMap<string, ForeignObject>,
): ForeignObject | undefined {
  if (desired === undefined || foreign.size === 0) return undefined;
  return slotNames(desired.name)
    .map((name) => foreign.get(name))
    .find((each) => each !== undefined);
}

function contextOf(input: DiffInput): RuleContext {
  const { intent, facts } = input;
  const targets = intent.targets === undefined ? undefined : new Set(intent.targets);
  const replaced = new Set(
    intent.mode === "apply" ? intent.replace : intent.mode === "recreate" ? intent.targets : [],
  );
  const woken = new Set(intent.mode === "apply" ? intent.wake : []);
  return {
    intent,
    now: input.now,
    owner: facts.owner,
    configless: input.configless,
    skip: input.skip,
    selected: (address) => targets === undefined || targets.has(address),
    woken: (address) => woken.has(address),
    replaced: (address) => replaced.has(address),
    deferredSince: (s) => facts.deferred[deferralKey(s)],
  };
}

/** A deferral belongs to an address and the spec it waits for: a newer spec starts a new wait. */
export function deferralKey(situation: Situation): string {
  return `${situation.address} ${situation.desired?.spec_hash ?? "none"}`;
}
