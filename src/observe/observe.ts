/**
 * In: open engines and what the fleet calls its runtimes. Out: one observation an engine, side by side.
 * Read-only by type. An engine that fails or is too slow is *unobserved*, which is never "nothing there".
 */
import type { ObserveScope } from "../drivers/driver.ts";
import type { Observation } from "../model/observed.ts";
import type { EngineFailure, OpenEngine } from "./engines.ts";
import { engineKey, failureOf } from "./engines.ts";
import { LATE, inTime } from "./patience.ts";

export interface ObserveRequest {
  readonly fleet: string;
  readonly fleet_id?: string;
  /** Canonical names the fleet wants, by engine key. */
  readonly names: Readonly<Record<string, readonly string[]>>;
  /** Engine names of the networks the fleet wants, by engine key. */
  readonly networks?: Readonly<Record<string, readonly string[]>>;
  readonly addresses?: readonly string[];
  readonly neighbours?: boolean;
}

export function scopeOf(request: ObserveRequest, engine: string): ObserveScope {
  const { names, networks, ...scope } = request;
  const wanted = networks?.[engine];
  return { ...scope, names: names[engine] ?? [], ...(wanted === undefined ? {} : { networks: wanted }) };
}

export async function observe(
  engines: readonly OpenEngine[],
  request: ObserveRequest,
): Promise<Observation[]> {
  return Promise.all(engines.map((engine) => observeOne(engine, request)));
}

async function observeOne(engine: OpenEngine, request: ObserveRequest): Promise<Observation> {
  const { backend, host } = engine.ref;
  const unobserved = (failure: EngineFailure): Observation => ({
    status: "unobserved",
    backend,
    host,
    ...failure,
  });
  if ("failure" in engine) return unobserved(engine.failure);
  try {
    const observation = await inTime(engine.reader.observe(scopeOf(request, engineKey(engine.ref))));
    if (observation === undefined) {
      return unobserved(LATE);
    }
    // The host's name is the fleet's, whatever the driver calls its endpoint.
    return { ...observation, backend, host };
  } catch (thrown) {
    return unobserved(failureOf(thrown));
  }
}
