import PQueue from "p-queue";
import type { SandkeepError } from "../errors.ts";
import { hasKind, toError } from "../errors.ts";
import type { GraphNode } from "../model/plan.ts";
import { engineKey } from "../observe/engines.ts";
import { elapsed } from "../util/elapsed.ts";
import type { ApplyContext, ChangeRun, Fetched } from "./context.ts";
import { Stale } from "./precondition.ts";
import type { NetworkNode } from "./networks.ts";
import { applyNetwork } from "./networks.ts";
import { interrupted, isInterrupted } from "./outcome-error.ts";
import { attempt } from "./retry.ts";
import type { Silences } from "./silence.ts";
import { isSilence, silence } from "./silence.ts";
import { fetchImage, runStep } from "./steps.ts";

/** Steps whose effect cannot be taken back; their intent is on disk before they happen. */
const IRREVERSIBLE: ReadonlySet<GraphNode["op"]> = new Set([
  "create",
  "stop",
  "rename",
  "update",
  "remove",
  "forget",
  "network",
]);

/** Steps that only look. */
const READING: ReadonlySet<GraphNode["op"]> = new Set(["verify", "health", "collect", "weigh", "salvage"]);

/** These load no engine to speak of, so they do not take one of its places; looking from inside runs commands, and does. */
function isUnqueued(node: GraphNode): boolean {
  return node.op === "health" || (node.op === "verify" && node.attest !== true);
}

/** Why a step that had its turn was not begun: a signal had come, or its engine answers nobody. */
type Unbegun = "interrupted" | "silent";

export type NodeEnd =
  | { readonly status: "done" }
  /** Before this step; what went before it stays, since it is right by itself. */
  | { readonly status: Unbegun; readonly node: GraphNode; readonly partly: boolean }
  | { readonly status: "failed"; readonly node: GraphNode; readonly error: Error; readonly undone: boolean };

/**
 * With so few steps waiting, what was replaced is removed after them: an engine would have nothing to do while the last
 * changes prove themselves.
 */
const NEAR_THE_END = 24;
const LAST = -1;

/** One bounded queue an engine. Later steps of a change go first, so that changes finish rather than pile up. */
export function engineQueues(context: ApplyContext): (engine: string) => PQueue {
  const queues = new Map<string, PQueue>();
  return (engine) => {
    const known = queues.get(engine);
    if (known !== undefined) return known;
    const backend = engine.slice(0, engine.indexOf("@"));
    const own = context.modules[backend]?.capabilities.parallelism ?? 1;
    const queue = new PQueue({ concurrency: Math.max(1, context.parallelism ?? own) });
    queues.set(engine, queue);
    return queue;
  };
}

/** The signal fires when the step has used up its time: what it started is to be ended. */
type Work = (signal: AbortSignal) => Promise<void>;

export interface Executor {
  readonly context: ApplyContext;
  readonly queueOf: (engine: string) => PQueue;
  readonly fetched: Fetched;
  /** How each fetch and each network node ended, shared by the changes that need it. */
  readonly fetches: Map<string, Promise<Error | undefined>>;
  readonly silences: Silences;
}

/** Images are fetched once; a failure fails only the changes that wait for it. */
export function runFetch(
  node: Extract<GraphNode, { op: "fetch" }>,
  executor: Executor,
): Promise<Error | undefined> {
  return runShared(node, executor, () => fetchImage(node, executor.context, executor.fetched));
}

/** A network is made, mended or removed once, after what its gate needs; a failure fails those that wait for it. */
export function runNetwork(node: NetworkNode, executor: Executor): Promise<Error | undefined> {
  return runShared(node, executor, () => applyNetwork(node, executor.context));
}

async function runShared(node: GraphNode, executor: Executor, work: Work): Promise<Error | undefined> {
  try {
    await awaitShared(node, executor);
    const begun = await inQueue(executor, node, 0, work, true);
    return begun === "begun" ? undefined : unbegun(begun, node);
  } catch (thrown) {
    return toError(thrown);
  }
}

function unbegun(why: Unbegun, node: GraphNode): SandkeepError {
  return why === "silent" ? silence(engineKey(node)) : interrupted();
}

async function awaitShared(node: GraphNode, executor: Executor): Promise<void> {
  for (const dependency of node.depends_on) {
    const failure = await executor.fetches.get(dependency);
    if (failure !== undefined) throw failure;
  }
}

/**
 * Walks one change's chain. A failed step ends it, after the compensations that the plan hangs on that step.
 * `guardStep` runs before each step and throws Stale when the change no longer fits what is there.
 */
