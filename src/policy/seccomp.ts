import type { Json, JsonObject } from "../model/json.ts";
import { isList, isTable } from "../model/json.ts";

/** Every action but these ends or refuses a call. */
const PERMISSIVE: ReadonlySet<Json | undefined> = new Set([
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_LOG",
  "SCMP_ACT_TRACE",
]);

/** Whether a profile surely stops no system call. What is no profile the driver refuses. */
export function allowsAll(text: string | undefined): boolean {
  try {
    const profile: Json = JSON.parse(text ?? "");
    if (!isTable(profile) || !PERMISSIVE.has(anyCase(profile, "defaultAction"))) return false;
    const calls = anyCase(profile, "syscalls");
    return !isList(calls) || !calls.some(refusesACall);
  } catch {
    return false;
  }
}

/** An entry that names nothing, or that holds only on some machines, refuses nothing for sure. */
function refusesACall(entry: Json): boolean {
  if (!isTable(entry) || PERMISSIVE.has(anyCase(entry, "action"))) return false;
  const names = anyCase(entry, "names");
  const named = (isList(names) && names.length > 0) || anyCase(entry, "name") !== undefined;
  const conditions = ["includes", "excludes"].map((key) => anyCase(entry, key));
  return named && !conditions.some((each) => isTable(each) && Object.keys(each).length > 0);
}

/** Engines read keys of any case, and of two that differ in nothing else the last. */
function anyCase(table: JsonObject, key: string): Json | undefined {
  return Object.entries(table).findLast(([each]) => each.toLowerCase() === key.toLowerCase())?.[1];
}
