/** In: the folder that a workspace is a copy of. Out: what its `.sandkeepignore` leaves out of the copy. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { SandkeepError } from "../errors.ts";
import { errnoOf } from "../util/errno.ts";
import { pathMatcher } from "../util/path-pattern.ts";

const NAME = ".sandkeepignore";

/** Asked of paths relative to the source. Without the file nothing is left out. */
export async function ignoredAtSeed(source: string): Promise<(path: string) => boolean> {
  const file = join(source, NAME);
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    if (errnoOf(cause) === "ENOENT") return "";
    throw new SandkeepError(`${file} cannot be read, so nobody can tell what to leave out`, {
      code: "SEED_IGNORE",
      hint: "make it a file that can be read, or remove it",
      cause,
    });
  });
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  return await pathMatcher(
    lines.flatMap((line, index) => patternOf(line, `line ${String(index + 1)} of ${file}`)),
  );
}

/** As in a gitignore: a name alone is left out at any depth, a path with a slash in it only there. */
function patternOf(line: string, place: string): string[] {
  const pattern = line.replace(/\/+$/, "");
  if (line === "" || line.startsWith("#")) return [];
  // Copied all the same, what it meant to leave out might be a secret.
  if (line.startsWith("!") || line.startsWith("\\") || pattern === "" || pattern.split("/").includes("..")) {
    throw new SandkeepError(`${place} is no path or glob below the workspace: ${line}`, {
      code: "SEED_IGNORE",
      hint: 'write names ("node_modules"), paths ("/build/out") or globs ("**/*.pem"); there is no "!"',
    });
  }
  return [pattern.includes("/") ? pattern.replace(/^\/+/, "") : `**/${pattern}`];
}
