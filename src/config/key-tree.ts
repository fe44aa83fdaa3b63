import type { Diagnostic } from "../model/diagnostic.ts";
import type { KeyPath } from "../model/source.ts";
import { type ConfigDocument, type Fault, diagnose, quote } from "./document.ts";
import { LIMITS } from "./limits.ts";

/** Where each key of a config is written: a tree with the shape of the config's value. */
export interface KeyNode {
  readonly document: ConfigDocument;
  readonly offset: number;
  readonly children: ReadonlyMap<string | number, KeyNode> | undefined;
}

/** A node while its tree grows. */
export interface KeyBranch extends KeyNode {
  offset: number;
  children: Map<string | number, KeyBranch> | undefined;
  readonly key: string | number;
  readonly parent: KeyBranch | undefined;
  readonly depth: number;
  /** False while the key was only passed through, as `a` in `[a.b]`. */
  explicit: boolean;
  /** Index of the newest element of a TOML array of tables. */
  last: number;
}

/** What both scanners share: the tree, the limits, and what was found wrong on the way. */
export interface Growth {
  readonly document: ConfigDocument;
  readonly root: KeyBranch;
  readonly diagnostics: Diagnostic[];
  /** Set when a limit is passed: the text must not reach a parser. */
  halted: boolean;
  count: number;
}

export interface KeyScan {
  readonly root: KeyNode;
  readonly diagnostics: readonly Diagnostic[];
  readonly halted: boolean;
}

/** Keys that change what an object is in JavaScript, here and in the tools that read our JSON. */
const RESERVED_KEYS: ReadonlySet<string | number> = new Set(["__proto__", "constructor", "prototype"]);

export function isReservedKey(key: string | number): boolean {
  return RESERVED_KEYS.has(key);
}

export function startGrowth(document: ConfigDocument): Growth {
  const root: KeyBranch = {
    document,
    offset: 0,
    children: undefined,
    key: "",
    parent: undefined,
    depth: 0,
    explicit: true,
    last: -1,
  };
  return { document, root, diagnostics: [], halted: false, count: 0 };
}

/** The child under `key`, made at `offset` when it is new; undefined once a limit is passed. */
export function growChild(
  growth: Growth,
  parent: KeyBranch,
  key: string | number,
  offset: number,
): KeyBranch | undefined {
  const existing = parent.children?.get(key);
  if (existing !== undefined) return existing;
  if (parent.depth >= LIMITS.depth) return halt(growth, offset, tooDeep(pathOf(parent)));
  if (++growth.count > LIMITS.keysPerFile) return halt(growth, offset, TOO_MANY);
  const child: KeyBranch = {
    document: growth.document,
    offset,
    children: undefined,
    key,
    parent,
    depth: parent.depth + 1,
    explicit: false,
    last: -1,
  };
  parent.children ??= new Map();
  parent.children.set(key, child);
  if (isReservedKey(key)) reportKey(growth, offset, reservedKey(key, pathOf(child)));
  return child;
}

export function reportKey(growth: Growth, offset: number, fault: Fault): void {
  if (growth.diagnostics.length > LIMITS.diagnostics && !growth.halted) return;
  growth.diagnostics.push(diagnose({ document: growth.document, offset }, fault));
}

export function halt(growth: Growth, offset: number, fault: Fault): undefined {
  growth.halted = true;
  reportKey(growth, offset, fault);
}

export function pathOf(branch: KeyBranch): KeyPath {
  const path: (string | number)[] = [];
  for (let at = branch; at.parent !== undefined; at = at.parent) path.unshift(at.key);
  return path;
}

export function findKey(root: KeyNode, path: KeyPath): KeyNode | undefined {
  let node: KeyNode | undefined = root;
  for (const key of path) node = node?.children?.get(key);
  return node;
}

/** The deepest key on the way to `path` that is written somewhere: where a missing key belongs. */
export function nearestKey(root: KeyNode, path: KeyPath): KeyNode {
  let node = root;
  for (const key of path) {
    const next = node.children?.get(key);
    if (next === undefined) break;
    node = next;
  }
  return node;
}

export function tooDeep(path: KeyPath): Fault {
  return {
    code: "too-deep",
    message: `nested deeper than ${LIMITS.depth} levels`,
    hint: "no sandkeep key is nested this deep; remove the extra levels",
    // The whole path would bury the message.
    path: path.slice(0, 4),
  };
}

const TOO_MANY: Fault = {
  code: "too-many-keys",
  message: `more than ${LIMITS.keysPerFile} keys and array elements in one file`,
  hint: "split the file with include",
};

function reservedKey(key: string | number, path: KeyPath): Fault {
  return {
    code: "reserved-key",
    message: `the key ${quote(String(key))} is not allowed in a config`,
    hint: "rename it",
    path,
  };
}
