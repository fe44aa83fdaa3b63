/**
 * In: a host and what is of interest there. Out: one snapshot, made in one round trip and without installing or changing
 * anything. What cannot be reached or is not whole is thrown, and so never an empty host.
 */
import type { Host } from "../model/settings.ts";
import type { Engine } from "../reconcile.ts";
import type { Answer } from "./parse.ts";
import { askedLabels, containerTemplate } from "./containers.ts";
import { parseAnswer } from "./parse.ts";
import type { Place } from "./place.ts";
import { placeOf, targetOf, unreachablePlace } from "./place.ts";
import { callOn } from "./reach.ts";
import { LOOK } from "./script.ts";

export interface LookRequest {
  readonly name: string;
  /** Absent for this machine. */
  readonly host?: Host | undefined;
  /** Folders that sandboxes are kept in. */
  readonly roots: readonly string[];
  /** Places whose headroom matters: what lies there, and where. */
  readonly disks: readonly (readonly [what: string, path: string])[];
  /** Engines that the fleet uses there, beside those that are always looked for. */
  readonly engines: readonly string[];
  readonly folder: string;
}

export interface Look extends Answer {
  readonly place: Place;
  readonly labels: readonly string[];
}

export async function lookAt(request: LookRequest, engine: Engine): Promise<Look> {
  const { name, host, roots, disks } = request;
  const place = placeOf(host, request.folder);
  if (place === undefined) throw unreachablePlace(name);
  const labels = askedLabels(Object.keys(host?.adopt?.labels ?? {}));
  if (place.via === "engine") {
    const { lookThroughEngines } = await import("./engine-look.ts");
    return { ...(await lookThroughEngines({ name, host, place, labels }, engine)), place, labels };
  }
  const engines: Record<string, string> = { ...place.engines };
  for (const used of request.engines) if (place.apart[used] === undefined) engines[used] ??= "";
  const args = [
    `format:${containerTemplate(labels)}`,
    ...disks.map(([what, path]) => `disk:${what}=${path}`),
    ...Object.entries(engines).map(([kind, endpoint]) => `engine:${kind}=${endpoint}`),
    ...[...new Set(roots)].map((root) => `root:${root}`),
  ];
  const began = engine.now();
  const bytes = await callOn(name, place, { script: LOOK, args, reads: true }, engine);
  const ended = engine.now();
  const answer = parseAnswer(
    bytes,
    {
      host: name,
      taken_at: new Date(ended).toISOString(),
      via: place.via,
      target: targetOf(place),
      duration_ms: ended - began,
    },
    labels,
  );
  if (Object.keys(place.apart).length === 0) return { ...answer, place, labels };
  const { lookBeside } = await import("./engine-look.ts");
  return { ...(await lookBeside(answer, { name, host, place, labels }, engine)), place, labels };
}
