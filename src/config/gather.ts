import { realpathSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { toError } from "../errors.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import { type Discovered, isOutside, showPath } from "./discover.ts";
import { type Fault, type Place, diagnose } from "./document.ts";
import { expandPattern } from "./include-pattern.ts";
import { nearestKey } from "./key-tree.ts";
import { LIMITS } from "./limits.ts";
import { type ParsedConfig, parseText } from "./parse.ts";
import { isThere, readConfigText, unreadable } from "./read.ts";

export interface GatheredFile {
  /** Absolute, as found. */
  readonly path: string;
  /** Relative to the root folder, with forward slashes. */
  readonly name: string;
  readonly sha256: string;
  readonly parsed: ParsedConfig;
  /** True for what discovery found, false for a file that only an include names. */
  readonly discovered: boolean;
}

export interface Gathered {
  readonly files: readonly GatheredFile[];
  /** False when a file or an include could not be read. */
  readonly complete: boolean;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads the discovered files and, depth first, what they include. Each file is read once. */
export async function gatherFiles(found: Discovered, cwd: string): Promise<Gathered> {
  const gathering: Gathering = {
    found,
    discovered: new Set(found.files),
    cwd,
    boundary: boundaryOf(found.root),
    seen: new Set(),
    files: [],
    diagnostics: [],
    complete: true,
    bytes: 0,
  };
  for (const path of found.files) {
    await gatherFile(gathering, { path, place: showPath(path, cwd), keys: [], chain: [] });
  }
  return gathering;
}

interface Gathering {
  readonly found: Discovered;
  readonly discovered: ReadonlySet<string>;
  readonly cwd: string;
  /** No file outside this folder is read. */
  readonly boundary: string;
  readonly seen: Set<string>;
  readonly files: GatheredFile[];
  readonly diagnostics: Diagnostic[];
  complete: boolean;
  bytes: number;
}

/** One file to read: who asks for it, and through which files the asking went. */
interface Request {
  readonly path: string;
  readonly place: Place;
  readonly keys: readonly (string | number)[];
  readonly chain: readonly { readonly real: string; readonly shown: string }[];
}

async function gatherFile(gathering: Gathering, request: Request): Promise<void> {
  const { path, place, keys, chain } = request;
  const shown = showPath(path, gathering.cwd);
  const complain = (fault: Fault): void => {
    gathering.complete = false;
    gathering.diagnostics.push(diagnose(place, { ...fault, path: keys }));
  };
  const real = realOf(path, shown);
  if (typeof real !== "string") return complain(real);
  const refusal = refuse(gathering, request, real, shown);
  if (refusal !== undefined) return complain(refusal);
  if (gathering.seen.has(real)) return;
  gathering.seen.add(real);
  const read = readConfigText(path, shown);
  if (!read.ok) {
    gathering.complete = false;
    return "fault" in read ? complain(read.fault) : void gathering.diagnostics.push(read.diagnostic);
  }
  gathering.bytes += read.size;
  if (gathering.bytes > LIMITS.totalBytes) return complain(TOO_MUCH);
  const { parsed, diagnostics } = await parseText(shown, read.text);
  gathering.diagnostics.push(...diagnostics);
  if (parsed === undefined) return void (gathering.complete = false);
  gathering.files.push({
    path,
    name: relative(gathering.found.folder, path).split(sep).join("/"),
    sha256: read.sha256,
    parsed,
    discovered: gathering.discovered.has(path),
  });
  await followIncludes(gathering, parsed, [...chain, { real, shown }]);
}

async function followIncludes(
  gathering: Gathering,
  parsed: ParsedConfig,
  chain: Request["chain"],
): Promise<void> {
  const patterns = parsed.value["include"];
  // A wrong include is reported by validation, like any other key.
  if (!Array.isArray(patterns)) return;
  for (const [index, pattern] of patterns.entries()) {
    if (typeof pattern !== "string" || pattern.trim() === "" || pattern.includes("\0")) continue;
    const keys = ["include", index];
    const place = { document: parsed.document, offset: nearestKey(parsed.keys, keys).offset };
    const found = await expandPattern(pattern, gathering.found.folder);
    if ("code" in found) {
      gathering.complete = false;
      gathering.diagnostics.push(diagnose(place, { ...found, path: keys }));
    } else if (found.length === 0) {
      gathering.diagnostics.push(diagnose(place, { ...matchesNothing(pattern), path: keys }));
    } else {
      for (const name of found) {
        await gatherFile(gathering, { path: join(gathering.found.folder, name), place, keys, chain });
      }
    }
  }
}

/** Why a file that exists is not read. */
function refuse(gathering: Gathering, { chain }: Request, real: string, shown: string): Fault | undefined {
  if (chain.length > 0 && isOutside(relative(gathering.boundary, real))) {
    return {
      code: "include-outside",
      message: `${shown} lies outside ${gathering.boundary}`,
      hint: "include only files of this repository; a link that leaves it counts as outside",
    };
  }
  const loop = chain.findIndex((step) => step.real === real);
  if (loop >= 0) {
    const names = [...chain.slice(loop).map((step) => step.shown), shown];
    return {
      code: "include-cycle",
      message: `files include each other in a circle: ${names.join(" -> ")}`,
      hint: "remove one of these includes, or narrow its pattern",
    };
  }
  if (chain.length > LIMITS.includeDepth) {
    return {
      code: "include-too-deep",
      message: `includes lead through more than ${LIMITS.includeDepth} files`,
      hint: "include the files from the root config",
    };
  }
  if (gathering.files.length >= LIMITS.files) {
    return {
      code: "too-many-files",
      message: `more than ${LIMITS.files} config files`,
      hint: "narrow the include patterns",
    };
  }
  return undefined;
}

function matchesNothing(pattern: string): Fault {
  return {
    severity: "warning",
    code: "include-empty",
    message: `the include ${JSON.stringify(pattern)} matches no file`,
    hint: "correct the pattern, which is relative to the root config's folder, or remove it",
  };
}

function realOf(path: string, shown: string): string | Fault {
  try {
    return realpathSync.native(path);
  } catch (thrown) {
    return unreadable(shown, toError(thrown));
  }
}

const TOO_MUCH: Fault = {
  code: "too-large",
  message: `the config files are larger than ${LIMITS.totalBytes / 1024 / 1024} MiB together`,
  hint: "narrow the include patterns",
};

/** The enclosing git repository, or else the root folder itself; what cannot be looked at is no repository. */
function boundaryOf(root: string): string {
  for (let folder = root; ; folder = dirname(folder)) {
    if (isThere(join(folder, ".git"))) return folder;
    if (dirname(folder) === folder) return root;
  }
}
