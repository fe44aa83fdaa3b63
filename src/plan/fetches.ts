import type { DesiredRuntime } from "../desire/desire.ts";
import type { Decision } from "../diff/diff.ts";
import { withImage } from "../diff/image.ts";
import type { NetworkDecision, NetworkInput } from "../diff/networks.ts";
import { diffNetworks } from "../diff/networks.ts";
import type { GraphNode } from "../model/plan.ts";
import { engineKey } from "../observe/engines.ts";
import type { ImageFact, ImageRefusal } from "../observe/images.ts";
import { identityOf, imageKey, planImage } from "../observe/images.ts";
import { fetchNode, seconds, TIMEOUT_S } from "./chain.ts";

type Images = ReadonlyMap<string, ImageFact>;

/** An image is fetched by its engine at most once a plan, and only when the engine is known to lack it. */
export function fetchOf(
  images: Images,
  desired: DesiredRuntime,
  fetches: Map<string, GraphNode>,
): GraphNode | undefined {
  const { image, backend, host, settings } = desired;
  if (image === undefined) return undefined;
  return fetchFor(images, { ...image, backend, host }, fetches, seconds(settings.timeouts.fetch));
}

/** Of those who wait for one image, the most patient decides how long its pull may take. */
export function fetchFor(
  images: Images,
  want: Parameters<typeof fetchNode>[0],
  fetches: Map<string, GraphNode>,
  patience_s: number = TIMEOUT_S.fetch,
): GraphNode | undefined {
  if (want.policy === "never") return undefined;
  if (images.get(imageKey(want))?.state.status === "present") return undefined;
  const known = fetches.get(imageKey(want));
  const timeout_s = Math.max(known?.timeout_s ?? 0, patience_s);
  const node = { ...(known ?? fetchNode(want)), timeout_s };
  fetches.set(imageKey(want), node);
  return node;
}

interface Decided {
  readonly decisions: readonly Decision[];
  readonly networks?: readonly NetworkDecision[];
  readonly images: Images;
  readonly observations: NetworkInput["observations"];
  readonly request: Pick<NetworkInput, "intent">;
  readonly source: { readonly file: string | null };
}

/**
 * What is pinned is made of exactly the locked image: while nobody can say which one that is on its engine, nothing is made,
 * for a step without a digest would take whatever the tag means. Networks are decided again, for they go by their users.
 */
export function blockOnPins<T extends Decided>(given: T): T {
  const { images, networks, observations, source } = given;
  const decisions = given.decisions.map((each) => blockOnPin(each, images));
  if (decisions.every((each, at) => each === given.decisions[at])) return given;
  if (networks === undefined) return { ...given, decisions };
  const desired = networks.flatMap((each) => each.desired ?? []);
  const world = { observations, intent: given.request.intent, configless: source.file === null };
  return { ...given, decisions, networks: diffNetworks({ ...world, decisions, desired }) };
}

function blockOnPin(decision: Decision, images: Images): Decision {
  const imageless = unpinned(decision.situation.desired, images);
  if (imageless === undefined) return decision;
  const situation = { ...decision.situation, imageless };
  const verdict = withImage(situation, decision.verdict);
  return verdict === decision.verdict ? decision : { situation, verdict };
}

function unpinned(desired: DesiredRuntime | undefined, images: Images): ImageRefusal | undefined {
  if (desired?.image?.policy !== "pin") return undefined;
  const { image, backend, host } = desired;
  const fact = images.get(imageKey({ ...image, backend, host }));
  if (fact !== undefined && identityOf(planImage(fact)) !== undefined) return undefined;
  const message = fact?.state.status === "unknown" ? fact.state.message : "it was not asked";
  return {
    why: `${engineKey(desired)} did not say which image sandkeep.lock names for ${image.ref} there: ${message}`,
    fix: "apply again once the engine answers; `sandkeep doctor` looks at it",
  };
}
