/**
 * In: a plan. Out: what became of each change. It carries out the plan's graph and decides nothing: a step that fails
 * runs the compensations the plan names, skips what depends on it, and leaves every other change alone. Only an engine
 * that answers nobody ends those that were not begun on it, or wait for what was not.
 */
import { hasKind } from "../errors.ts";
import type { ApplyResult, Outcome } from "../model/outcome.ts";
import { ROLLOUT_PAUSED } from "../model/outcome-codes.ts";
import type { Change, GraphNode, Plan } from "../model/plan.ts";
import { engineKey } from "../observe/engines.ts";
import { changeKey, keyOf } from "../plan/chain.ts";
import { worstExitCode } from "../plan/exit-code.ts";
import { elapsed } from "../util/elapsed.ts";
import type { ApplyContext, ChangeRun, Fetched } from "./context.ts";
import { readCommandSecrets } from "./deliver.ts";
import type { Executor } from "./executor.ts";
import { engineQueues, runChain, runFetch, runNetwork } from "./executor.ts";
import { changeEnds } from "./ends.ts";
import type { ChangeEnds } from "./ends.ts";
import type { NetworkNode } from "./networks.ts";
import { changeOf, networkNodes } from "./networks.ts";
import { preconditionGuard } from "./precondition.ts";
import { describe, exitCodeOf, INTERRUPTED, isInterrupted } from "./outcome-error.ts";
import type { End, Ended } from "./outcome.ts";
import { finish } from "./outcome.ts";
import { isSilence, Silences } from "./silence.ts";
import { notOpen } from "./steps.ts";

export interface ApplyInput extends ApplyContext {
  /** Changes that no longer fit what is there, with why; they are reported and not begun. */
  readonly stale: ReadonlyMap<Change, string>;
}

export async function apply(input: ApplyInput): Promise<ApplyResult> {
  const { plan, sink } = input;
  const executor = startExecutor(input);
  const acting = plan.changes.filter((change) => change.actions[0] !== "no-op");
  const steps = plan.graph.filter((node) => !node.compensates).length;
  sink.notify({ type: "apply.started", plan_id: plan.plan_id, changes: acting.length, steps });
  for (const node of plan.graph) {
    if (node.op === "fetch" && needed(node, plan, input.stale))
      executor.fetches.set(node.id, runFetch(node, executor));
  }
  const made = startNetworks(plan, executor, input);
  const nodes = nodesByChange(plan);
  const ends = changeEnds(plan.graph);
  // Creates come before removes in the graph, and queues keep that order.
  const ordered = [...acting].toSorted((a, b) => Number(removes(a)) - Number(removes(b)));
  const done = await Promise.all(
    ordered.map((change) => inTurn(change, nodesOf(change, nodes), ends, executor, input)),
  );
  // After its last user: what is still in use is refused by the engine, and left for the next apply.
  const networks = [...(await Promise.all(made)), ...(await removeNetworks(plan, executor, input))];
  const ended = [...done, ...networks];
  const outcomes = [...ended, ...blockedOutcomes(plan)].toSorted((a, b) => (a.address < b.address ? -1 : 1));
  const result = summarise(plan, outcomes, { ...input.calls }, ended);
  sink.notify({ type: "apply.finished", plan_id: plan.plan_id, exit_code: result.exit_code });
  return result;
}

function startExecutor(context: ApplyContext): Executor {
  const fetched: Fetched = new Map();
  return { context, queueOf: engineQueues(context), fetched, fetches: new Map(), silences: new Silences() };
}

function nodesByChange(plan: Plan): Map<string, GraphNode[]> {
  const groups = new Map<string, GraphNode[]>();
  for (const node of plan.graph) {
    const group = groups.get(keyOf(node.id));
    if (group === undefined) groups.set(keyOf(node.id), [node]);
    else group.push(node);
  }
  return groups;
}

function nodesOf(change: Change, nodes: ReadonlyMap<string, GraphNode[]>): readonly GraphNode[] {
  const { address, backend, host } = change;
  return nodes.get(changeKey(change)) ?? nodes.get(changeKey({ address, backend, host })) ?? [];
}

function needed(node: GraphNode, plan: Plan, stale: ReadonlyMap<Change, string>): boolean {
  const waiting = new Set(
    plan.graph.filter((each) => each.depends_on.includes(node.id)).map((each) => keyOf(each.id)),
  );
  const gates = plan.graph.some((each) => each.op === "network" && each.depends_on.includes(node.id));
  return (
    gates ||
    plan.changes.some((change) => {
      const { address, backend, host } = change;
      return waiting.has(changeKey({ address, backend, host })) && !stale.has(change);
    })
  );
}

/** Made at once, side by side: the changes that need one wait for it, and it waits for one whose addresses it takes. */
function startNetworks(plan: Plan, executor: Executor, input: ApplyInput): Promise<Ended>[] {
  const made = networkNodes(plan, "ensure");
  for (const node of networkNodes(plan, "remove")) {
    if (made.some(({ depends_on }) => depends_on.includes(node.id)))
      executor.fetches.set(node.id, runNetwork(node, executor));
  }
  return made.map((node) => {
    const ran = runNetwork(node, executor);
    executor.fetches.set(node.id, ran);
    return networkEnd(node, ran, input);
  });
}

function removeNetworks(plan: Plan, executor: Executor, input: ApplyInput): Promise<Ended[]> {
  const nodes = networkNodes(plan, "remove");
  const ran = (node: NetworkNode): Promise<Error | undefined> =>
    executor.fetches.get(node.id) ?? runNetwork(node, executor);
  return Promise.all(nodes.map((node) => networkEnd(node, ran(node), input)));
}

