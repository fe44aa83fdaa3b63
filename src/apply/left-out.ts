/**
 * In: the folder that a workspace is a copy of. Out: what of it, or of its copy, is no part of the copy: our own state, what
 * `.sandkeepignore` names, and where that is asked for what git ignores. The rules are those of the folder itself, which
 * is never an agent's copy.
 */
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { SandkeepError } from "../errors.ts";
import type { BytePath } from "../util/byte-path.ts";
import { bytePath, isBelow, pathText } from "../util/byte-path.ts";
import { formatBytes } from "../util/bytes.ts";
import { errnoOf, unlessMissing } from "../util/errno.ts";
import type { LeftOut } from "../util/file-tree.ts";
import { contentsOf, lookAt } from "../util/file-tree.ts";
import { FolderHandle } from "../util/folder-handle.ts";
import { ignoredByGit } from "../util/git-ignored.ts";
import { isSyncFolder } from "../util/open-workspace.ts";
import { pathMatcher } from "../util/path-pattern.ts";

export interface LeavingOut {
  /** Real path of the workspace; never of an agent's copy, whose rules and settings are the agent's. */
  readonly source: string;
  /** Of our state, which may lie inside. */
  readonly stateDir: string;
  /** Whether what git ignores is left out as well. */
  readonly ignore: "off" | "gitignore";
  readonly env: Readonly<Record<string, string | undefined>>;
}

export async function leftOut({ source, stateDir, ignore, env }: LeavingOut): Promise<LeftOut> {
  const isNamed = await namedIn(source);
  const state = (await unlessMissing(realpath(stateDir))) ?? stateDir;
  const inside = bytePath(state.startsWith(`${source}/`) ? state.slice(source.length + 1) : "");
  const isOwn = (path: BytePath): boolean =>
    isSyncFolder(path) || (inside !== "" && (path === inside || isBelow(path, inside)));
  return async (level) => {
    const out = new Set<BytePath>();
    const kept: BytePath[] = [];
    for (const path of level.keys()) {
      if (isOwn(path) || isNamed(pathText(path))) out.add(path);
      else kept.push(path);
    }
    if (ignore === "off" || kept.length === 0) return out;
    using real = FolderHandle.open(source);
    const paths = kept.map((path) => ({ path, isFolder: level.get(path)?.kind === "folder" }));
    const hint = 'make git work in the workspace, or set ignore = "off" in [sandbox.workspace]';
    const said = await ignoredByGit(paths, { source, real, env, hint, needsRepository: true });
    return new Set([...out, ...said]);
  };
}

const NAME = ".sandkeepignore";
const MOST = 1024 * 1024;

/** Asked of paths relative to the source. Without the file nothing is left out. */
async function namedIn(source: string): Promise<(path: string) => boolean> {
  const file = join(source, NAME);
  const text = readRules(source, file);
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  return await pathMatcher(
    lines.flatMap((line, index) => patternOf(line, `line ${String(index + 1)} of ${file}`)),
  );
}

/** Links are not followed: what one leads to is no part of the workspace, and none of its lines may be told. */
function readRules(source: string, file: string): string {
  let cause: unknown;
  try {
    using folder = FolderHandle.open(source);
    if (lookAt(folder, bytePath(NAME)) === undefined) return "";
    const contents = contentsOf(folder, bytePath(NAME), MOST);
    if (contents !== undefined) return contents.toString("utf8");
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return "";
    cause = thrown;
  }
  throw new SandkeepError(`${file} cannot be read, so nobody can tell what to leave out`, {
    code: "SEED_IGNORE",
    hint: `make it a regular file of at most ${formatBytes(MOST)} that can be read, or remove it`,
    cause,
  });
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
