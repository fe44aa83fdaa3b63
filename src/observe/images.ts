import type { ImageState, ReadDriver } from "../drivers/driver.ts";
import type { PlanImage } from "../model/plan.ts";
import type { ImageIdentity } from "../model/spec.ts";
import type { OpenEngine } from "./engines.ts";
import { engineKey, failureOf } from "./engines.ts";
import { inTime } from "./patience.ts";
import type { RegistryMemo } from "./registry-memo.ts";

export interface ImageWant {
  readonly backend: string;
  readonly host: string;
  readonly ref: string;
  readonly policy: string;
}

/** What a wanted image is on its engine now. */
export interface ImageFact extends ImageWant {
  readonly state: ImageState;
}

/** What is known of images before any engine or registry is asked. */
export interface ImageSources {
  /** Entries of the lock file. */
  readonly locked: readonly ImageIdentity[];
  /** What registries said a moment ago; without it they are asked each time. */
  readonly memo?: RegistryMemo | undefined;
}

export interface ImageRefusal {
  readonly why: string;
  readonly fix: string;
}

export function imageKey(want: ImageWant): string {
  return `${engineKey(want)} ${want.policy} ${want.ref}`;
}

/** Each distinct image is asked for once, before planning, so that apply fetches exactly what the plan saw. */
export async function observeImages(
  engines: readonly OpenEngine[],
  wants: readonly ImageWant[],
  sources: ImageSources = { locked: [] },
): Promise<ReadonlyMap<string, ImageFact>> {
  const distinct = new Map(wants.map((want) => [imageKey(want), want]));
  const readers = new Map(engines.map((engine) => [engineKey(engine.ref), engine]));
  const facts = await Promise.all(
    [...distinct].map(async ([key, want]): Promise<[string, ImageFact]> => {
      const engine = readers.get(engineKey(want));
      if (engine === undefined || "failure" in engine) {
        return [key, { ...want, state: { status: "unknown", message: "the engine is not reachable" } }];
      }
      try {
        const state = await inTime(resolveWant(engine.reader, want, sources));
        return [
          key,
          { ...want, state: state ?? { status: "unknown", message: "the engine does not answer" } },
        ];
      } catch (thrown) {
        return [key, { ...want, state: { status: "unknown", message: failureOf(thrown).message } }];
      }
    }),
  );
  return new Map(facts);
}

/** A lock answers for pinned images, and a memo for tracked ones until the registry is to be asked again. */
export async function resolveWant(
  reader: ReadDriver,
  want: ImageWant,
  sources: ImageSources,
): Promise<ImageState> {
  const { ref, policy } = want;
  if (policy === "pin") {
    return reader.resolveImage(ref, policy, { known: sources.locked.filter((each) => each.ref === ref) });
  }
  const { memo } = sources;
  if (policy !== "track" || memo === undefined) return reader.resolveImage(ref, policy);
  const said = memo.recall(imageKey(want));
  if (said === undefined) {
    const state = await reader.resolveImage(ref, policy);
    if (state.status !== "unknown") memo.learn(imageKey(want), state);
    return state;
  }
  if ("known" in said) return reader.resolveImage(ref, policy, { known: [said.known] });
  const state = await reader.resolveImage(ref, "never");
  return state.status === "unknown" ? state : { ...state, unresolved: said.unresolved };
}

export function planImage(fact: ImageFact): PlanImage {
  const { backend, host, ref, policy, state } = fact;
  const present = state.status === "present";
  const identity =
    state.status === "unknown" ? undefined : (state.from ?? (present ? state.image : undefined));
  return {
    backend,
    host,
    ref,
    policy,
    kind: identity?.kind ?? null,
    digest: identity?.digest ?? null,
    platform: identity?.platform ?? null,
    present,
  };
}

/** What a plan says of an image; undefined where neither engine nor registry could tell. */
export function identityOf({ ref, kind, digest, platform }: PlanImage): ImageIdentity | undefined {
  return kind === null || digest === null || platform === null ? undefined : { ref, kind, digest, platform };
}

/** Why no runtime can be made of an image, with what a person can do; undefined where one can, or nobody knows. */
export function imageRefusal(fact: ImageFact | undefined): ImageRefusal | undefined {
  const state = fact?.state;
  if (fact === undefined || state === undefined) return undefined;
  if (state.status === "unknown") return fact.policy === "pin" ? unnamed(fact, state.message) : undefined;
  if (fact.policy === "never" && state.status === "absent") {
    return {
      why: `the engine does not have image ${fact.ref}, and image_policy "never" forbids fetching it`,
      fix: 'load or build the image on the engine\'s machine, or set image_policy = "missing"',
    };
  }
  if (fact.policy === "pin" && state.from === undefined && state.unresolved !== undefined) {
    return {
      why: `sandkeep.lock does not say which image ${fact.ref} is here: ${state.unresolved}`,
      fix: "run `sandkeep images lock` and commit sandkeep.lock",
    };
  }
  return undefined;
}

/** What is pinned is made of exactly the locked image: a step without a digest would take whatever the tag means. */
function unnamed({ ref, ...engine }: ImageWant, message: string): ImageRefusal {
  return {
    why: `${engineKey(engine)} did not say which image sandkeep.lock names for ${ref} there: ${message}`,
    fix: "apply again once the engine answers; `sandkeep doctor` looks at it",
  };
}

/** What could not be found out about an image, for people. */
export function imageDoubt(fact: ImageFact): { readonly code: string; readonly message: string } | undefined {
  const { state, ref } = fact;
  const where = engineKey(fact);
  if (state.status === "unknown") {
    return {
      code: "image-unknown",
      message: `whether ${ref} changed on ${where} is unknown: ${state.message}`,
    };
  }
  // What is refused is told with the change that it blocks.
  if (state.unresolved === undefined || imageRefusal(fact) !== undefined) return undefined;
  const message =
    state.status === "present"
      ? `whether ${ref} moved is unknown, so it changes nothing: ${state.unresolved}`
      : `which image ${ref} is now could not be found out for ${where}: ${state.unresolved}`;
  return { code: "image-unresolved", message };
}
