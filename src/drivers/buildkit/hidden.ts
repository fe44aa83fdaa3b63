/** In: a workspace and the state directory. Out: what of the workspace is never sent, and what of it never comes back. */
import { realpath } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { unlessMissing } from "../../util/errno.ts";

export interface Hidden {
  /** Where the state directory really is, relative to the workspace with slashes; undefined when it is not below it. */
  readonly sent: string | undefined;
  /** The same, and the name it is known by, which may lead there through a link that a command could replace. */
  readonly returned: readonly string[];
}

export async function hiddenOf(source: string, stateDir: string): Promise<Hidden> {
  const [real, state] = await Promise.all([realOf(resolve(source)), realOf(resolve(stateDir))]);
  const sent = below(real, state);
  const named = [below(resolve(source), resolve(stateDir)), below(real, resolve(stateDir))];
  const all = [sent, ...named].filter((path) => path !== undefined);
  return { sent, returned: [...new Set(all.map(folded))] };
}

/** The path itself, or below it. */
export function isHidden(hidden: readonly string[], path: string): boolean {
  const name = folded(path);
  return hidden.some((each) => each === "" || name === each || name.startsWith(`${each}/`));
}

/** On the way there: it stays the folder or link that it is. */
export function leadsToHidden(hidden: readonly string[], path: string): boolean {
  const way = `${folded(path)}/`;
  return hidden.some((each) => each.startsWith(way));
}

/** A pattern that matches the path alone, as far as lines of the file can tell. */
export function ignorePattern(path: string): string {
  return `/${path.replaceAll(/[\\*?[\]]/g, "\\$&").replaceAll(/[^\S ]| $/g, "?")}`;
}

/** The way through the folders there are, where the last ones are still to be made. */
async function realOf(path: string): Promise<string> {
  const real = await unlessMissing(realpath(path));
  if (real !== undefined || dirname(path) === path) return real ?? path;
  return join(await realOf(dirname(path)), basename(path));
}

function below(folder: string, path: string): string | undefined {
  const way = relative(folder, path).split(sep).join("/");
  return way === ".." || way.startsWith("../") || isAbsolute(way) ? undefined : way;
}

/** Some file systems hold two spellings for one name. */
function folded(path: string): string {
  return path.normalize("NFC").toLowerCase();
}