export async function runChain(
  run: ChangeRun,
  executor: Executor,
  guardStep: (node: GraphNode) => Promise<void>,
): Promise<NodeEnd> {
  const steps = run.nodes.filter((node) => !node.compensates);
  const first = steps.find((node) => node.op !== "fetch");
  let partly = false;
  for (const [index, node] of steps.entries()) {
    if (node.op === "fetch" || node.op === "network") continue;
    try {
      await awaitShared(node, executor);
      const work: Work = async (signal) => {
        await guardStep(node);
        await runStep(node, run, executor, signal);
      };
      const clears = node === steps.at(-1) && (isReplaced(node, steps) || worksOn(node));
      if (clears) await release(run);
      const priority = clears && queueFor(executor, node).size < NEAR_THE_END ? LAST : index;
      const begun = await inQueue(executor, node, priority, work, node === first);
      if (begun !== "begun") return { status: begun, node, partly };
      partly ||= !READING.has(node.op);
    } catch (thrown) {
      const why = isInterrupted(thrown) ? "interrupted" : isSilence(thrown) ? "silent" : undefined;
      // What it shares with others was not begun, and so neither was this step.
      if (why !== undefined) return { status: why, node, partly };
      const error = toError(thrown);
      const undone = await compensate(node, error, run, executor);
      return { status: "failed", node, error, undone };
    }
  }
  return { status: "done" };
}

/** Whether a step removes what has given its name to a successor. */
function isReplaced(node: GraphNode, steps: readonly GraphNode[]): boolean {
  return node.op === "remove" && steps.some(({ op }) => op === "rename");
}

/** Whether a step only looks how what was changed in place goes on, which is in use meanwhile. */
function worksOn(node: GraphNode): boolean {
  return node.op === "health" && node.in_place === true;
}

/** What is at the address now is what stays: whoever waits for it need not wait for what it replaced, or for a look. */
async function release(run: ChangeRun): Promise<void> {
  const { lock } = run;
  delete run.lock;
  await lock?.[Symbol.asyncDispose]();
}

function queueFor(executor: Executor, node: GraphNode): PQueue {
  return executor.queueOf(engineKey(node));
}

/**
 * True when everything that the failed step calls for was undone; the next apply mends what was not.
 * A stale change disturbed nothing yet, so only what it made itself is taken away again.
 */
async function compensate(
  failed: GraphNode,
  error: Error,
  run: ChangeRun,
  executor: Executor,
): Promise<boolean> {
  let undone = failed.on_failure.length > 0;
  for (const id of failed.on_failure) {
    const node = run.nodes.find((each) => each.id === id);
    if (node === undefined || node.op === "fetch" || node.op === "network") continue;
    if (error instanceof Stale && "object_id" in node && node.object_id !== null) continue;
    // What a creation that never got an object would have made need not be taken away.
    if (node.op === "remove" && node.object_id === null && run.created === undefined) continue;
    try {
      await inQueue(executor, node, Number.MAX_SAFE_INTEGER, (signal) =>
        runStep(node, run, executor, signal),
      );
    } catch {
      // Told by the step's own event; recovery by observation finishes the work.
      undone = false;
    }
  }
  return undone;
}

async function inQueue(
  executor: Executor,
  node: GraphNode,
  priority: number,
  work: Work,
  /** True for what begins a change, which there may be a reason not to. */
  begins = false,
): Promise<"begun" | Unbegun> {
  const act = async (): Promise<"begun" | Unbegun> => {
    const why = begins ? whyNot(executor, node) : undefined;
    if (why !== undefined) return why;
    await step(executor, node, work);
    return "begun";
  };
  if (isUnqueued(node)) return await act();
  return await queueFor(executor, node).add(act, { priority });
}

function whyNot({ context, silences }: Executor, node: GraphNode): Unbegun | undefined {
  if (context.signal?.aborted === true) return "interrupted";
  return silences.isSilent(engineKey(node)) ? "silent" : undefined;
}

async function step({ context, silences }: Executor, node: GraphNode, work: Work): Promise<void> {
  const { sink, journal } = context;
  const { id, op, address, cause } = node;
  const entry = { node: id, op, address };
  const irreversible = IRREVERSIBLE.has(op);
  await context.assertHeld();
  sink.notify({ type: "step.started", address, step: id, op, cause });
  const started = elapsed();
  const finished = (status: "done" | "failed", error: string | null): void =>
    sink.notify({
      type: "step.finished",
      address,
      step: id,
      op,
      status,
      duration_ms: Math.round(elapsed() - started),
      error,
    });
  try {
    if (irreversible) await journal.intent(entry);
    context.calls[READING.has(op) ? "read" : "write"] += 1;
    await attempt(work, node, context.wait);
    silences.answered(node);
    finished("done", null);
    if (irreversible) journal.result({ ...entry, status: "done" });
  } catch (thrown) {
    silences.failed(node, thrown);
    const { message } = toError(thrown);
    finished("failed", message);
    const status = thrown instanceof Stale ? "stale" : "failed";
    if (irreversible) journal.result({ ...entry, status, error: message });
    throw thrown;
  }
}

/** Whether a failure means that somebody else changed things, rather than that something went wrong. */
export function isStale(error: Error, node: GraphNode): boolean {
  if (error instanceof Stale) return true;
  const named = node.op === "create" || node.op === "rename";
  return named && hasKind(error, "conflict");
}
