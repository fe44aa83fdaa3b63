import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { LoadedConfig } from "../config/index.ts";
import { askGit } from "../util/git.ts";

export interface ConfigCommit {
  /** Null outside a repository, or where git cannot say. */
  readonly commit: string | null;
  /** Whether a file of the config differs from what the commit holds. */
  readonly dirty: boolean | null;
}

const UNKNOWN: ConfigCommit = { commit: null, dirty: null };
const PATIENCE_MS = 5_000;

/**
 * Which commit the config is of. A sandbox may write to its repository's own settings, so git is only asked for names
 * of objects: no filter that such settings name is ever started.
 */
export async function configCommit(
  { root, files }: Pick<LoadedConfig, "root" | "files">,
  env: Readonly<Record<string, string | undefined>>,
): Promise<ConfigCommit> {
  // Starting git costs more than all else that a short run does.
  if (!isVersioned(root)) return UNKNOWN;
  const paths = files.map((each) => each.path);
  if (paths.length === 0) return UNKNOWN;
  const names = await objectNames(
    root,
    paths.map((path) => `HEAD:./${path}`),
    env,
  );
  const [commit] = names;
  if (commit === undefined) return UNKNOWN;
  const texts = await Promise.all(
    paths.map(async (path) => readFile(join(root, path)).catch(() => undefined)),
  );
  const dirty = texts.some(
    (text, index) => text === undefined || blobName(text, commit) !== names[index + 1],
  );
  return { commit, dirty };
}

/** Whether any folder from here up is a work tree, as git itself finds out. */
function isVersioned(folder: string): boolean {
  if (existsSync(join(folder, ".git"))) return true;
  const above = dirname(folder);
  return above !== folder && isVersioned(above);
}

/** HEAD's name and each object's; only the first for those that HEAD does not hold. */
async function objectNames(
  root: string,
  objects: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly string[]> {
  const all = await revParse(root, ["HEAD", ...objects], env);
  return all.length > 0 || objects.length === 0 ? all : await revParse(root, ["HEAD"], env);
}

async function revParse(
  root: string,
  names: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly string[]> {
  const question = { cwd: root, env, patienceMs: PATIENCE_MS };
  const answer = await askGit(["rev-parse", ...names], question).catch(() => undefined);
  return answer?.code === 0 ? answer.out.toString().trim().split("\n") : [];
}

/** As git names the content of a file, by the hash that the repository uses. */
function blobName(content: Buffer, like: string): string {
  const hash = createHash(like.length === 64 ? "sha256" : "sha1");
  return hash.update(`blob ${content.length}\0`).update(content).digest("hex");
}
