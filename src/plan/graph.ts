import type { Decision } from "../diff/diff.ts";
import { changesInPlace } from "../diff/rollout.ts";
import type { WorkspaceFate } from "../drivers/driver.ts";
import { SLOT_SUFFIX } from "../model/names.ts";
import type { GraphNode } from "../model/plan.ts";
import type { SalvageSettings } from "../model/salvage.ts";
import { BUILT_IN } from "../resolve/defaults.ts";
import type { Chain, GraphContext } from "./chain.ts";
import { seconds, startChain } from "./chain.ts";
import { isCandidate } from "./doomed.ts";
import { attested, healthStep } from "./proof.ts";
import { stopStep } from "./stop-step.ts";

type Removal = Pick<Extract<Decision["verdict"], { action: "remove" }>, "why" | "dormant" | "workspace">;

/**
 * The steps of one change, in order, as a chain: each step needs the one before it. A canonical name proves a finished
 * runtime, so a new one works its way up under `<name>.new`, and what undoes a half-done change hangs on its steps.
 */
export function changeGraph(context: GraphContext): GraphNode[] {
  const chain = startChain(context);
  for (const repair of context.decision.situation.repairs) {
    switch (repair.kind) {
      case "rename":
        // What is removed needs no better name first, and its canonical one may be somebody else's.
        if (context.decision.verdict.action === "remove") break;
        chain.add({
          op: "rename",
          id: "repair-rename",
          object_id: repair.object.object_id,
          to: repair.to,
          cause: repair.why,
        });
        break;
      case "remove":
        if (!isCandidate(repair.object)) keep(chain, context, repair.object.object_id, "keep", [], "repair-");
        chain.add({
          op: "remove",
          id: `repair-remove-${repair.object.object_id.slice(0, 12)}`,
          object_id: repair.object.object_id,
          workspace: "keep",
          cause: repair.why,
        });
        break;
      case "clear-mark":
        chain.add({ op: "mark", id: "repair-mark", dormant: false, reason: repair.why, cause: repair.why });
        break;
    }
  }
  addVerdict(chain, context);
  return chain.nodes;
}

function addVerdict(chain: Chain, context: GraphContext): void {
  const { verdict } = context.decision;
  switch (verdict.action) {
    case "none":
    case "blocked":
      return;
    case "create":
      create(chain, context);
      return;
    case "recreate":
      replace(chain, context);
      return;
    case "update":
    case "start":
      mend(chain, context);
      return;
    case "remove":
      takeAway(chain, context, verdict);
      return;
  }
}

/** What the next step needs from the changes of others: its image, its network. */
function awaitShared(chain: Chain, { fetch, network }: GraphContext): void {
  if (fetch !== undefined) chain.after(fetch.id);
  if (network !== undefined) chain.after(network.id);
}

/** `.new` is created, brought up and proved. Its failure leaves nothing behind and brings back what it replaces. */
function raise(chain: Chain, context: GraphContext, undo: readonly string[]): void {
  const { situation, verdict } = context.decision;
  const { spec_key } = context;
  if (spec_key === null) return;
  const process = context.capabilities.lifecycle === "process";
  const cause = verdict.why;
  const made = { object_id: null, spec_key };
  const drop = chain.compensation({
    op: "remove",
    id: "undo-remove",
    object_id: null,
    workspace: "keep",
    cause: "the new one was not proved",
  });
  const all = [drop, ...undo];
  chain.add({ op: "create", id: "create", name: situation.name + SLOT_SUFFIX.new, spec_key, cause }, [drop]);
  const { timeouts } = situation.desired?.settings ?? BUILT_IN;
  if (context.seed) {
    const why = "a new workspace starts as a copy of its source";
    const timeout_s = seconds(timeouts.seed);
    chain.add({ op: "seed", id: "seed", ...made, cause: why, timeout_s }, [drop]);
  }
  const stands = verdict.action === "recreate" && verdict.workspace !== "delete";
  if (stands && situation.current !== undefined && process) {
    const { object_id } = situation.current;
    chain.add(stopStep(context, object_id, "its successor takes its place"), all);
  }
  if (process) chain.add({ op: "start", id: "start", object_id: null, cause }, all);
  if (context.setup) {
    const timeout_s = seconds(timeouts.setup);
    chain.add({ op: "setup", id: "setup", ...made, cause: "sandbox.setup", timeout_s }, all);
  }
  const proof = { ...made, ...attested(context), cause: "what was asked for is enforced" };
  chain.add({ op: "verify", id: "verify", ...proof }, all);
  if (process || context.ready) {
    chain.add(healthStep(context, made), all);
  }
}

