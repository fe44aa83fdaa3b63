/** In: how a change's steps ended. Out: its outcome: status, exit code and what a person is told of it. */
import type { Outcome } from "../model/outcome.ts";
import type { Change, GraphNode } from "../model/plan.ts";
import { engineKey } from "../observe/engines.ts";
import type { NodeEnd } from "./executor.ts";
import { isStale } from "./executor.ts";
import { codeOf, describe, exitCodeOf, INTERRUPTED } from "./outcome-error.ts";
import { silence } from "./silence.ts";

export interface Ended extends Outcome {
  /** Exit code that this outcome alone would give. */
  readonly code: number;
}

export type End = (status: Outcome["status"], code: number, reason: string, error: Outcome["error"]) => Ended;

/** Proving a new runtime is what these steps are for; their failure says that it is not healthy. */
const PROOFS: ReadonlySet<GraphNode["op"]> = new Set(["start", "setup", "verify", "health"]);

export function finish(ended: NodeEnd, change: Change, nodes: readonly GraphNode[], end: End): Ended {
  if (ended.status === "done") return end("done", 0, change.why, null);
  if (ended.status !== "failed") return leave(ended, end);
  const { node, error, undone } = ended;
  if (isStale(error, node)) return end("stale", 4, error.message, null);
  const after = aftermath(node, change, nodes);
  if (after !== undefined) {
    const { code, message, hint } = describe(error);
    const next = hint === null ? after.next : `${hint}; ${after.next}`;
    const exit = after.isNew && PROOFS.has(node.op) ? 5 : exitCodeOf(error);
    return end("failed", exit, `${node.op} failed; ${after.what}`, { code, message, hint: next });
  }
  const kept = node.op === "salvage" && change.actions.includes("recreate");
  if (undone && (kept || PROOFS.has(node.op))) {
    const left = change.object_id === null ? "nothing is left behind" : "the old one runs on";
    return end("rolled_back", 5, `${node.op} failed; ${left}`, describe(error));
  }
  // A run began in between: it is put off, as if the plan had found it busy.
  if (codeOf(error) === "ADDRESS_BUSY") return end("skipped", 0, error.message, null);
  const weighed = node.op === "weigh" || node.op === "collect" ? "; nothing was stopped" : "";
  return end("failed", exitCodeOf(error), `${node.op} failed${weighed}`, describe(error));
}

interface Aftermath {
  readonly what: string;
  readonly next: string;
  /** What failed was to prove a new runtime. */
  readonly isNew: boolean;
}

/** What a step before the failed one did that nothing takes back; undefined where there was none. */
function aftermath(failed: GraphNode, change: Change, nodes: readonly GraphNode[]): Aftermath | undefined {
  const before = nodes.slice(0, nodes.indexOf(failed)).filter(({ compensates }) => !compensates);
  const did = (op: GraphNode["op"]): boolean => before.some((each) => each.op === op);
  if (did("update")) {
    return {
      what: "what was changed in place is not taken back",
      next: "it stays as it is now: set it right in the config, and apply again",
      isNew: false,
    };
  }
  const removed = before.some((each) => each.op === "remove" && each.object_id === change.object_id);
  const makes = change.actions.includes("recreate") || change.actions.includes("create");
  if (!makes || (!removed && !did("forget"))) return undefined;
  const old = removed ? "the old one and its workspace were" : "its old workspace was";
  const bundle = did("salvage") ? "; sandkeep salvage has what was kept of the old one" : "";
  return {
    what: `${old} deleted first, as was asked, and no new one was proved`,
    next: `nothing is in its place now: ${removed ? "apply" : "recreate it"} again once that is mended${bundle}`,
    isNew: true,
  };
}

/** What was done before it, if anything, is right by itself and stays. */
function leave({ status, node, partly }: Extract<NodeEnd, { partly: boolean }>, end: End): Ended {
  if (status === "interrupted") {
    const reason = partly ? `interrupted before ${node.op}` : INTERRUPTED.reason;
    return end("skipped", INTERRUPTED.exitCode, reason, null);
  }
  const error = silence(engineKey(node));
  const what = partly ? `not finished, ${node.op} is left` : "not begun";
  return end("skipped", error.exitCode, `${what}: ${error.message}`, describe(error));
}
