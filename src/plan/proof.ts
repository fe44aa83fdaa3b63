/** The steps that prove a runtime: that it is what was asked for, and that it works. */
import type { GraphContext, NodeDetail } from "./chain.ts";
import { seconds } from "./chain.ts";

/** Many commands, one after the other, on an engine that may be busy. */
const ATTEST_TIMEOUT_S = 180;

export function attested({ attest }: GraphContext): { readonly attest?: true; readonly timeout_s?: number } {
  return attest ? { attest, timeout_s: ATTEST_TIMEOUT_S } : {};
}

interface Proved {
  readonly object_id: string | null;
  readonly spec_key: string;
  /** It runs already, under what was changed just now. */
  readonly in_place?: true;
}

/** A little longer than the proof itself may take, so that the proof is what says that it failed. */
export function healthStep({ decision }: GraphContext, of: Proved): NodeDetail {
  const ready = decision.situation.desired?.settings.ready;
  const timeout = ready === undefined ? {} : { timeout_s: seconds(ready.timeout) + 60 };
  const cause = of.in_place === true ? "it works on with what was changed" : "ready before it is used";
  return { op: "health", id: "health", ...of, cause, ...timeout };
}