const FINISHED = "its canonical name proves it finished";

function create(chain: Chain, context: GraphContext): void {
  const { situation, verdict } = context.decision;
  awaitShared(chain, context);
  // One that was asleep is asked for anew, without what is kept for it.
  if (verdict.action === "create" && verdict.workspace === "delete")
    chain.add({ op: "forget", id: "forget", cause: "its workspace is seeded again" });
  raise(chain, context, []);
  chain.add({ op: "rename", id: "rename", object_id: null, to: situation.name, cause: FINISHED }, [
    chain.idOf("undo-remove"),
  ]);
  if (situation.mark === undefined) return;
  const cause = "it is in use again";
  chain.add({ op: "mark", id: "mark", dormant: false, reason: verdict.why, cause });
}

/** The old one gives way only after its successor exists, and comes back when the successor fails. */
function replace(chain: Chain, context: GraphContext): void {
  const { verdict, situation } = context.decision;
  const { current, name } = situation;
  if (current === undefined) return;
  if (verdict.action === "recreate" && verdict.workspace === "delete") {
    startOver(chain, context, verdict.why);
    return;
  }
  const { object_id } = current;
  const restart = {
    op: "start",
    id: "undo-start",
    object_id,
    cause: "its successor was not proved",
  } as const;
  const undo = context.capabilities.lifecycle === "process" ? [chain.compensation(restart)] : [];
  weigh(chain, context, object_id, "keep");
  awaitShared(chain, context);
  raise(chain, context, undo);
  // As late as can be: the old one has stopped, its successor is proved, and the way back is still open.
  keep(chain, context, object_id, "keep", [chain.idOf("undo-remove"), ...undo]);
  const old = { op: "rename", id: "rename-old", object_id, to: name + SLOT_SUFFIX.old } as const;
  chain.add({ ...old, cause: "proof that its successor is healthy" }, [chain.idOf("undo-remove"), ...undo]);
  chain.add({ op: "rename", id: "rename-new", object_id: null, to: name, cause: FINISHED });
  chain.add({ op: "remove", id: "remove-old", object_id, workspace: "keep", cause: "it is replaced" });
}

/**
 * An engine keeps one workspace for an address, so a person who wants a new one gives up the old one first. What can be
 * known to fail fails before that: the image is there, and what is to be kept of it is kept.
 */
function startOver(chain: Chain, context: GraphContext, why: string): void {
  awaitShared(chain, context);
  takeAway(chain, context, { why, dormant: false, workspace: "delete" });
  raise(chain, context, []);
  const { name } = context.decision.situation;
  const undo = [chain.idOf("undo-remove")];
  chain.add({ op: "rename", id: "rename", object_id: null, to: name, cause: FINISHED }, undo);
}

/** What is too much to be kept is found out before anything stops for it, not at each attempt after. */
function weigh(
  chain: Chain,
  { salvage: settings }: GraphContext,
  object_id: string,
  workspace: WorkspaceFate,
): void {
  if (settings === undefined || settings.oversize !== "fail" || settings.max_bytes === "unlimited") return;
  const cause = "what is more than may be kept stays where it is";
  chain.add({ op: "weigh", id: "weigh", object_id, workspace, settings: copyOf(settings), cause });
}

