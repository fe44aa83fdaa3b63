/**
 * In: a new or mended runtime. Out: how it was seen, or the error that names each field which is not as it was asked to be,
 * with what was asked and what was found. It looks at the engine and, where the plan says so, from inside; it changes nothing.
 */
import type { Unenforced } from "../diff/fields.ts";
import { isLimit, unenforced } from "../diff/fields.ts";
import { SandkeepError } from "../errors.ts";
import type { Check } from "../model/attestation.ts";
import type { Json } from "../model/json.ts";
import type { ObservedRuntime } from "../model/observed.ts";
import type { GraphNode } from "../model/plan.ts";
import type { Spec } from "../model/spec.ts";
import { getPath } from "../util/json-path.ts";
import type { ApplyContext, ChangeRun } from "./context.ts";
import { specOf } from "./labels.ts";

type VerifyNode = Extract<GraphNode, { op: "verify" }>;

/** A 200 proves nothing: what the engine shows, and what the inside shows, must be what was asked for. */
export async function verify(
  objectId: string,
  node: VerifyNode,
  run: ChangeRun,
  context: ApplyContext,
): Promise<ObservedRuntime> {
  const spec = specOf(context.plan, node.spec_key);
  const seen = await mustInspect(objectId, run);
  const failures = [
    ...unenforced(spec, seen, run.module.fields),
    ...otherImage(seen),
    ...(objectId === run.created ? refused(spec, run) : []),
  ];
  if (failures.length > 0) throw notEnforced("the engine does not enforce", failures);
  if (node.attest === true) await attest(objectId, node, spec, run, context);
  return seen;
}

/** A container that was made from another image than the labels say. */
function otherImage({ image, labels }: ObservedRuntime): Unenforced[] {
  const asked = labels.image;
  if (image === undefined || asked === undefined || image.kind !== asked.kind) return [];
  return image.digest === asked.digest ? [] : [{ path: "image", asked: asked.digest, found: image.digest }];
}

/** What the engine said at the creation, of fields that the spec has. */
function refused(spec: Spec, run: ChangeRun): Unenforced[] {
  return (run.warnings ?? []).flatMap(({ path, message }) => {
    const asked = path === undefined ? undefined : getPath(spec.values, path);
    const row = run.module.fields.find((each) => each.path === path);
    return path === undefined || asked === undefined || row === undefined || !isLimit(spec, row)
      ? []
      : [{ path, asked, found: null, why: message }];
  });
}

async function attest(
  objectId: string,
  node: VerifyNode,
  spec: Spec,
  run: ChangeRun,
  context: ApplyContext,
): Promise<void> {
  const checks = await run.driver.attest(objectId, spec);
  const failed = checks.filter(({ status }) => status !== "held");
  const { id, op, address } = node;
  context.journal.result({
    node: id,
    op,
    address,
    status: failed.length === 0 ? "done" : "failed",
    object_id: objectId,
    checks,
  });
  if (failed.length === 0) return;
  const hint = failed.every(({ status }) => status === "unknown")
    ? "use an image whose commands can look at their own confinement, or set sandbox.attest = false"
    : undefined;
  throw notEnforced("seen from inside, the sandbox does not have", failed.map(fromCheck), hint);
}

function fromCheck({ path, status, asked, found, why }: Check): Unenforced {
  return { path, asked, found, why: status === "unknown" ? `not known: ${why}` : why };
}

function notEnforced(
  what: string,
  failures: readonly Unenforced[],
  hint = "change the setting, or use an engine that enforces it; sandkeep inspect shows what stands",
): SandkeepError {
  const told = [...new Set(failures.map(word))].join("; ");
  return new SandkeepError(`${what} ${told}`, { code: "NOT_ENFORCED", blame: "backend", hint });
}

function word({ path, asked, found, why }: Unenforced): string {
  const reason = why === undefined ? "" : `: ${why.trim()}`;
  return `${path} (asked ${value(asked)}, found ${value(found)}${reason})`;
}

const LONGEST_VALUE = 160;

function value(json: Json): string {
  if (json === null) return "none";
  const text = typeof json === "string" ? json : JSON.stringify(json);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}

export async function mustInspect(objectId: string, run: ChangeRun): Promise<ObservedRuntime> {
  const seen = await run.driver.inspect(objectId);
  if (seen !== undefined) return seen;
  throw new SandkeepError(`${run.change.name} disappeared`, {
    code: "GONE",
    kind: "not-found",
    blame: "backend",
  });
}
