import { setTimeout } from "node:timers/promises";

/** How time is let pass and measured while something is waited for; tests hand in a virtual one. */
export interface Wait {
  /** Milliseconds from any fixed point; never jumps. */
  elapsed(): number;
  sleep(ms: number): Promise<void>;
}

export const realWait: Wait = {
  elapsed: () => performance.now(),
  sleep: async (ms) => setTimeout(ms),
};
