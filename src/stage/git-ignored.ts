/** Which paths of a workspace git ignores, by the workspace's own rules; the agent's edits of them do not count. */
import { spawn } from "node:child_process";
import { buffer, text } from "node:stream/consumers";
import { SandkeepError } from "../errors.ts";
import type { BytePath } from "../util/byte-path.ts";
import { bytesOf, joinBytes, parentOf } from "../util/byte-path.ts";
import { entryAt } from "../util/file-tree.ts";
import type { FolderHandle } from "../util/folder-handle.ts";
import type { Difference } from "./compare.ts";

export interface GitContext {
  readonly source: string;
  readonly real: FolderHandle;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export async function ignoredByGit(
  differences: readonly Pick<Difference, "path" | "mine" | "real">[],
  context: GitContext,
): Promise<ReadonlySet<BytePath>> {
  const byRepository = new Map<BytePath, BytePath[]>();
  const folders = new Set<BytePath>();
  for (const { path, mine, real } of differences) {
    if ((mine ?? real)?.kind === "folder") folders.add(path);
    const root = repositoryOf(path, context.real);
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

/** The innermost folder with a `.git` that a path lies in; the workspace itself where there is none inside it. */
function repositoryOf(path: BytePath, real: FolderHandle): BytePath {
  for (let at = parentOf(path); at !== ""; at = parentOf(at)) {
    if (entryAt(real, `${at}/.git`) !== undefined) return at;
  }
  return "";
}

const NOTHING_IGNORED = 1;
const NO_REPOSITORY = 128;

async function ask(
  root: BytePath,
  paths: readonly BytePath[],
  { source, env }: GitContext,
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
      throw noAnswer("git cannot be started", cause);
    },
  );
  if (code === NOTHING_IGNORED) return [];
  if (code === NO_REPOSITORY && /not a git repository/i.test(err)) return [];
  if (code !== 0) throw noAnswer(err.trim().split("\n")[0] ?? `it ended with ${code}`, undefined);
  return out.toString("latin1").split("\0").filter(Boolean);
}

function noAnswer(why: string, cause: unknown): SandkeepError {
  return new SandkeepError(`git does not say which paths it ignores: ${why}`, {
    code: "STAGE_GIT",
    hint: 'make git work in the workspace, or set git_ignored = "include" in [stage]',
    cause,
  });
}
