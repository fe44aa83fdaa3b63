import type { Diagnostic } from "../model/diagnostic.ts";
import { THIS_HOST } from "../model/names.ts";
import type { KeyPath } from "../model/source.ts";
import { listWords, nearestWord } from "../util/suggestion.ts";
import { type Fault, diagnose, quote } from "./document.ts";
import { nearestKey } from "./key-tree.ts";
import { LIMITS } from "./limits.ts";
import type { Merged } from "./merge.ts";
import { entriesAt, isTable, valueAt } from "./table.ts";

/** Names kept for backends to come, so that a config that uses one is told so. */
const RESERVED_BACKENDS: readonly string[] = ["openshell", "qemu", "kubernetes"];

interface Finding extends Fault {
  readonly path: KeyPath;
}

interface Facts {
  readonly value: unknown;
  readonly backends: readonly string[];
  readonly agents: readonly (readonly [string, unknown])[];
  /** `sandbox` and every agent's `sandbox`. */
  readonly sandboxes: readonly KeyPath[];
  readonly hosts: ReadonlySet<string>;
}

/**
 * What a schema cannot say: keys that must agree with each other. It reads the values as written, so that it
 * works beside other mistakes.
 */
export function checkReferences(merged: Merged, backends: readonly string[]): readonly Diagnostic[] {
  const agents = entriesAt(merged.value, ["agents"]);
  const withSandbox = agents.filter(([, agent]) => isTable(agent) && Object.hasOwn(agent, "sandbox"));
  const facts: Facts = {
    value: merged.value,
    backends,
    agents,
    sandboxes: [["sandbox"], ...withSandbox.map(([name]) => ["agents", name, "sandbox"])],
    hosts: new Set(entriesAt(merged.value, ["hosts"]).map(([name]) => name)),
  };
  return RULES.flatMap((rule) => rule(facts)).map((finding) => {
    return diagnose(nearestKey(merged.keys, finding.path), finding);
  });
}

const RULES: readonly ((facts: Facts) => readonly Finding[])[] = [
  missingFleetId,
  unknownHosts,
  unknownBackends,
  repeatedSessions,
];

function missingFleetId({ value }: Facts): readonly Finding[] {
  if (valueAt(value, ["fleet_id"]) !== undefined || valueAt(value, ["fleet"]) === undefined) return [];
  return [
    {
      severity: "warning",
      code: "no-fleet-id",
      message: "no fleet_id: the name alone owns what this fleet makes",
      hint: "add fleet_id, 4 to 32 random letters and digits, so that another fleet of this name stays foreign",
      path: ["fleet"],
    },
  ];
}

function unknownHosts({ value, sandboxes, hosts }: Facts): readonly Finding[] {
  const hint = (name: string): string => {
    if (hosts.size === 0) return `declare it as [hosts.${name}], or remove this key`;
    const near = nearestWord(name, hosts);
    return near === undefined ? `declared hosts: ${listWords(hosts)}` : `did you mean "${near}"?`;
  };
  return textsAt(value, sandboxes, "host")
    .filter(({ text }) => text !== THIS_HOST && !hosts.has(text))
    .slice(0, LIMITS.diagnostics + 1)
    .map(({ text, path }) => {
      const message = `expected the name of a host in [hosts], got ${quote(text)}`;
      return { code: "unknown-host", message, hint: hint(text), path };
    });
}

function unknownBackends({ value, sandboxes, backends }: Facts): readonly Finding[] {
  return textsAt(value, sandboxes, "backend").flatMap(({ text, path }) => {
    if (backends.includes(text)) return [];
    const known = listWords(backends);
    if (RESERVED_BACKENDS.includes(text)) {
      const message = `the backend ${quote(text)} is reserved for later`;
      return [{ code: "reserved-backend", message, hint: `this sandkeep has: ${known}`, path }];
    }
    const near = nearestWord(text, backends);
    const message = `expected one of ${known}, got ${quote(text)}`;
    const hint = near === undefined ? `this sandkeep has: ${known}` : `did you mean "${near}"?`;
    return [{ code: "unknown-backend", message, hint, path }];
  });
}

function repeatedSessions({ agents }: Facts): readonly Finding[] {
  return agents.flatMap(([name, agent]) => {
    const sessions = valueAt(agent, ["sessions"]);
    if (!Array.isArray(sessions)) return [];
    const seen = new Set<unknown>();
    return sessions.flatMap((session: unknown, index) => {
      const isRepeated = seen.has(session);
      seen.add(session);
      if (typeof session !== "string" || !isRepeated) return [];
      const path = ["agents", name, "sessions", index];
      const message = `the session ${quote(session)} is listed twice`;
      return [{ code: "duplicate-session", message, hint: "remove one of the two", path }];
    });
  });
}

function textsAt(
  value: unknown,
  tables: readonly KeyPath[],
  key: string,
): readonly { readonly text: string; readonly path: KeyPath }[] {
  return tables.flatMap((table) => {
    const path = [...table, key];
    const text = valueAt(value, path);
    return typeof text === "string" && text.trim() !== "" ? [{ text, path }] : [];
  });
}
