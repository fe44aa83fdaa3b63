/** Which paths of a workspace git ignores, by the rules of the workspace as it is here; those of a copy do not count. */
import { spawn } from "node:child_process";
import { buffer, text } from "node:stream/consumers";
import { SandkeepError } from "../errors.ts";
import type { BytePath } from "./byte-path.ts";
import { bytesOf, joinBytes, parentOf } from "./byte-path.ts";
import { entryAt } from "./file-tree.ts";
import type { FolderHandle } from "./folder-handle.ts";

export interface GitContext {
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
  const roots = new Map<BytePath, BytePath>();
  for (const { path, isFolder } of paths) {
    if (isFolder) folders.add(path);
    const root = repositoryOf(parentOf(path), context.real, roots);
    // A repository's own files are none of its work tree's.
    if (path.split("/").includes(".git")) continue;
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

/** The innermost folder with a `.git`, from this one upwards; the workspace itself where there is none inside it. */
function repositoryOf(folder: BytePath, real: FolderHandle, known: Map<BytePath, BytePath>): BytePath {
  if (folder === "") return "";
  const before = known.get(folder);
  if (before !== undefined) return before;
  const holds = entryAt(real, `${folder}/.git`) !== undefined;
  const root = holds ? folder : repositoryOf(parentOf(folder), real, known);
  known.set(folder, root);
  return root;
}

const NOTHING_IGNORED = 1;
const NO_REPOSITORY = 128;

async function ask(
  root: BytePath,
  paths: readonly BytePath[],
  { source, env, hint, needsRepository = false }: GitContext,
): Promise<readonly BytePath[]> {
  const cwd = root === "" ? source : `${source}/${bytesOf(root).toString("utf8")}`;
  const child = spawn("git", ["-c", "core.fsmonitor=false", "check-ignore", "-z", "--stdin"], {
    cwd,
    // What a hook or a shell set for another repository must not answer for this one.
    env: { PATH: env["PATH"], HOME: env["HOME"], LC_ALL: "C", GIT_OPTIONAL_LOCKS: "0" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code));
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(Buffer.concat(paths.map((path) => bytesOf(`${path}\0`))));
  const [code, out, err] = await Promise.all([ended, buffer(child.stdout), text(child.stderr)]).catch(
    (cause: unknown) => {
      throw noAnswer("git cannot be started", hint, cause);
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
