import { globMatcher } from "../util/path-pattern.ts";

/** Which files of a workspace a run's artifacts are; paths are relative to it, with forward slashes. */
export interface ArtifactGlobs {
  /** Files and folders that hold all there can be; "" is the whole workspace. */
  readonly bases: readonly string[];
  matches(path: string): boolean;
  /** Whether a folder may hold something that matches. */
  mayHold(folder: string): boolean;
}

export async function artifactGlobs(globs: readonly string[]): Promise<ArtifactGlobs> {
  const clean = [...new Set(globs.map((glob) => glob.replace(/^(?:\.\/)+/, "").replace(/\/+$/, "")))];
  const matches = await globMatcher(clean);
  const ways = await Promise.all(
    clean.map(async (glob) =>
      Promise.all(
        glob.split("/").map(async (part) => (part === "**" ? undefined : await globMatcher([part]))),
      ),
    ),
  );
  return {
    bases: outermost(clean.map((glob) => baseOf(glob))),
    matches,
    mayHold: (folder) => {
      const parts = folder.split("/");
      return ways.some((way) => {
        const deep = way.indexOf(undefined);
        const fixed = deep === -1 ? way : way.slice(0, deep);
        return fixed.every((is, at) => parts[at] === undefined || is?.(parts[at]) === true);
      });
    },
  };
}

/** The parts before the first that says more than a name. */
function baseOf(glob: string): string {
  const parts = glob.split("/");
  const end = parts.findIndex((part) => /[*?[\]]/.test(part));
  return (end === -1 ? parts : parts.slice(0, end)).join("/");
}

/** Without those that lie below another one. */
function outermost(bases: readonly string[]): readonly string[] {
  const sorted = [...new Set(bases)].toSorted();
  return sorted.filter(
    (base) => !sorted.some((other) => other !== base && (other === "" || base.startsWith(`${other}/`))),
  );
}
