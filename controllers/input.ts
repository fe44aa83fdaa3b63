/**
 * In: a change and the plan that it is part of. Out: all that was resolved for its address, as far as that plan says, by
 * which back-off and `Stalled` tell a new beginning from another try. A part that is not known now is left out, and none
 * differs between two looks at a world in which nothing was changed. Pure.
 */
import type { Input } from "../src/loop/backoff.ts";
import type { Json, JsonObject } from "../src/model/json.ts";
import type { Change, Plan } from "../src/model/plan.ts";
import { engineKey } from "../src/observe/engines.ts";
import { canonicalJson, sha256 } from "../src/util/canonical.ts";
import { getPath, isJsonObject } from "../src/util/json-path.ts";

type Part = readonly [part: string, value: string];

export function inputOf(change: Change | undefined, plan: Plan): Input {
  const hash = change?.hashes.after ?? null;
  // A removal has no spec of its own.
  if (change === undefined || hash === null) return { wish: `none ${change?.actions.join() ?? ""}` };
  return Object.fromEntries<string>([
    ["wish", hash],
    ["place", engineKey(change)],
    ...specOf(change, plan),
    ...networksOf(change, plan),
    ...patienceOf(change, plan),
  ]);
}

/** The hash leaves out what can be changed in place, such as a limit, and what is compared otherwise, such as the image. */
function specOf(change: Change, plan: Plan): Part[] {
  const { spec_key, salvage } = change;
  const values = spec_key === null ? undefined : plan.specs[spec_key]?.values;
  if (spec_key === null || values === undefined) return [];
  return [
    ["spec", spec_key],
    ["salvage", canonicalJson(salvage)],
    ...imageOf(change, values, plan),
    ...secretsOf(change, values),
  ];
}

/** Kinds of digest are unlike: which of them is known may differ from look to look. */
function imageOf(change: Change, values: JsonObject, { images }: Plan): Part[] {
  const { backend } = change;
  const ref = getPath(values, `${backend}.image`);
  const policy = getPath(values, `${backend}.image_policy`) ?? "missing";
  return images
    .filter((each) => engineKey(each) === engineKey(change) && each.ref === ref && each.policy === policy)
    .flatMap(({ kind, digest }): Part[] =>
      kind === null || digest === null ? [] : [[`image ${kind}`, digest]],
    );
}

/** Fingerprints by different keys are unlike as well. */
function secretsOf({ secrets }: Change, values: JsonObject): Part[] {
  const references = values["secrets"];
  return Object.entries(secrets)
    .filter(([name]) => !answersAnew(isJsonObject(references) ? references[name] : undefined))
    .map(([name, print]): Part => [`secret ${name} ${print.split(":")[0] ?? ""}`, print]);
}

/** A program may hand out another token each time it is asked: nobody changed anything by that. */
function answersAnew(reference: Json | undefined): boolean {
  return isJsonObject(reference) && "command" in reference;
}

function networksOf(change: Change, { networks = [] }: Plan): Part[] {
  return networks
    .filter((each) => engineKey(each) === engineKey(change) && each.users.includes(change.address))
    .flatMap(({ network, spec }): Part[] =>
      spec === null ? [] : [[`network ${network}`, sha256(canonicalJson(spec))]],
    );
}

/** How long its steps may take is told by its own; a pull is shared, and waits for as long as the most patient. */
function patienceOf(change: Change, { graph }: Plan): Part[] {
  return graph
    .filter((node) => node.address === change.address && engineKey(node) === engineKey(change))
    .map(({ op, timeout_s }): Part => [`${op} timeout`, String(timeout_s)]);
}
