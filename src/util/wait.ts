import { setTimeout } from "node:timers/promises";
import { elapsed } from "./elapsed.ts";

/** How time is let pass and measured while something is waited for; tests hand in a virtual one. */
export interface Wait {
  /** Milliseconds from any fixed point; never jumps. */
  elapsed(): number;
  sleep(ms: number): Promise<void>;
}

export const realWait: Wait = {
  elapsed,
  sleep: async (ms) => setTimeout(ms),
};
