import { signalExit } from "../util/signal-exit.ts";
import type { EndingSignal } from "./exit-codes.ts";

/** Where signals come from; `process`, or an emitter in tests. */
export interface SignalSource {
  on(signal: EndingSignal, listener: () => void): unknown;
  off(signal: EndingSignal, listener: () => void): unknown;
}

export interface Interrupts extends Disposable {
  /** Aborts at the first signal: no new work is begun. */
  readonly soft: AbortSignal;
  /** Aborts at the second. */
  readonly hard: AbortSignal;
  /** The first signal that came. */
  received(): EndingSignal | undefined;
  /** As if the signal had come: for Ctrl-C that a prompt swallows. */
  interrupt(signal: EndingSignal): void;
}

const ENDING: readonly EndingSignal[] = ["SIGINT", "SIGTERM"];

export interface InterruptReactions {
  readonly source?: SignalSource;
  readonly onFirst: (signal: EndingSignal) => void;
  /** Leaves the process; `onSecond` of tests may return. */
  readonly onSecond?: (exitCode: number) => void;
}

/** First signal asks, second leaves at once. Undone when disposed. */
export function catchInterrupts({
  source = process,
  onFirst,
  onSecond = (code) => process.exit(code),
}: InterruptReactions): Interrupts {
  const soft = new AbortController();
  const hard = new AbortController();
  let first: EndingSignal | undefined;
  const interrupt = (signal: EndingSignal): void => {
    if (first === undefined) {
      first = signal;
      onFirst(signal);
      soft.abort();
    } else {
      hard.abort();
      onSecond(signalExit(signal));
    }
  };
  const listeners = ENDING.map((signal) => {
    const listener = (): void => interrupt(signal);
    source.on(signal, listener);
    return [signal, listener] as const;
  });
  return {
    soft: soft.signal,
    hard: hard.signal,
    received: () => first,
    interrupt,
    [Symbol.dispose]: () => {
      for (const [signal, listener] of listeners) source.off(signal, listener);
    },
  };
}
