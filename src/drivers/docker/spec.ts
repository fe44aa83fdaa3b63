import { resolve } from "node:path";
import { posix } from "node:path";
import type { Json, JsonObject } from "../../model/json.ts";
import type { PathFacts } from "../driver.ts";
import { exactCpus, impliedSwap } from "./limits.ts";
import type { Section } from "./section.ts";
import { readSection } from "./section.ts";

/**
 * The docker section in canonical form, frozen for hash version 1: real paths, sorted sets, no empty lists or tables.
 * What `values.ts` reads back from an engine has exactly this form, so that equal means equal.
 */
export function normalise(options: JsonObject, facts: PathFacts): JsonObject {
  const section = readSection(options);
  const seccomp = section.seccomp === undefined ? undefined : profileText(section.seccomp, facts);
  return compact({
    image: section.image,
    image_policy: section.image_policy,
    command: section.command === undefined ? undefined : [...section.command],
    user: section.user,
    workdir: section.workdir === undefined ? undefined : cleanPath(section.workdir),
    binds: normaliseBinds(section, facts),
    network: section.network === "default" ? "bridge" : section.network,
    memory: section.memory,
    memory_swap: normaliseSwap(section),
    cpus: section.cpus === undefined ? undefined : exactCpus(section.cpus),
    pids: section.pids,
    ulimits: Object.fromEntries(
      Object.entries(section.ulimits).map(([name, limit]) => [
        name,
        typeof limit === "number" ? { soft: limit, hard: limit } : { ...limit },
      ]),
    ),
    tmpfs: sorted(new Map(section.tmpfs.map((text) => tmpfsEntry(text))).values()),
    read_only_root: section.read_only_root,
    cap_drop: sorted(new Set(section.cap_drop)),
    seccomp,
    apparmor: section.apparmor,
    dns: [...section.dns],
    extra_hosts: sorted(new Set(section.extra_hosts)),
    gpus: section.gpus,
    init: section.init,
    no_new_privileges: section.no_new_privileges,
    restart: section.restart,
    labels: { ...section.labels },
    stop_timeout: section.stop_timeout,
    allowed_roots: sorted(new Set(section.allowed_roots.map((path) => realPath(path, facts)))),
  });
}

/** Engines take and tell a capability with or without its prefix, each in its own way. */
export function plainCapability(name: string): string {
  return name.replace(/^CAP_/, "");
}

/** Without a word about swap the engine allows twice the memory, so the spec says so as well. */
function normaliseSwap(section: Section): number | "unlimited" | undefined {
  if (section.memory === undefined) return undefined;
  return section.memory_swap ?? impliedSwap(section.memory);
}

function normaliseBinds(section: Section, facts: PathFacts): JsonObject[] {
  const byTarget = new Map<string, JsonObject>();
  for (const { source, target, mode } of section.binds) {
    byTarget.set(cleanPath(target), {
      source: realPath(source, facts),
      target: cleanPath(target),
      mode,
    });
  }
  return [...byTarget].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, bind]) => bind);
}

function realPath(path: string, facts: PathFacts): string {
  const expanded = path === "~" || path.startsWith("~/") ? facts.home + path.slice(1) : path;
  return facts.realPath(resolve(facts.root, expanded));
}

/**
 * A seccomp profile travels as its text, so that a moved checkout changes nothing and an edited file does.
 * A file that cannot be read stays a path, which `create` refuses.
 */
function profileText(value: string, facts: PathFacts): string | undefined {
  if (value === "default") return undefined;
  if (value === "unconfined") return value;
  const path = realPath(value, facts);
  try {
    return JSON.stringify(JSON.parse(facts.readText(path) ?? ""));
  } catch {
    return path;
  }
}

/** `/tmp` and `/tmp:size=64m,exec` as [path, text with sorted options]. */
export function tmpfsEntry(text: string): [path: string, text: string] {
  const colon = text.indexOf(":");
  const path = cleanPath(colon < 0 ? text : text.slice(0, colon));
  const options = colon < 0 ? [] : text.slice(colon + 1).split(",");
  return [path, options.length === 0 ? path : `${path}:${sorted(options).join(",")}`];
}

function cleanPath(path: string): string {
  const clean = posix.normalize(path);
  return clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
}

export function sorted(values: Iterable<string>): string[] {
  return [...values].toSorted();
}

/** Drops what is absent or empty: an empty list and none at all are the same runtime. */
function compact(values: Readonly<Record<string, Json | undefined>>): JsonObject {
  const kept: Record<string, Json> = {};
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined || value === null) continue;
    if (typeof value === "object" && Object.keys(value).length === 0) continue;
    kept[key] = value;
  }
  return kept;
}
