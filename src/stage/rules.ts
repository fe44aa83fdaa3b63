/** `[stage]` of a fleet, ready to be asked, with where each of its patterns stands. */
import { SandkeepError } from "../errors.ts";
import type { StageSettings } from "../model/stage.ts";
import type { KeyPath, Source } from "../model/source.ts";
import { formatKeyPath } from "../model/source.ts";
import { pathMatcher } from "../util/path-pattern.ts";

/** A key as refusals name it. */
export interface KeyPlace {
  readonly key: string;
  readonly file: string | null;
  readonly line: number | null;
}

export interface Denial {
  readonly pattern: string;
  readonly place: KeyPlace;
}

export interface StageRules {
  /** The pattern that denies a path. */
  denial(path: string): Denial | undefined;
  isAutomatic(path: string): boolean;
  readonly automatic: boolean;
  readonly max_bytes: number | "unlimited";
  readonly git_ignored: StageSettings["git_ignored"];
  place(key: "max_bytes" | "git_ignored"): KeyPlace;
}

export async function stageRules(
  settings: StageSettings,
  locate: (key: KeyPath) => Source | undefined,
): Promise<StageRules> {
  const place = (...key: KeyPath): KeyPlace => {
    const found = locate(["stage", ...key]) ?? locate(["stage", ...key.slice(0, 1)]);
    return { key: formatKeyPath(["stage", ...key]), file: found?.file ?? null, line: found?.line ?? null };
  };
  const denials = await Promise.all(
    settings.deny.map(async (pattern, index) => ({
      pattern,
      place: place("deny", index),
      matches: await pathMatcher([pattern]),
    })),
  );
  const automatic = await pathMatcher(settings.auto_apply);
  return {
    denial: (path) => denials.find(({ matches }) => matches(path)),
    isAutomatic: automatic,
    automatic: settings.auto_apply.length > 0,
    max_bytes: settings.max_bytes,
    git_ignored: settings.git_ignored,
    place: (key) => place(key),
  };
}

/**
 * `--path`: each names a path with all below it, or is a glob; none at all names everything. With a `!` before it, it is
 * left out; a name that begins with one is written `./!name`.
 */
export async function selection(paths: readonly string[]): Promise<(path: string) => boolean> {
  const without = paths.filter((path) => path.startsWith("!"));
  const only = paths.filter((path) => !path.startsWith("!"));
  const isOut = await naming(without.map((path) => path.slice(1)));
  const isIn = only.length === 0 ? () => true : await naming(only);
  return (path) => isIn(path) && !isOut(path);
}

async function naming(paths: readonly string[]): Promise<(path: string) => boolean> {
  const plain = paths.map((path) => path.replace(/^\.(\/+|$)/, "").replace(/\/+$/, ""));
  for (const [at, path] of plain.entries()) {
    if (!path.startsWith("/") && !path.split("/").includes("..") && paths[at] !== "") continue;
    throw new SandkeepError(`--path ${JSON.stringify(paths[at])} names nothing below the workspace`, {
      code: "USAGE",
      hint: "write it as `sandkeep stage diff --stat` does; `.` is all of it",
      exitCode: 64,
    });
  }
  const globs = await pathMatcher(plain);
  // A name may hold the characters that a glob is made of.
  return (path) => globs(path) || plain.some((each) => path === each || path.startsWith(`${each}/`));
}