async function networkEnd(
  node: NetworkNode,
  ran: Promise<Error | undefined>,
  input: ApplyInput,
): Promise<Ended> {
  const started = elapsed();
  const error = await ran;
  const { address, cause } = node;
  const action = node.effect === "remove" ? "remove" : (changeOf(node, input)?.action ?? "update");
  const inUse = hasKind(error, "conflict") && node.effect === "remove";
  const skipped = inUse || isInterrupted(error) || isSilence(error);
  const status = error === undefined ? "done" : skipped ? "skipped" : "failed";
  const code = error === undefined || inUse ? 0 : exitCodeOf(error);
  const duration_ms = Math.round(elapsed() - started);
  const message = error?.message ?? null;
  input.sink.notify({ type: "change.finished", address, action, status, duration_ms, error: message });
  const told = error !== undefined && (status === "failed" || isSilence(error)) ? describe(error) : null;
  return { address, action, status, duration_ms, error: told, reason: message ?? cause, code };
}

function removes(change: Change): boolean {
  return change.actions.includes("remove");
}

/** Begun once those have ended that its nodes wait for, and not at all when one of them had to succeed and did not. */
async function inTurn(
  change: Change,
  nodes: readonly GraphNode[],
  ends: ChangeEnds,
  executor: Executor,
  input: ApplyInput,
): Promise<Ended> {
  let failure: string | undefined = "it ended unexpectedly";
  try {
    const paused = await ends.awaited(nodes);
    const ended = await runChange(change, nodes, executor, input, paused);
    failure = paused ?? failureOf(ended, change);
    return ended;
  } finally {
    ends.ended(nodes, failure);
  }
}

/** Why those that wait for a change's success are not begun; undefined when it was made. */
function failureOf({ address, status }: Ended, change: Change): string | undefined {
  if (status === "done") return undefined;
  const who = change.rollout?.canary === true ? `canary ${address}` : address;
  const failed = status === "failed" || status === "rolled_back";
  const done = change.actions.includes("recreate") ? "replaced" : "changed";
  return failed ? `${who} failed` : `${who} was not ${done} (${status})`;
}

async function runChange(
  change: Change,
  nodes: readonly GraphNode[],
  executor: Executor,
  input: ApplyInput,
  paused: string | undefined,
): Promise<Ended> {
  const started = elapsed();
  const action = change.actions.join("+");
  const end: End = (status, code, reason, error) => {
    const duration_ms = Math.round(elapsed() - started);
    const { address } = change;
    const message = error?.message ?? null;
    input.sink.notify({ type: "change.finished", address, action, status, duration_ms, error: message });
    return { address, action, status, duration_ms, error, reason, code };
  };
  const why = input.stale.get(change);
  if (why !== undefined) return end("stale", 4, why, null);
  if (input.signal?.aborted === true) return end("skipped", INTERRUPTED.exitCode, INTERRUPTED.reason, null);
  if (paused !== undefined) return end("skipped", 0, `paused: ${paused}`, pausedError(paused));
  const driver = input.drivers.get(engineKey(change));
  const module = input.modules[change.backend];
  if (driver === undefined || module === undefined) {
    const error = notOpen(engineKey(change));
    return end("failed", error.exitCode, change.why, describe(error));
  }
  const hold = await input.heldNow(change.address);
  if (hold !== undefined) return end("stale", 4, `held since the plan: ${hold}`, null);
  const run: ChangeRun = {
    change,
    driver,
    module,
    nodes,
    needsSeed: false,
    secrets: new Set(),
    commandSecrets: new Map(),
  };
  const unread = await readCommandSecrets(run, input);
  if (unread !== undefined) return end("failed", exitCodeOf(unread), UNDISTURBED, describe(unread));
  try {
    const ended = await runChain(run, executor, preconditionGuard(run, input));
    return finish(ended, change, nodes, end);
  } finally {
    await run.lock?.[Symbol.asyncDispose]();
  }
}

function pausedError(why: string): NonNullable<Outcome["error"]> {
  const hint = "see what became of that one, mend it, and apply again";
  return { code: ROLLOUT_PAUSED, message: `not begun, since ${why}`, hint };
}

const UNDISTURBED = "not begun, and nothing was changed";

function blockedOutcomes(plan: Plan): Outcome[] {
  return plan.blocked.map(({ address, rule, why }) => ({
    address,
    action: "none",
    status: "skipped",
    duration_ms: 0,
    error: null,
    reason: `${rule}: ${why}`,
  }));
}

function summarise(
  plan: Plan,
  outcomes: readonly Outcome[],
  calls: ApplyResult["calls"],
  ended: readonly Ended[],
): ApplyResult {
  const count = (status: Outcome["status"]): number =>
    outcomes.filter((each) => each.status === status).length;
  // A plan's own code counts too (refusals, engines that could not be seen), but not "changes pending": they are made.
  const planned = plan.exit_code === 2 ? 0 : plan.exit_code;
  return {
    plan_id: plan.plan_id,
    outcomes: outcomes.map(({ address, action, status, duration_ms, error, reason }) => ({
      address,
      action,
      status,
      duration_ms,
      error,
      reason,
    })),
    calls,
    summary: {
      done: count("done"),
      failed: count("failed"),
      skipped: count("skipped"),
      stale: count("stale"),
      rolled_back: count("rolled_back"),
    },
    exit_code: worstExitCode([planned, ...ended.map((each) => each.code)]),
  };
}
