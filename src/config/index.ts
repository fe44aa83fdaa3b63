/**
 * In: where to look (a file, a folder, or the folder to walk up from).
 * Out: one validated config with the place of every key, or every problem at once.
 * It fills no defaults, resolves no reference and looks at no engine.
 */
import { resolve } from "node:path";
import type { Diagnostic } from "../model/diagnostic.ts";
import type { KeyPath, Source } from "../model/source.ts";
import { type Discovered, discoverConfig, showPath } from "./discover.ts";
import { compareText, diagnose, sortDiagnostics } from "./document.ts";
import { type Gathered, type GatheredFile, gatherFiles } from "./gather.ts";
import { type KeyNode, findKey, isReservedKey } from "./key-tree.ts";
import { type LockEntry, readLock } from "./lock.ts";
import { type Merged, chooseRoot, mergeFiles } from "./merge.ts";
import { parseText } from "./parse.ts";
import type { Config } from "./schema/root.ts";
import { validate } from "./validate.ts";

export interface LoadRequest {
  /** A config file or a fleet folder; without it the nearest root file from `cwd` upwards. */
  readonly file?: string;
  readonly cwd: string;
  /** Names of the backends this sandkeep has. */
  readonly backends: readonly string[];
}

export interface ConfigFile {
  /** Relative to `LoadedConfig.root`, with forward slashes. */
  readonly path: string;
  readonly sha256: string;
}

export interface LoadedConfig {
  /** Absolute. */
  readonly rootFile: string;
  /** The root file's real folder: relative paths resolve against it, those of included files too. */
  readonly root: string;
  /** What `sandkeep.lock` beside the root file says; empty without one. */
  readonly lock?: readonly LockEntry[];
  /** Every file that was read, the lock file too, by path. */
  readonly files: readonly ConfigFile[];
  readonly config: Config;
  /** Where a key or list element is written; undefined when it is not written. */
  locate(path: KeyPath): Source | undefined;
}

/** Diagnostics of a good config are warnings. They are sorted by file, line and column. */
export type LoadResult =
  | { readonly ok: true; readonly loaded: LoadedConfig; readonly diagnostics: readonly Diagnostic[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

export async function loadConfig(request: LoadRequest): Promise<LoadResult> {
  const cwd = resolve(request.cwd);
  const found = discoverConfig(request.file, cwd);
  if (!found.ok) {
    const { file, fault } = found;
    if (file !== undefined) return failed([diagnose(file, fault)]);
    const { code, message, hint } = fault;
    return failed([{ severity: "error", code, message, path: "", hint }]);
  }
  const gathered = await gatherFiles(found, cwd);
  const { files, diagnostics } = gathered;
  const rootFile = rootOf(found, gathered, cwd);
  if (rootFile === undefined) return failed(diagnostics);
  if (!("parsed" in rootFile)) return failed([...diagnostics, rootFile]);
  const fragments = files.filter((file) => file !== rootFile);
  const merged = mergeFiles(rootFile, fragments);
  const known = [...diagnostics, ...merged.diagnostics];
  const outcome = validate(merged, request.backends, gathered.complete);
  const lock = await readLock(rootFile.path, cwd);
  const all = sortDiagnostics([...known, ...outcome.diagnostics, ...lock.diagnostics]);
  if (outcome.config === undefined || hasErrors(all)) return failed(all);
  const read = files.map(({ name, sha256 }) => ({ path: name, sha256 }));
  return {
    ok: true,
    loaded: {
      rootFile: rootFile.path,
      root: found.root,
      lock: lock.entries,
      files: [...read, ...(lock.file === undefined ? [] : [lock.file])].toSorted((a, b) =>
        compareText(a.path, b.path),
      ),
      config: outcome.config,
      locate: (path) => locate(merged.keys, path),
    },
    diagnostics: all,
  };
}

export type ParsedConfigText =
  | { readonly ok: true; readonly config: Config; readonly diagnostics: readonly Diagnostic[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

/** Checks one text as a whole config, without any file: its includes are not followed. */
export async function parseConfigText(
  name: string,
  text: string,
  backends: readonly string[],
): Promise<ParsedConfigText> {
  const { parsed, diagnostics } = await parseText(name, text);
  if (parsed === undefined) return failed(diagnostics);
  const merged: Merged = { value: parsed.value, keys: parsed.keys, diagnostics };
  const outcome = validate(merged, backends, true);
  const all = sortDiagnostics([...diagnostics, ...outcome.diagnostics]);
  if (outcome.config === undefined || hasErrors(all)) return failed(all);
  return { ok: true, config: outcome.config, diagnostics: all };
}

/** The file that speaks for the fleet; undefined when it could not be read, which is reported already. */
function rootOf(
  found: Discovered,
  { files, complete }: Gathered,
  cwd: string,
): GatheredFile | Diagnostic | undefined {
  const [only, ...others] = found.files;
  if (others.length === 0) return files.find(({ path }) => path === only);
  const root = chooseRoot(files, showPath(found.folder, cwd));
  // A fragment that could not be read may have been the root.
  return "parsed" in root || complete ? root : undefined;
}

function locate(keys: KeyNode, path: KeyPath): Source | undefined {
  if (path.some(isReservedKey)) return undefined;
  const node = findKey(keys, path);
  return node?.document.at(node.offset);
}

function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ severity }) => severity === "error");
}

function failed(diagnostics: readonly Diagnostic[]): {
  readonly ok: false;
  readonly diagnostics: readonly Diagnostic[];
} {
  return { ok: false, diagnostics: sortDiagnostics(diagnostics) };
}
