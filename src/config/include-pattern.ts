import { type PathLike, readdir } from "node:fs";
import { lstat } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { type Fault, compareText, quote } from "./document.ts";

/** Files one include pattern names, relative to `folder`, in byte order; or why the pattern cannot be used. */
export async function expandPattern(pattern: string, folder: string): Promise<readonly string[] | Fault> {
  const fault = PATTERN_RULES.find(({ breaks }) => breaks(pattern));
  if (fault !== undefined) {
    return {
      code: "include-pattern",
      message: `${fault.expected}, got ${quote(pattern)}`,
      hint: fault.hint,
    };
  }
  if (!/[*?[\]]/.test(pattern)) return (await isPresent(join(folder, pattern))) ? [pattern] : [];
  const { glob } = await import("tinyglobby");
  const found = await glob(pattern, {
    cwd: folder,
    expandDirectories: false,
    followSymbolicLinks: false,
    fs: { readdir: readdirWithLinks },
    braceExpansion: false,
    extglob: false,
    ignore: ["**/node_modules/**", "**/.git/**"],
  });
  return found.toSorted(compareText);
}

/** A pattern becomes a regular expression, so what could make one explode is refused. */
export const PATTERN_RULES: readonly {
  readonly breaks: (pattern: string) => boolean;
  readonly expected: string;
  readonly hint: string;
}[] = [
  {
    breaks: (pattern) => isAbsolute(pattern) || pattern.startsWith("~"),
    expected: "expected a path relative to the root config's folder",
    hint: "write it relative, such as agents/*.toml",
  },
  {
    breaks: (pattern) => /[(){}|!+@\\\n]/.test(pattern),
    expected: "expected a glob of plain names, *, ?, [..] and **",
    hint: "list several patterns instead of alternatives",
  },
  {
    breaks: (pattern) =>
      pattern.length > 512 ||
      (pattern.match(/\*\*/g)?.length ?? 0) > 2 ||
      pattern.split("/").some((part) => part !== "**" && part.split("*").length > 4),
    expected: "expected at most two ** and three * in each name",
    hint: "use a simpler pattern, or several",
  },
];

interface Entry {
  readonly name: string;
  readonly isFile: () => boolean;
  readonly isDirectory: () => boolean;
  readonly isSymbolicLink: () => boolean;
}
type Listed = (error: Error | null, entries: readonly Entry[]) => void;

/**
 * To the glob a link is a file: followed, one link to `/` would make it walk the whole machine; left out, a
 * linked file would be missed silently. Where a link leads is judged when it is read.
 */
const readdirWithLinks = Object.assign(
  (path: PathLike, _options: unknown, listed?: unknown): void => {
    if (!isListed(listed)) return;
    readdir(path, { withFileTypes: true }, (error, entries) => {
      listed(error, error === null ? entries.map(linkAsFile) : []);
    });
  },
  // For its type alone: the glob calls only the function above.
  readdir,
);

function isListed(value: unknown): value is Listed {
  return typeof value === "function";
}

function linkAsFile(entry: Entry): Entry {
  if (!entry.isSymbolicLink()) return entry;
  return { name: entry.name, isFile: () => true, isDirectory: () => false, isSymbolicLink: () => false };
}

async function isPresent(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch {
    return false;
  }
}
