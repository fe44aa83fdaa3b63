import * as z from "zod";

/** Where a replacement or a change in place stands among all that a plan makes. */
export const rolloutPlaceSchema = z.strictObject({
  /** True for those that are made first, alone, to prove what the others of their rollout wait for. */
  canary: z.boolean(),
  /** 1 for those that begin at once. */
  wave: z.int().positive(),
  /** Addresses whose change must have ended before this one begins. */
  waits_for: z.array(z.string()),
  /** True when a failure in its rollout keeps those from being begun that wait for it. */
  pauses: z.boolean(),
  /** Opaque keys of what it is made for; changes that share one are one rollout. None for repairs. */
  causes: z.array(z.string()),
});
export type RolloutPlace = z.infer<typeof rolloutPlaceSchema>;

const NAMED = 3;

/** When it is begun, for people; undefined where it waits for nobody and nobody for it. */
export function rolloutWords({ canary, wave, waits_for, pauses }: RolloutPlace): string | undefined {
  if (waits_for.length === 0) return canary ? "canary: goes first" : undefined;
  const more = waits_for.length - NAMED;
  const names = [...waits_for.slice(0, NAMED), ...(more > 0 ? [`${more} more`] : [])].join(", ");
  const until = pauses ? "and for its success" : "whatever becomes of it";
  return `${canary ? "canary" : `wave ${wave}`}: waits for ${names}${waits_for.length === 1 ? `, ${until}` : ""}`;
}

/** `[rollout]` with every default filled in. */
export interface RolloutSettings {
  /** Runtimes that are being replaced or changed in place at the same time. */
  readonly max_parallel: number | "off";
  /** Runtimes of a rollout that go first; 0 for none. */
  readonly canary: number;
  readonly pause_on_failure: boolean;
}

/** A change that failed: what it was made for is not tried on others until it succeeds or is wanted no more. */
export interface PausedRollout {
  readonly address: string;
  readonly causes: readonly string[];
}
