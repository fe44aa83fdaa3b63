import { signalExit } from "../util/signal-exit.ts";
import type { EndingSignal } from "./exit-codes.ts";

/** What a running command lets us do to it. */
export interface CommandControl {
  signal(name: EndingSignal): Promise<void>;
}

export interface ForwardingSource {
  on(signal: EndingSignal, listener: () => void): unknown;
  off(signal: EndingSignal, listener: () => void): unknown;
}

export interface Forwarding extends Disposable {
  /** From now on signals are the command's. */
  started(control: CommandControl): void;
  /** The command shares our terminal, which interrupts it by itself: Ctrl-C must not end us under it. */
  sharesTerminal(): void;
}

const FORWARDED: readonly EndingSignal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Hands signals to the command. Before it has started there is nothing to hand them to, and they end us. */
export function forwardSignals(
  leave: (exitCode: number) => void,
  source: ForwardingSource = process,
): Forwarding {
  let command: CommandControl | undefined;
  let shared = false;
  const listeners = FORWARDED.map((signal) => {
    const listener = (): void => {
      if (shared && signal === "SIGINT") return;
      if (command === undefined) leave(signalExit(signal));
      // A command that has just ended cannot be signalled; its result tells the rest.
      else command.signal(signal).catch(() => undefined);
    };
    source.on(signal, listener);
    return [signal, listener] as const;
  });
  return {
    started: (control) => {
      command = control;
    },
    sharesTerminal: () => {
      shared = true;
    },
    [Symbol.dispose]: () => {
      for (const [signal, listener] of listeners) source.off(signal, listener);
    },
  };
}
