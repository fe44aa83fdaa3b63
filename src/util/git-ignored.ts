/** Which paths of a workspace git ignores, by the rules of the workspace as it is here; those of a copy do not count. */
import { SandkeepError } from "../errors.ts";
import type { BytePath } from "./byte-path.ts";
import { bytesOf, joinBytes, parentOf } from "./byte-path.ts";
import { entryAt } from "./file-tree.ts";
import type { FolderHandle } from "./folder-handle.ts";
import { askGit } from "./git.ts";

export interface GitContext {
  /** Real path of the workspace, never of an agent's copy of it. */
  readonly source: string;
  readonly real: FolderHandle;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What a person can do where git does not say. */
  readonly hint: string;
  /** Whether a workspace that is in no repository is a fault: nothing is ignored there. */
  readonly needsRepository?: boolean;
}

export async function ignoredByGit(
  paths: readonly { readonly path: BytePath; readonly isFolder: boolean }[],
  context: GitContext,
): Promise<ReadonlySet<BytePath>> {
  const byRepository = new Map<BytePath, BytePath[]>();
  const folders = new Set<BytePath>();
  const roots = new Map<BytePath, BytePath | undefined>();
  for (const { path, isFolder } of paths) {
    if (isFolder) folders.add(path);
    const root = repositoryOf(parentOf(path), context.real, roots);
    // A repository's own files are none of its work tree's, nor is what a link leads to.
    if (root === undefined || path.split("/").includes(".git")) continue;
    const known = byRepository.get(root);
    if (known === undefined) byRepository.set(root, [path]);
    else known.push(path);
  }
  const found = new Set<BytePath>();
  for (const [root, below] of byRepository) {
    const inside = below.map((path) => {
      const name = root === "" ? path : path.slice(root.length + 1);
      // Of what is not in the workspace git could not know that it is a folder.
      return folders.has(path) ? `${name}/` : name;
    });
    for (const path of await ask(root, inside, context)) found.add(joinBytes(root, path.replace(/\/$/, "")));
  }
  return found;
}

/**
 * The innermost folder with a `.git`, from this one upwards; the workspace itself where there is none inside it. Undefined
 * where the way leads over a link of the workspace.
 */
function repositoryOf(
  folder: BytePath,
  real: FolderHandle,
  known: Map<BytePath, BytePath | undefined>,
): BytePath | undefined {
  if (folder === "") return "";
  if (known.has(folder)) return known.get(folder);
  const above = repositoryOf(parentOf(folder), real, known);
  const beyond = above === undefined || entryAt(real, folder)?.kind === "link";
  const holds = !beyond && entryAt(real, `${folder}/.git`) !== undefined;
  const root = beyond ? undefined : holds ? folder : above;
  known.set(folder, root);
  return root;
}

const NOTHING_IGNORED = 1;
const NO_REPOSITORY = 128;
/** For as many paths as a level of a workspace has. */
const PATIENCE_MS = 120_000;

async function ask(
  root: BytePath,
  paths: readonly BytePath[],
  { source, env, hint, needsRepository = false }: GitContext,
): Promise<readonly BytePath[]> {
  const cwd = root === "" ? source : `${source}/${bytesOf(root).toString("utf8")}`;
  const input = Buffer.concat(paths.map((path) => bytesOf(`${path}\0`)));
  const question = { cwd, env, input, patienceMs: PATIENCE_MS };
  const { code, out, err } = await askGit(["check-ignore", "-z", "--stdin"], question).catch(
    (cause: unknown) => {
      throw noAnswer("git cannot be started, or never ends", hint, cause);
    },
  );
  if (code === NOTHING_IGNORED) return [];
  if (code === NO_REPOSITORY && !needsRepository && /not a git repository/i.test(err)) return [];
  if (code !== 0) throw noAnswer(err.trim().split("\n")[0] ?? `it ended with ${code}`, hint);
  return out.toString("latin1").split("\0").filter(Boolean);
}

function noAnswer(why: string, hint: string, cause?: unknown): SandkeepError {
  return new SandkeepError(`git does not say which paths it ignores: ${why}`, {
    code: "GIT_IGNORED",
    hint,
    cause,
  });
}
