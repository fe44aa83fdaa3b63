/** How each graph op is carried out: one driver call each, with the checks that belong to it. */
import { assertNever, SandkeepError } from "../errors.ts";
import type { Json } from "../model/json.ts";
import type { ObservedRuntime } from "../model/observed.ts";
import type { GraphNode } from "../model/plan.ts";
import { identityOf, imageKey } from "../observe/images.ts";
import { engineKey } from "../observe/engines.ts";
import { equalJson, getPath } from "../util/json-path.ts";
import type { ApplyContext, ChangeRun, Fetched } from "./context.ts";
import { create } from "./create.ts";
import { deliver, deliverAfterStart, masking, secretsField } from "./deliver.ts";
import { awaitHealth } from "./health.ts";
import { specOf, updatedLabels } from "./labels.ts";
import { seed } from "./seed.ts";
import { salvage, weigh } from "./salvage.ts";
import { runSetup } from "./setup.ts";
import { collectStageOf, leaveStageOf } from "./stage.ts";
import { mustInspect, verify } from "./verify.ts";

type ChangeNode = Exclude<GraphNode, { op: "fetch" | "network" }>;

export async function runStep(
  node: ChangeNode,
  run: ChangeRun,
  { context, fetched }: { readonly context: ApplyContext; readonly fetched: Fetched },
  signal: AbortSignal,
): Promise<void> {
  const { driver } = run;
  switch (node.op) {
    case "create":
      return create(node, run, context, fetched);
    case "seed":
      return run.needsSeed
        ? seed(objectOf(node, run), specOf(context.plan, node.spec_key), driver, {
            owner: { fleet: context.plan.source.fleet, address: run.change.address },
            stateDir: context.stateDir,
            env: context.env,
            tell: (message) => progress(node, context, message, null),
          })
        : undefined;
    case "start":
      await driver.start(objectOf(node, run));
      return deliverAfterStart(objectOf(node, run), node, run, context);
    case "setup":
      return runSetup(objectOf(node, run), specOf(context.plan, node.spec_key), run, context, signal);
    case "verify":
      return remember(await verify(objectOf(node, run), node, run, context), node, run, context);
    case "health":
      return masking(run, context, () =>
        awaitHealth(objectOf(node, run), specOf(context.plan, node.spec_key), driver, context.wait, signal, {
          inPlace: node.in_place,
        }),
      );
    case "rename":
      return rename(objectOf(node, run), node.to, run);
    case "stop":
      return driver.stop(objectOf(node, run), node.grace_s);
    case "update":
      return update(node, run, context);
    case "collect":
      return collectStageOf(node, run, context);
    case "weigh":
      return weigh(node, run, context, signal);
    case "salvage":
      return salvage(node, run, context, signal);
    case "remove":
      await driver.remove(objectOf(node, run), node.workspace);
      if (run.change.actions.includes("remove")) await leaveStageOf(node.address, context);
      return;
    case "forget":
      return driver.forget(context.scope(engineKey(node)), node.address);
    case "mark": {
      const mark = node.dormant ? { since: context.now(), reason: node.reason } : undefined;
      return driver.mark(context.scope(engineKey(node)), node.address, mark);
    }
    default:
      return assertNever(node);
  }
}

export async function fetchImage(
  node: Extract<GraphNode, { op: "fetch" }>,
  context: ApplyContext,
  fetched: Fetched,
): Promise<void> {
  const driver = context.drivers.get(engineKey(node));
  if (driver === undefined) throw notOpen(engineKey(node));
  const planned = context.plan.images.find((each) => imageKey(each) === imageKey(node));
  const tell = (message: string, fraction: number | null): void => progress(node, context, message, fraction);
  const wanted = planned === undefined ? undefined : identityOf(planned);
  const { image, ...held } = await driver.fetch(node.ref, node.policy, tell, wanted);
  if (held.pulled) {
    const { backend, host, ref } = node;
    await context.pulled?.({ backend, host, ref, engine_id: held.engine_id, image_id: held.image_id });
  }
  fetched.set(imageKey(node), image);
}

function progress(
  { address, id, op }: GraphNode,
  { sink }: ApplyContext,
  message: string,
  fraction: number | null,
): void {
  sink.notify({ type: "step.progress", address, step: id, op, message, fraction });
}

export function notOpen(engine: string): SandkeepError {
  return new SandkeepError(`${engine} is not connected`, { code: "ENGINE_NOT_OPEN", kind: "unreachable" });
}

function objectOf(node: ChangeNode & { object_id: string | null }, run: ChangeRun): string {
  const object = node.object_id ?? run.created;
  if (object !== undefined) return object;
  throw new SandkeepError(`step ${node.id} has no object to work on`, { code: "INTERNAL", blame: "tool" });
}

/** A rename whose answer was lost finds its own work done. */
async function rename(objectId: string, to: string, run: ChangeRun): Promise<void> {
  try {
    await run.driver.rename(objectId, to);
  } catch (thrown) {
    const seen = await run.driver.inspect(objectId).catch(() => undefined);
    if (seen?.name !== to) throw thrown;
  }
}

async function update(
  node: Extract<GraphNode, { op: "update" }>,
  run: ChangeRun,
  context: ApplyContext,
): Promise<void> {
  const objectId = objectOf(node, run);
  const seen = await mustInspect(objectId, run);
  const spec = specOf(context.plan, node.spec_key);
  const labels = updatedLabels(seen.labels, run.change, spec);
  const field = secretsField(spec);
  if (node.paths.includes(field)) await deliver(objectId, spec, run, context);
  const paths = node.paths.filter((path) => path !== field);
  if (paths.length > 0) await run.driver.update({ objectId, spec, paths, labels });
}

/** What is proved to be set and no label can follow is written down, but for what nobody may see. */
async function remember(
  { object_id, labels }: ObservedRuntime,
  node: Extract<GraphNode, { op: "verify" }>,
  run: ChangeRun,
  context: ApplyContext,
): Promise<void> {
  if (!run.nodes.some((each) => each.op === "update" && each.object_id === object_id)) return;
  const { values } = specOf(context.plan, node.spec_key);
  const set = run.module.fields.flatMap(({ path, sensitive, classify }): [string, Json][] => {
    const [told, now] = [getPath(labels.spec.values, path), getPath(values, path)];
    if (sensitive === true || equalJson(told, now) || classify(told, now) !== "live") return [];
    return [[path, now ?? null]];
  });
  await context.updated?.(object_id, Object.fromEntries(set));
}
