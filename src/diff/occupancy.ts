import type { Intent } from "../model/intent.ts";
import type { Address } from "../model/names.ts";
import { engineKey } from "../observe/engines.ts";
import { getPath } from "../util/json-path.ts";
import { equalJson } from "../util/json-path.ts";
import type { Decision } from "./diff.ts";
import type { Rest } from "./verdict.ts";

/** What the decisions about an engine's runtimes mean for the networks these are on. */
export interface Occupancy {
  /** Addresses whose runtime is, or is about to be, on the network its spec names: it must be there and whole. */
  readonly needing: ReadonlySet<Address>;
  /** Addresses that must be left as they are, with all that belongs to them. */
  readonly kept: ReadonlySet<Address>;
  /** Addresses whose runtime this plan takes away. */
  readonly gone: ReadonlySet<Address>;
  /** Object ids that this plan takes away. */
  readonly leaving: ReadonlySet<string>;
}

/** Resting for one of these reasons means that nothing of the address is touched. */
const UNTOUCHED: ReadonlySet<Rest> = new Set(["held", "unselected", "back-off", "waiting"]);

export function occupancyOf(engine: string, decisions: readonly Decision[], intent: Intent): Occupancy {
  const needing = new Set<Address>();
  const kept = new Set<Address>();
  const gone = new Set<Address>();
  const leaving = new Set<string>();
  const mends = intent.mode === "apply" || intent.mode === "recreate";
  for (const decision of decisions) {
    const { situation, verdict } = decision;
    if (engineKey(situation) !== engine) continue;
    const { address, current } = situation;
    if (verdict.action === "none" && UNTOUCHED.has(verdict.rest)) {
      kept.add(address);
      continue;
    }
    if (verdict.action === "blocked" || situation.others !== undefined) kept.add(address);
    else for (const each of situation.repairs) if (each.kind === "remove") leaving.add(each.object.object_id);
    if (verdict.action === "remove") gone.add(address);
    if ((verdict.action === "remove" || verdict.action === "recreate") && current !== undefined)
      leaving.add(current.object_id);
    if (mends && needs(decision)) needing.add(address);
  }
  return { needing, kept, gone, leaving };
}

function needs({ situation, verdict }: Decision): boolean {
  const { desired, current } = situation;
  if (desired?.network === undefined || verdict.action === "remove") return false;
  if (verdict.action !== "none" && verdict.action !== "blocked") return true;
  if (current === undefined) return false;
  const path = `${desired.backend}.network`;
  return equalJson(getPath(current.labels.spec.values, path), getPath(desired.spec.values, path));
}
