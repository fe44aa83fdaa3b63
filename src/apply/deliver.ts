/**
 * In: a runtime whose main program waits for its secrets. Out: it has them, through the driver and by no other way.
 * Which ones is in the spec; what they are is read before the change disturbs anything, also for the way back, and kept
 * in memory for as long as the change takes.
 */
import { SandkeepError, toError } from "../errors.ts";
import type { GraphNode } from "../model/plan.ts";
import type { Spec } from "../model/spec.ts";
import { maskSecrets } from "../util/secret-mask.ts";
import { spellings } from "../util/secret-spellings.ts";
import { getPath } from "../util/json-path.ts";
import type { ApplyContext, ChangeRun } from "./context.ts";
import { specOf } from "./labels.ts";
import { changedByPerson } from "./precondition.ts";

/** The field that says which secrets the main program of a runtime begins with. */
export function secretsField({ backend }: Spec): string {
  return `${backend}.command_secrets`;
}

/** Why the change cannot be begun: a secret that it needs, or that it needs to take itself back, cannot be had. */
export async function readCommandSecrets(run: ChangeRun, context: ApplyContext): Promise<Error | undefined> {
  if (run.driver.deliver === undefined) return undefined;
  try {
    const planned = plannedSpec(run, context);
    if (planned !== undefined) await read(planned, namesIn(planned), run, context);
    const old = replaced(run, context);
    if (old !== undefined) await readForReturn(old, run, context);
    return undefined;
  } catch (thrown) {
    return toError(thrown);
  }
}

/** The spec whose secrets this change hands over. */
function plannedSpec({ change, nodes }: ChangeRun, { plan }: ApplyContext): Spec | undefined {
  if (change.spec_key === null) return undefined;
  const spec = specOf(plan, change.spec_key);
  const delivers = nodes.some(
    (node) =>
      (node.op === "start" && !node.compensates) ||
      (node.op === "update" && node.paths.includes(secretsField(spec))),
  );
  return delivers ? spec : undefined;
}

/** The spec of what is stopped for its successor and is to come back when that fails. What goes for good needs none. */
function replaced(run: ChangeRun, context: ApplyContext): Spec | undefined {
  if (!run.nodes.some(({ op }) => op === "create")) return undefined;
  const back = run.nodes.find((node) => node.op === "start" && node.compensates);
  return back?.op !== "start" || back.object_id === null ? undefined : context.observedSpec(back.object_id);
}

async function readForReturn(old: Spec, run: ChangeRun, context: ApplyContext): Promise<void> {
  const names = namesIn(old).filter((name) => !run.commandSecrets.has(name));
  try {
    await read(old, names, run, context);
  } catch (thrown) {
    // A person who named it wants it replaced, also without a way back.
    if (changedByPerson(context.plan)) return;
    const error = toError(thrown);
    throw new SandkeepError(`${error.message}; should its successor fail, it could not come back`, {
      code: error instanceof SandkeepError ? error.code : "SECRET_UNRESOLVED",
      cause: error,
      hint: `keep the secret until the successor runs, or replace it without a way back: sandkeep recreate ${run.change.address}`,
    });
  }
}

async function read(
  spec: Spec,
  names: readonly string[],
  run: ChangeRun,
  context: ApplyContext,
): Promise<void> {
  if (names.length === 0) return;
  const values = await context.secretsFor(run.change, spec.values, "command", names);
  for (const name of names) {
    const value = values[name];
    if (value === undefined) throw undeclared(name, run);
    run.commandSecrets.set(name, value);
    run.secrets.add(value);
  }
}

function namesIn(spec: Spec): readonly string[] {
  const names = getPath(spec.values, secretsField(spec));
  return Array.isArray(names) ? names.map(String) : [];
}

/** What is started anew has forgotten them, also an old one that comes back in place of its successor. */
export async function deliverAfterStart(
  objectId: string,
  node: Extract<GraphNode, { op: "start" }>,
  run: ChangeRun,
  context: ApplyContext,
): Promise<void> {
  if (run.driver.deliver === undefined) return;
  const planned = run.change.spec_key;
  const spec =
    node.compensates || planned === null ? context.observedSpec(objectId) : specOf(context.plan, planned);
  if (spec !== undefined) await deliver(objectId, spec, run, context);
}

export async function deliver(
  objectId: string,
  spec: Spec,
  run: ChangeRun,
  context: ApplyContext,
): Promise<void> {
  const names = namesIn(spec);
  if (names.length === 0 || run.driver.deliver === undefined) return;
  const unread = names.filter((name) => !run.commandSecrets.has(name));
  await read(spec, unread, run, context);
  const wanted = Object.fromEntries(names.map((name) => [name, run.commandSecrets.get(name) ?? ""]));
  await masking(run, context, () => run.driver.deliver?.(objectId, wanted) ?? Promise.resolve());
}

function undeclared(name: string, run: ChangeRun): SandkeepError {
  return new SandkeepError(
    `${run.change.address} waits for secret ${name}, which the config does not give it`,
    {
      code: "SECRET_UNRESOLVED",
      hint: `declare it for "command" in sandbox.secrets, or recreate the runtime`,
    },
  );
}

/** What a dying main program printed may hold what it was given, and what a setup or a command left for it. */
export async function masking(
  run: ChangeRun,
  context: ApplyContext,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    if (!(thrown instanceof SandkeepError)) throw thrown;
    const secrets = [...run.secrets, ...(await context.readableSecrets(run.change))];
    if (secrets.length === 0) throw thrown;
    const { code, hint, kind, blame, exitCode } = thrown;
    const message = maskSecrets(thrown.message, spellings(secrets));
    const told = hint === undefined ? {} : { hint };
    // Without its cause, which may say the same unmasked.
    throw new SandkeepError(message, { code, kind, blame, exitCode, ...told });
  }
}
