import { lstatSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { errnoOf, isMissing } from "./errno.ts";

/** File facts that pure stages are handed; synchronous, each path is looked up once. */
export interface PathFacts {
  /** Real folder that relative paths resolve against. */
  readonly root: string;
  readonly home: string;
  /** Real path of the deepest existing ancestor plus the rest. */
  realPath(path: string): string;
  /** Why nobody can tell where it really leads, a clause; undefined when `realPath` does. */
  unseen(path: string): string | undefined;
  /** Text of a regular file of at most 1 MiB, or undefined. */
  readText(path: string): string | undefined;
  /** What is there, also behind a link; what may not be looked at may be anything. */
  found(path: string): "socket" | "other" | undefined;
}

const MAX_TEXT = 1024 * 1024;
/** One leading to the next. Linux follows 40, but starts anew from whatever path it is given. */
const MAX_LINKS = 255;

interface Way {
  /** Where it leads, as far as that can be told. */
  readonly real: string;
  readonly unseen: string | undefined;
}

export function pathFacts(root: string, home = homedir()): PathFacts {
  const texts = new Map<string, string | undefined>();
  const way = waysOf();
  return {
    root,
    home,
    realPath: (path) => way(resolve(root, path)).real,
    unseen: (path) => way(resolve(root, path)).unseen,
    readText(path) {
      if (!texts.has(path)) texts.set(path, readSmall(path));
      return texts.get(path);
    },
    found,
  };
}

/** Goes part by part, as the system does: many paths share their first parts, and many lead to what is not there yet. */
function waysOf(): (path: string) => Way {
  const known = new Map<string, Way>();
  const following = new Set<string>();
  const way = (path: string): Way => {
    const led = known.get(path) ?? lookUp(path);
    known.set(path, led);
    return led;
  };
  return way;

  function lookUp(path: string): Way {
    const parent = dirname(path);
    if (parent === path) return { real: path, unseen: undefined };
    const from = way(parent);
    const here = join(from.real, basename(path));
    return here === path ? follow(path, from) : after(from, way(here));
  }

  /** What is at a path below `from`. A link to what is not there leads there all the same, once it is. */
  function follow(path: string, from: Way): Way {
    const { target, unseen } = linkAt(path);
    if (target === undefined) return after(from, { real: path, unseen });
    if (following.has(path)) return { real: path, unseen: `${path} leads back to itself` };
    if (following.size === MAX_LINKS)
      return { real: path, unseen: `more than ${MAX_LINKS} links lead from one to the next` };
    following.add(path);
    let at: Way = isAbsolute(target) ? way("/") : from;
    for (const part of target.split("/")) at = step(at, part);
    following.delete(path);
    return after(from, at);
  }

  /** `..` is the parent of where the way has led, not of what is written before it. */
  function step(from: Way, part: string): Way {
    if (part === "" || part === ".") return from;
    if (part === "..") return { ...from, real: dirname(from.real) };
    return after(from, way(join(from.real, part)));
  }
}

function after(from: Way, { real, unseen }: Way): Way {
  return { real, unseen: from.unseen ?? unseen };
}

function linkAt(path: string): { readonly target?: string; readonly unseen?: string } {
  try {
    // Reading what is no link would be an error, and errors take longer than asking.
    const entry = lstatSync(path, { throwIfNoEntry: false });
    return entry?.isSymbolicLink() === true ? { target: readlinkSync(path) } : {};
  } catch (thrown) {
    return isMissing(thrown)
      ? {}
      : { unseen: `${path} cannot be looked at (${errnoOf(thrown) ?? "unknown"})` };
  }
}

function found(path: string): "socket" | "other" | undefined {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    return stat.isSocket() ? "socket" : "other";
  } catch (thrown) {
    return isMissing(thrown) ? undefined : "other";
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
