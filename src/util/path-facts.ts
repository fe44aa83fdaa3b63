import { lstatSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";

/** File facts that pure stages are handed; synchronous, each path is looked up once. */
export interface PathFacts {
  /** Real folder that relative paths resolve against. */
  readonly root: string;
  readonly home: string;
  /** Real path of the deepest existing ancestor plus the rest. */
  realPath(path: string): string;
  /** Text of a regular file of at most 1 MiB, or undefined. */
  readText(path: string): string | undefined;
}

const MAX_TEXT = 1024 * 1024;
/** In a row: as many as Go follows; Linux itself stops at 40. */
const MAX_LINKS = 255;

export function pathFacts(root: string, home = homedir()): PathFacts {
  const real = new Map<string, string>();
  const texts = new Map<string, string | undefined>();
  const following = new Set<string>();
  const realPath = (path: string): string => {
    const known = real.get(path);
    if (known !== undefined) return known;
    const found = lookUp(path);
    real.set(path, found);
    return found;
  };
  return {
    root,
    home,
    realPath: (path) => realPath(resolve(root, path)),
    readText(path) {
      if (!texts.has(path)) texts.set(path, readSmall(path));
      return texts.get(path);
    },
  };
  // One part after the other, because many paths share their first ones, and many lead to what is not there.
  function lookUp(path: string): string {
    const parent = dirname(path);
    return parent === path ? path : throughLink(join(realPath(parent), basename(path)));
  }
  /** A link to what is not there yet leads there all the same, once it is. */
  function throughLink(path: string): string {
    const target = linkOf(path);
    if (target === undefined || following.size === MAX_LINKS || following.has(path)) return path;
    following.add(path);
    try {
      return realPath(resolve(dirname(path), target));
    } finally {
      following.delete(path);
    }
  }
}

function linkOf(path: string): string | undefined {
  try {
    // Reading what is no link would be an error, and errors take longer than asking.
    const found = lstatSync(path, { throwIfNoEntry: false });
    return found?.isSymbolicLink() === true ? readlinkSync(path) : undefined;
  } catch {
    return undefined;
  }
}

function readSmall(path: string): string | undefined {
  try {
    const stat = statSync(path);
    return stat.isFile() && stat.size <= MAX_TEXT ? readFileSync(path, "utf8") : undefined;
  } catch {
    return undefined;
  }
}
