/**
 * In: a runtime whose main program waits for its secrets. Out: it has them, through the driver and by no other way.
 * Which ones is in the spec; what they are is read now and kept in memory for as long as the change takes.
 */
import { SandkeepError } from "../errors.ts";
import type { GraphNode } from "../model/plan.ts";
import type { Spec } from "../model/spec.ts";
import { maskSecrets } from "../util/secret-mask.ts";
import { spellings } from "../util/secret-spellings.ts";
import { getPath } from "../util/json-path.ts";
import type { ApplyContext, ChangeRun } from "./context.ts";
import { specOf } from "./labels.ts";

/** The field that says which secrets the main program of a runtime begins with. */
export function secretsField({ backend }: Spec): string {
  return `${backend}.command_secrets`;
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
    node.compensates || planned === null
      ? (await run.driver.inspect(objectId))?.labels.spec
      : specOf(context.plan, planned);
  if (spec !== undefined) await deliver(objectId, spec, run, context);
}

export async function deliver(
  objectId: string,
  spec: Spec,
  run: ChangeRun,
  context: ApplyContext,
): Promise<void> {
  const names = getPath(spec.values, secretsField(spec));
  if (!Array.isArray(names) || names.length === 0 || run.driver.deliver === undefined) return;
  const values = await context.secretsFor(run.change, spec.values, "command");
  const wanted: Record<string, string> = {};
  for (const name of names.map(String)) {
    const value = values[name];
    if (value === undefined) throw undeclared(name, run);
    wanted[name] = value;
    run.secrets.add(value);
  }
  await masking(run, () => run.driver.deliver?.(objectId, wanted) ?? Promise.resolve());
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

/** What a dying main program printed may hold what it was given. */
export async function masking(run: ChangeRun, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    if (run.secrets.size === 0 || !(thrown instanceof SandkeepError)) throw thrown;
    const { code, hint, kind, blame, exitCode } = thrown;
    const message = maskSecrets(thrown.message, spellings([...run.secrets]));
    const told = hint === undefined ? {} : { hint };
    // Without its cause, which may say the same unmasked.
    throw new SandkeepError(message, { code, kind, blame, exitCode, ...told });
  }
}
