import type { DesiredRuntime } from "../desire/desire.ts";
import type { Hold } from "../model/facts.ts";
import type { Address, Slot } from "../model/names.ts";
import { slotOf } from "../model/names.ts";
import type { DormancyMark, ForeignObject, ObservedRuntime } from "../model/observed.ts";
import type { ImageRefusal } from "../observe/images.ts";
import type { Difference } from "./verdict.ts";
import type { Usage } from "./usage.ts";

/** A leftover of an interrupted replacement, put right before anything else happens to the address. */
export type Repair =
  | { readonly kind: "remove"; readonly object: ObservedRuntime; readonly why: string }
  | {
      readonly kind: "rename";
      readonly object: ObservedRuntime;
      readonly to: string;
      readonly why: string;
      /** True when a person renamed it; otherwise an interrupted replacement left it under that name. */
      readonly stray: boolean;
    }
  | { readonly kind: "clear-mark"; readonly why: string };

/** Everything that decides one address on one engine. */
export interface Situation {
  readonly address: Address;
  readonly backend: string;
  readonly host: string;
  /** Canonical engine name. */
  readonly name: string;
  readonly desired?: DesiredRuntime;
  /** True where a backend makes no runtimes: the address is ready, or its engine cannot be observed. */
  readonly ephemeral?: boolean;
  /** The runtime that stands, or will stand after the repairs, under the canonical name. */
  readonly current?: ObservedRuntime;
  readonly usage?: Usage;
  readonly repairs: readonly Repair[];
  readonly mark?: DormancyMark;
  readonly hold?: Hold;
  readonly foreign?: ForeignObject;
  /** Another state directory's unexpired `.new`: somebody is at work here. */
  readonly others?: ObservedRuntime;
  readonly differences: readonly Difference[];
  /** Why no runtime can be made of its image, when that is known. */
  readonly imageless?: ImageRefusal;
  readonly protected: boolean;
  /** A second runtime of this address that may not be removed now: it is protected, or in use. */
  readonly spared?: ObservedRuntime;
}

interface Slots {
  readonly canonical?: ObservedRuntime;
  readonly new?: ObservedRuntime;
  readonly old?: ObservedRuntime;
  /** Ours by their labels, under a name we did not give. */
  readonly strays: readonly ObservedRuntime[];
}

export interface Standing {
  readonly current?: ObservedRuntime;
  readonly repairs: readonly Repair[];
  readonly others?: ObservedRuntime;
  readonly spared?: ObservedRuntime;
}

/**
 * Recovery by observation, for any machine. `.old` proves that the new one was healthy, so it is finished forward;
 * a `.new` alone proves nothing, so it is dropped, unless somebody may still be working on it: another state directory,
 * or, without an `owner`, any.
 */
export function standing(
  name: string,
  objects: readonly ObservedRuntime[],
  owner: string | undefined,
  now: number,
  spare: (object: ObservedRuntime) => boolean = () => false,
): Standing {
  const { canonical, new: candidate, old, strays } = sortSlots(name, objects);
  const repairs: Repair[] = [];
  let current = canonical;
  let others: ObservedRuntime | undefined;
  let spared: ObservedRuntime | undefined;
  if (old !== undefined && canonical === undefined && candidate !== undefined) {
    repairs.push(rename(candidate, name, "its replacement was proved healthy, then interrupted"));
    repairs.push(remove(old, "its replacement is finished"));
    current = candidate;
  } else {
    if (candidate !== undefined) {
      if (candidate.labels.owner !== owner && candidate.labels.candidate_until > now) others = candidate;
      else repairs.push(remove(candidate, "left over from an interrupted creation"));
    }
    if (old !== undefined && canonical !== undefined)
      repairs.push(remove(old, "its replacement is finished"));
    if (old !== undefined && canonical === undefined) {
      repairs.push(rename(old, name, "its replacement is gone"));
      current = old;
    }
  }
  for (const stray of strays) {
    if (current === undefined && others === undefined) {
      current = stray;
      repairs.push(rename(stray, name, `it was renamed to ${stray.name}`, true));
    } else if (spare(stray)) spared = stray;
    else repairs.push(remove(stray, `a second runtime of this address, named ${stray.name}`));
  }
  return {
    repairs,
    ...(current === undefined ? {} : { current }),
    ...(others === undefined ? {} : { others }),
    ...(spared === undefined ? {} : { spared }),
  };
}

function rename(object: ObservedRuntime, to: string, why: string, stray = false): Repair {
  return { kind: "rename", object, to, why, stray };
}

function remove(object: ObservedRuntime, why: string): Repair {
  return { kind: "remove", object, why };
}

function sortSlots(name: string, objects: readonly ObservedRuntime[]): Slots {
  const found: Partial<Record<Slot, ObservedRuntime>> = {};
  const strays: ObservedRuntime[] = [];
  for (const object of objects) {
    const slot = slotOf(object.name, name);
    if (slot === undefined) strays.push(object);
    else found[slot] = object;
  }
  return { ...found, strays: strays.toSorted((a, b) => (a.object_id < b.object_id ? -1 : 1)) };
}
