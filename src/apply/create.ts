import type { EngineWarning } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import type { RuntimeLabels } from "../model/labels.ts";
import type { ObservedRuntime } from "../model/observed.ts";
import type { GraphNode } from "../model/plan.ts";
import type { ImageIdentity, Spec } from "../model/spec.ts";
import { engineKey } from "../observe/engines.ts";
import { identityOf, imageKey } from "../observe/images.ts";
import { getPath } from "../util/json-path.ts";
import type { ApplyContext, ChangeRun, Fetched } from "./context.ts";
import { createdLabels, specOf } from "./labels.ts";
import { onlyRuntimes } from "./precondition.ts";
import { openStageOf } from "./stage.ts";

type CreateNode = Extract<GraphNode, { op: "create" }>;

/**
 * Creating the name is the mutex. An answer that was lost is looked up: what stands there with this very attempt's
 * labels is ours; anything else under the name means that somebody was faster, and the change is stale.
 */
export async function create(
  node: CreateNode,
  run: ChangeRun,
  context: ApplyContext,
  fetched: Fetched,
): Promise<void> {
  const spec = specOf(context.plan, node.spec_key);
  const labels = createdLabels({
    plan: context.plan,
    change: run.change,
    spec,
    image: imageFor(spec, run, context, fetched),
    owner: context.owner,
    // One time for all attempts, so that a lost first one is known again.
    now: (run.stamp ??= context.now()),
  });
  await openStageOf(spec, { fleet: labels.fleet, address: labels.address, host: node.host }, context.stages);
  try {
    const made = await run.driver.create({ name: node.name, labels, spec });
    run.created = made.objectId;
    run.needsSeed = made.needsSeed;
    tell(made.warnings ?? [], run, context);
  } catch (thrown) {
    const kind = thrown instanceof SandkeepError ? thrown.kind : "terminal";
    if (kind !== "transient" && kind !== "conflict" && kind !== "unreachable") throw thrown;
    const found = await findAttempt(node, labels, run, context);
    if (found === undefined) throw thrown;
    run.created = found.object_id;
    // Whether its workspace is new went with the answer: taken away again, rather than seeded over an agent's work.
    if (getPath(spec.values, "workspace.provider") === "volume") throw lostAnswer(thrown);
  }
  context.made.add(run.created);
}

/** What is no field of the spec fails nothing, and is told. */
function tell(warnings: readonly EngineWarning[], run: ChangeRun, context: ApplyContext): void {
  run.warnings = warnings;
  for (const { path, message } of warnings) {
    if (path !== undefined) continue;
    const text = `${run.change.address}: ${message.trim()}`;
    context.sink.notify({ type: "note", level: "warn", code: "ENGINE_WARNING", message: text });
  }
}

function lostAnswer(cause: unknown): SandkeepError {
  return new SandkeepError("the engine's answer to the creation was lost", {
    code: "ANSWER_LOST",
    blame: "backend",
    hint: "apply again",
    cause,
  });
}

async function findAttempt(
  node: CreateNode,
  labels: RuntimeLabels,
  run: ChangeRun,
  context: ApplyContext,
): Promise<ObservedRuntime | undefined> {
  const scope = onlyRuntimes(context.scope(engineKey(node)), {
    name: run.change.name,
    address: node.address,
  });
  const observation = await run.driver.observe(scope);
  if (observation.status !== "complete") return undefined;
  return observation.runtimes.find(
    (each) =>
      each.name === node.name &&
      each.labels.owner === labels.owner &&
      each.labels.created_at === labels.created_at &&
      each.labels.spec_hash === labels.spec_hash,
  );
}

function imageFor(
  spec: Spec,
  run: ChangeRun,
  context: ApplyContext,
  fetched: Fetched,
): ImageIdentity | undefined {
  if (!run.module.capabilities.images) return undefined;
  const ref = getPath(spec.values, `${spec.backend}.image`);
  const { backend, host } = run.change;
  const policy = getPath(spec.values, `${spec.backend}.image_policy`) ?? "missing";
  const planned = context.plan.images.find(
    (each) => each.ref === ref && each.policy === policy && each.backend === backend && each.host === host,
  );
  if (planned === undefined) return undefined;
  const now = fetched.get(imageKey(planned));
  if (now !== undefined) return now;
  return identityOf(planned);
}
