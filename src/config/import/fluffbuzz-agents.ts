import type { KeyPath } from "../../model/source.ts";
import { diagnose } from "../document.ts";
import { nearestKey } from "../key-tree.ts";
import { entriesAt, isTable, valueAt } from "../table.ts";
import { freeName } from "./free-name.ts";
import { type Walk, wrongType } from "./rows.ts";

/** One agent of the source file. */
export interface Agent {
  readonly id: string;
  /** What it is called here. */
  readonly name: string;
  /** Where its table stands. */
  readonly at: KeyPath;
}

type Scene = Pick<Walk, "keys" | "diagnostics"> & { readonly value: unknown };

/** Agents of both notations, with names that sandkeep takes. */
export function readAgents(scene: Scene): readonly Agent[] {
  const { value } = scene;
  const found: { readonly id: unknown; readonly at: KeyPath; readonly key: KeyPath }[] = [];
  const list = valueAt(value, ["agents", "list"]);
  if (Array.isArray(list))
    for (const index of list.keys()) {
      const at = ["agents", "list", index];
      if (!isTable(list[index])) wrongType({ ...scene, at }, [], "a table");
      else found.push({ id: list[index]["id"], at, key: [...at, "id"] });
    }
  else if (list !== undefined) wrongType({ ...scene, at: [] }, ["agents", "list"], "a list of tables");
  const entries = valueAt(value, ["agents", "entries"]);
  if (entries !== undefined && !isTable(entries))
    wrongType({ ...scene, at: [] }, ["agents", "entries"], "a table");
  for (const [id, agent] of entriesAt(value, ["agents", "entries"])) {
    const at = ["agents", "entries", id];
    if (isTable(agent)) found.push({ id, at, key: at });
    else wrongType({ ...scene, at }, [], "a table");
  }
  const seen = new Set<string>();
  const taken = new Set<string>();
  const agents: Agent[] = [];
  for (const { id, at, key } of found) {
    if (typeof id !== "string" || id.trim() === "")
      wrongType({ ...scene, at }, ["id"], "the agent's id, a text");
    else if (seen.has(id)) repeated(scene, key, id);
    else {
      seen.add(id);
      agents.push({ id, at, name: freeName(id, "agent", taken) });
    }
  }
  return agents;
}

function repeated({ keys, diagnostics }: Scene, path: KeyPath, id: string): void {
  const message = `an agent ${JSON.stringify(id.slice(0, 60))} is already declared in this file`;
  const hint = "keep one of the two in the source file; nothing was written";
  diagnostics.push(diagnose(nearestKey(keys, path), { code: "duplicate-agent", message, hint, path }));
}

export const DEFAULTS: KeyPath = ["agents", "defaults"];

/** Tables that may hold a `sandbox`: the defaults', and each agent's. */
export function owners(value: unknown): readonly unknown[] {
  const list = valueAt(value, ["agents", "list"]);
  const entries = entriesAt(value, ["agents", "entries"]).map(([, agent]) => agent);
  return [valueAt(value, DEFAULTS), ...(Array.isArray(list) ? list : []), ...entries];
}

/** The scope a table asks for, in the old notation too. */
export function scopeOf(sandbox: unknown): unknown {
  const perSession = valueAt(sandbox, ["perSession"]);
  const old = perSession === undefined ? undefined : perSession === true ? "session" : "shared";
  return valueAt(sandbox, ["scope"]) ?? old;
}
