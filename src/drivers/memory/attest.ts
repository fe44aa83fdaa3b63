import type { Check } from "../../model/attestation.ts";
import type { Spec } from "../../model/spec.ts";
import { equalJson, getPath } from "../../util/json-path.ts";
import { memoryError } from "./errors.ts";
import type { MemoryObject } from "./machine.ts";
import type { MemoryWorld } from "./world.ts";

/** What a command inside could find out. */
const PROMISES = ["workspace.access", "memory.memory", "memory.cpus", "memory.network"] as const;

/** An engine of this backend enforces what it shows, but for what the world lets it only pretend. */
export function attestObject(world: MemoryWorld, object: MemoryObject, spec: Spec): Check[] {
  if (object.state !== "running") throw memoryError("conflict", `${object.name} is not running`);
  return PROMISES.flatMap((path): Check[] => {
    const asked = getPath(spec.values, path);
    if (asked === undefined) return [];
    if (world.blind) return [{ path, status: "unknown", asked, found: null, why: "nobody can look" }];
    const found = world.unkept.has(path) ? null : (object.fields[path] ?? null);
    return [{ path, status: equalJson(found, asked) ? "held" : "broken", asked, found, why: "what holds" }];
  });
}