/** A failure undoes what was done so far, and what would have been removed stays. */
function keep(
  chain: Chain,
  { salvage: settings }: GraphContext,
  object_id: string,
  workspace: WorkspaceFate,
  undo: readonly string[],
  prefix = "",
): void {
  if (settings === undefined) return;
  const id = prefix === "" ? "salvage" : `${prefix}salvage-${object_id.slice(0, 12)}`;
  const cause = "what was written inside goes with it";
  chain.add({ op: "salvage", id, object_id, workspace, settings: copyOf(settings), cause }, undo);
}

function copyOf({ include, exclude, ...rest }: SalvageSettings) {
  return { ...rest, include: [...include], exclude: [...exclude] };
}

function mend(chain: Chain, context: GraphContext): void {
  const { situation, verdict } = context.decision;
  const { current, differences } = situation;
  if (current === undefined || context.spec_key === null) return;
  const object_id = current.object_id;
  const spec_key = context.spec_key;
  const paths = [...new Set(differences.filter((each) => each.field !== "state").map((each) => each.field))];
  if (paths.length > 0) {
    chain.add({ op: "update", id: "update", object_id, spec_key, paths, cause: verdict.why });
  }
  const starts = differences.some((each) => each.field === "state");
  if (starts) {
    if (context.network !== undefined) chain.after(context.network.id);
    chain.add({ op: "start", id: "start", object_id, cause: verdict.why });
    chain.add(healthStep(context, { object_id, spec_key }));
  }
  chain.add({
    op: "verify",
    id: "verify",
    object_id,
    spec_key,
    ...attested(context),
    cause: "the engine's word alone proves nothing",
  });
  // What was started has been proved since its change.
  if (starts || !changesInPlace(context.decision, context.capabilities.lifecycle)) return;
  chain.add(healthStep(context, { object_id, spec_key, in_place: true }));
}

/** What brings back a runtime whose removal is given up. */
function standBack(chain: Chain, verdict: Removal, object_id: string, runs: boolean): string[] {
  const cause = "what was written inside could not be kept";
  const undo: string[] = [];
  if (runs) undo.push(chain.compensation({ op: "start", id: "undo-start", object_id, cause }));
  if (verdict.dormant) {
    const awake = { op: "mark", id: "undo-mark", dormant: false, reason: cause } as const;
    undo.push(chain.compensation({ ...awake, cause }));
  }
  return undo;
}

function takeAway(chain: Chain, context: GraphContext, verdict: Removal): void {
  const { current, mark } = context.decision.situation;
  const keeps = context.salvage !== undefined;
  if (current !== undefined && context.collect && verdict.workspace === "delete") {
    const cause = "its workspace may hold staged work that is nowhere else";
    chain.add({ op: "collect", id: "collect", object_id: current.object_id, cause });
  }
  if (current !== undefined) weigh(chain, context, current.object_id, verdict.workspace);
  if (verdict.dormant) {
    // Marked first: killed in between, the runtime still exists and is simply pruned again.
    chain.add({ op: "mark", id: "mark", dormant: true, reason: verdict.why, cause: verdict.why });
  }
  if (current !== undefined) {
    const object_id = current.object_id;
    const process = context.capabilities.lifecycle === "process";
    // What its engine is starting again would go on changing while it is kept.
    const runs = current.state === "running" || (keeps && current.state === "restarting");
    // What only keeps it open ends with it, and would be waited for in vain where it is deaf to signals.
    const ends = runs && (keeps || current.main !== "keeper");
    if (process && ends) chain.add(stopStep(context, object_id, verdict.why));
    keep(
      chain,
      context,
      object_id,
      verdict.workspace,
      keeps ? standBack(chain, verdict, object_id, process && runs) : [],
    );
    chain.add({ op: "remove", id: "remove", object_id, workspace: verdict.workspace, cause: verdict.why });
  }
  if (current === undefined && verdict.workspace === "delete") {
    // Before the mark goes: without it nobody would know of the address any more.
    chain.add({ op: "forget", id: "forget", cause: verdict.why });
  }
  if (mark !== undefined && !verdict.dormant && current === undefined) {
    chain.add({ op: "mark", id: "mark", dormant: false, reason: verdict.why, cause: verdict.why });
  }
}
