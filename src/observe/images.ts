import type { ImageState } from "../drivers/driver.ts";
import type { PlanImage } from "../model/plan.ts";
import type { OpenEngine } from "./engines.ts";
import { engineKey, failureOf } from "./engines.ts";

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

export function imageKey(want: ImageWant): string {
  return `${engineKey(want)} ${want.policy} ${want.ref}`;
}

/** Each distinct image is asked for once, before planning, so that apply fetches exactly what the plan saw. */
export async function observeImages(
  engines: readonly OpenEngine[],
  wants: readonly ImageWant[],
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
        return [key, { ...want, state: await engine.reader.resolveImage(want.ref, want.policy) }];
      } catch (thrown) {
        return [key, { ...want, state: { status: "unknown", message: failureOf(thrown).message } }];
      }
    }),
  );
  return new Map(facts);
}

export function planImage(fact: ImageFact): PlanImage {
  const { backend, host, ref, policy, state } = fact;
  const present = state.status === "present";
  return {
    backend,
    host,
    ref,
    policy,
    kind: present ? state.image.kind : null,
    digest: present ? state.image.digest : null,
    platform: present ? state.image.platform : null,
    present,
  };
}
