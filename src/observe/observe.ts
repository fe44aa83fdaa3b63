/**
 * In: open engines and what the fleet calls its runtimes. Out: one observation an engine, side by side.
 * Read-only by type. An engine that fails or is too slow is *unobserved*, which is never "nothing there".
 */
import type { ObserveScope } from "../drivers/driver.ts";
import type { Observation } from "../model/observed.ts";
import type { EngineFailure, EngineRef, OpenEngine } from "./engines.ts";
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
  const observations = await Promise.all(engines.map((engine) => observeOne(engine, request)));
  return observations.map((each, index) => {
    const ref = engines[index]?.ref;
    return ref === undefined || ref.declared ? each : unlessTwice(each, ref, engines, observations);
  });
}

/**
 * An old place may be the new one under another name. What a declared engine shows is no orphan, and while that one cannot
 * be seen nothing is known of the old place either.
 */
function unlessTwice(
  old: Observation,
  ref: EngineRef,
  engines: readonly OpenEngine[],
  all: readonly Observation[],
): Observation {
  if (old.status !== "complete") return old;
  const declared = all.filter((each, index) => {
    return engines[index]?.ref.declared === true && each.backend === ref.backend;
  });
  const successor = declared.find(({ host }) => host === ref.former);
  if (successor?.status === "unobserved") {
    const message = `not looked at while ${successor.host}, which may be the same place, cannot be observed`;
    const { backend, host } = ref;
    return { status: "unobserved", backend, host, kind: "unreachable", message, hint: undefined };
  }
  const seen = declared.flatMap((each) => (each.status === "complete" ? [each] : []));
  const ids = new Set(
    seen.flatMap((each) => [...each.runtimes, ...each.foreign].map((one) => one.object_id)),
  );
  const marks = new Set(seen.flatMap((each) => each.dormant.map((mark) => `${mark.address} ${mark.since}`)));
  return {
    ...old,
    runtimes: old.runtimes.filter((each) => !ids.has(each.object_id)),
    foreign: old.foreign.filter((each) => !ids.has(each.object_id)),
    dormant: old.dormant.filter((mark) => !marks.has(`${mark.address} ${mark.since}`)),
  };
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
