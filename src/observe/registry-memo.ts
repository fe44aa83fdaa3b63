import { createHash } from "node:crypto";
import type { ImageState } from "../drivers/driver.ts";
import type { ImageIdentity } from "../model/spec.ts";

/** What a registry said of a tag, or why it did not. */
export type Said = { readonly known: ImageIdentity } | { readonly unresolved: string };

/** Answers of registries, kept between the looks of a watch, so that a burst of looks asks each of them once. */
export interface RegistryMemo {
  /** Undefined when the registry is to be asked (again). */
  recall(key: string): Said | undefined;
  learn(key: string, state: Exclude<ImageState, { status: "unknown" }>): void;
  /** When the next of them is to be asked again, milliseconds since the epoch. */
  nextDue(): number | undefined;
}

export interface MemoOptions {
  readonly now: () => number;
  /** Milliseconds that an answer holds at least. */
  readonly interval: () => number;
}

/** How much longer than the interval an answer may hold: by this, many images are asked for one after another. */
const JITTER = 0.25;

/** Each image's own share of the jitter: the same in every process, so that nothing depends on chance. */
export function jitterOf(key: string): number {
  return createHash("sha256").update(key).digest().readUInt32BE(0) / 2 ** 32;
}

export function registryMemo({ now, interval }: MemoOptions): RegistryMemo {
  const answers = new Map<string, { readonly said: Said; readonly due: number }>();
  return {
    recall(key) {
      const answer = answers.get(key);
      return answer === undefined || answer.due <= now() ? undefined : answer.said;
    },
    learn(key, state) {
      const identity = state.from ?? (state.unresolved === undefined ? state.image : undefined);
      const said: Said =
        identity === undefined
          ? { unresolved: state.unresolved ?? "the registry did not say" }
          : { known: identity };
      answers.set(key, { said, due: now() + interval() * (1 + JITTER * jitterOf(key)) });
    },
    nextDue() {
      let next: number | undefined;
      for (const [key, { due }] of answers) {
        // Old and not asked for again: no config names it any more.
        if (due <= now()) answers.delete(key);
        else if (next === undefined || due < next) next = due;
      }
      return next;
    },
  };
}
