import type { RuleContext } from "../../src/diff/rules.ts";
import type { Situation } from "../../src/diff/situation.ts";
import type { Difference } from "../../src/diff/verdict.ts";
import type { Intent } from "../../src/model/intent.ts";
import { NOW, OWNER, wish } from "../support/runtimes.ts";

/** An address at which nothing is wanted and nothing is there, but for what is given. */
export function situationOf(more: Partial<Situation> = {}): Situation {
  const { address, backend, host, name } = wish();
  return { address, backend, host, name, repairs: [], differences: [], protected: false, ...more };
}

export interface Asked extends Partial<RuleContext> {
  readonly intent?: Intent;
}

const none = (): boolean => false;

/** A plain apply of the whole fleet. */
export function context(more: Asked = {}): RuleContext {
  return {
    intent: { mode: "apply" },
    now: NOW,
    owner: OWNER,
    configless: false,
    skip: new Set(),
    selected: () => true,
    woken: none,
    replaced: none,
    deferredSince: () => undefined,
    ...more,
  };
}

export function difference(path: string, more: Partial<Difference> = {}): Difference {
  return {
    path,
    field: path,
    class: "recreate",
    before: 1,
    after: 2,
    source: null,
    key: null,
    why: "it differs",
    origin: "config",
    ...more,
  };
}
