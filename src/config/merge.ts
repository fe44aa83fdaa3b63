import type { Diagnostic } from "../model/diagnostic.ts";
import { type KeyPath, formatKeyPath } from "../model/source.ts";
import { diagnose } from "./document.ts";
import type { GatheredFile } from "./gather.ts";
import { explainIssues } from "./issues.ts";
import { type KeyNode, findKey, nearestKey } from "./key-tree.ts";
import { LIMITS } from "./limits.ts";
import { ROOT_ONLY_KEYS, includeSchema } from "./schema/root.ts";
import { type Table, isTable, withoutKeys } from "./table.ts";

export interface Merged {
  readonly value: Table;
  readonly keys: KeyNode;
  readonly diagnostics: readonly Diagnostic[];
}

/** One file's share of a table. */
interface Part {
  readonly value: Table;
  readonly keys: KeyNode;
}

/** The root file and its fragments as one config. No key may be set twice. */
export function mergeFiles(rootFile: GatheredFile, fragments: readonly GatheredFile[]): Merged {
  const diagnostics: Diagnostic[] = [];
  const parts: Part[] = [rootFile.parsed];
  for (const { parsed } of fragments) {
    diagnostics.push(...checkFragment(parsed));
    parts.push({ value: withoutKeys(parsed.value, staysInItsFile), keys: parsed.keys });
  }
  return { ...mergeParts(parts, [], diagnostics), diagnostics };
}

function staysInItsFile(key: string): boolean {
  return key === "include" || ROOT_ONLY_KEYS.has(key);
}

/** What a fragment may not say, and the one key of its own that the merged config does not keep. */
function checkFragment({ value, keys }: Part): readonly Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const key of ROOT_ONLY_KEYS) {
    const node = Object.hasOwn(value, key) ? nearestKey(keys, [key]) : undefined;
    if (node === undefined) continue;
    const message = `only the root config may set ${key}`;
    found.push(diagnose(node, { code: "root-only-key", message, hint: "remove it here", path: [key] }));
  }
  if (Object.hasOwn(value, "include")) {
    const outcome = includeSchema.safeParse(value["include"]);
    const seen = { schema: includeSchema, value: value["include"], keys, path: ["include"] };
    if (!outcome.success) found.push(...explainIssues(outcome.error.issues, seen));
  }
  return found;
}

function mergeParts(
  parts: readonly Part[],
  path: KeyPath,
  diagnostics: Diagnostic[],
): { value: Table; keys: KeyNode } {
  const [first, ...others] = parts;
  if (first === undefined) throw new RangeError("a config is merged from at least one file");
  if (others.length === 0) return first;
  const sharing = new Map<string, Part[]>();
  for (const part of parts) {
    for (const key of Object.keys(part.value)) {
      const sharers = sharing.get(key);
      if (sharers === undefined) sharing.set(key, [part]);
      else sharers.push(part);
    }
  }
  const value: Record<string, unknown> = {};
  const children = new Map<string | number, KeyNode>();
  for (const [key, sharers] of sharing) {
    const merged = mergeKey(sharers, [...path, key], diagnostics);
    value[key] = merged.value;
    children.set(key, merged.keys);
  }
  const { document, offset } = first.keys;
  return { value, keys: { document, offset, children } };
}

/** Tables of several files merge; an agent or a host is one thing and stands in one file. */
function mergeKey(
  sharers: readonly Part[],
  path: KeyPath,
  diagnostics: Diagnostic[],
): { value: unknown; keys: KeyNode } {
  const key = String(path.at(-1));
  const [first, ...others] = sharers.map(({ value, keys }) => {
    return { value: value[key], keys: nearestKey(keys, [key]) };
  });
  if (first === undefined) throw new RangeError("a key is merged from at least one file");
  if (others.length === 0) return first;
  const tables = [first, ...others].filter((part): part is Part => isTable(part.value));
  if (tables.length === sharers.length && !isOneThing(path)) return mergeParts(tables, path, diagnostics);
  for (const other of others.slice(0, LIMITS.diagnostics + 1)) {
    const { file, line, column } = first.keys.document.at(first.keys.offset);
    diagnostics.push(
      diagnose(other.keys, {
        code: "set-twice",
        message: `${formatKeyPath(path)} is already set at ${file}:${line}:${column}`,
        hint: "keep one of the two",
        path,
      }),
    );
  }
  return first;
}

function isOneThing(path: KeyPath): boolean {
  return path.length === 2 && (path[0] === "agents" || path[0] === "hosts");
}

/** Which of a fleet folder's files is the root: the one with `version` or `fleet`. */
export function chooseRoot(files: readonly GatheredFile[], folder: string): GatheredFile | Diagnostic {
  const candidates = files.filter(({ parsed, discovered }) => {
    return discovered && (Object.hasOwn(parsed.value, "version") || Object.hasOwn(parsed.value, "fleet"));
  });
  const [root, second] = candidates;
  if (root === undefined) {
    return diagnose(folder, {
      code: "no-root",
      message: `no file of the folder ${folder} sets version and fleet`,
      hint: "add version and fleet to exactly one of them",
    });
  }
  if (second === undefined) return root;
  const [here, there] = [second, root].map(({ parsed: { keys } }) => {
    return findKey(keys, ["version"]) ?? nearestKey(keys, ["fleet"]);
  });
  const at = there?.document.at(there.offset);
  return diagnose(here ?? folder, {
    code: "two-roots",
    message: `two files of one folder set version or fleet; the other is ${at?.file}:${at?.line}:${at?.column}`,
    hint: "keep version and fleet in one of them",
  });
}
