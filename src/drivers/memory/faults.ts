import type { ErrorClass } from "../../model/failure.ts";

/** Every driver method that reaches the engine. */
export const READS = [
  "probe",
  "observe",
  "inspect",
  "health",
  "changes",
  "resolveImage",
  "images",
  "inventory",
  "events",
  "getFiles",
  "attest",
  "salvage",
  "listWorkspace",
  "readWorkspace",
] as const;
export const WRITES = [
  "fetch",
  "removeImage",
  "create",
  "start",
  "stop",
  "update",
  "rename",
  "ensureNetwork",
  "removeNetwork",
  "remove",
  "mark",
  "forget",
  "exec",
  "placeProgram",
  "putFiles",
  "deliver",
  "openWorkspace",
  "writeWorkspace",
  "prune",
] as const;
export type MemoryOp = (typeof READS)[number] | (typeof WRITES)[number];

/** One call as it arrives at an engine. `subject` is the runtime's name, object id, image ref or address, as the method takes it. */
export interface MemoryCall {
  readonly op: MemoryOp;
  readonly host: string;
  readonly subject: string;
  /** Counts all calls of the world from 1. */
  readonly index: number;
  readonly write: boolean;
}

export type FaultEffect =
  /** `after`: the effect has happened, and the caller is told that it failed. */
  | {
      readonly kind: "fail";
      readonly when: "before" | "after";
      readonly as: ErrorClass;
      readonly message?: string;
    }
  | { readonly kind: "delay"; readonly ms: number }
  /** The effect happens; the caller sees a transient error. */
  | { readonly kind: "lost" }
  /** `observe` shows the engine as it was when the fault was injected. */
  | { readonly kind: "stale" }
  /** Somebody else changes something around the call. */
  | {
      readonly kind: "hook";
      readonly when: "before" | "after";
      readonly run: (call: MemoryCall) => void | Promise<void>;
    }
  /** The calling process dies: `throw` unwinds it (ProcessDeath), `hang` leaves it waiting for ever. */
  | { readonly kind: "kill"; readonly when: "before" | "after"; readonly how: "throw" | "hang" };

export interface Fault {
  /** Absent: every operation. */
  readonly op?: MemoryOp;
  readonly matches?: (call: MemoryCall) => boolean;
  /** Strikes at the nth matching call, counting from 1; absent: at the first. */
  readonly nth?: number;
  /** How many calls it strikes from then on; 1 when absent, Infinity for all. */
  readonly times?: number;
  readonly effect: FaultEffect;
}

/** Which faults strike which calls; each counts its own matches. */
export class FaultTable {
  #armed: { readonly fault: Fault; matched: number }[] = [];

  add(fault: Fault): void {
    this.#armed.push({ fault, matched: 0 });
  }

  clear(): void {
    this.#armed = [];
  }

  strike(call: MemoryCall): readonly FaultEffect[] {
    const effects: FaultEffect[] = [];
    for (const armed of this.#armed) {
      const { op, matches, nth = 1, times = 1, effect } = armed.fault;
      if (op !== undefined && op !== call.op) continue;
      if (matches !== undefined && !matches(call)) continue;
      armed.matched += 1;
      if (armed.matched >= nth && armed.matched < nth + times) effects.push(effect);
    }
    return effects;
  }
}
