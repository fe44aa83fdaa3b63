import { getPath } from "../util/json-path.ts";
import type { GraphContext, NodeDetail } from "./chain.ts";
import { TIMEOUT_S, seconds } from "./chain.ts";

/**
 * Ends what runs, with the patience that the settings have now: what it was made with may be older. Without settings, as
 * of an agent that is declared no more, the backend goes by what it was made with.
 */
export function stopStep({ decision }: GraphContext, object_id: string, cause: string): NodeDetail {
  const { backend, desired } = decision.situation;
  const patience = desired && getPath(desired.spec.values, `${backend}.stop_timeout`);
  const step = { op: "stop", id: "stop", object_id, cause } as const;
  if (patience === "off") return { ...step, grace_s: 0 };
  if (typeof patience !== "number") return step;
  const grace_s = seconds(patience);
  return { ...step, grace_s, timeout_s: Math.max(TIMEOUT_S.stop, grace_s + 60) };
}
