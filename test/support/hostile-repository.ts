import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";

function git(folder: string, ...argv: readonly string[]): void {
  execFileSync("git", ["-C", folder, ...argv], { stdio: ["ignore", "ignore", "inherit"] });
}

export function initRepository(folder: string): void {
  git(folder, "init", "--quiet");
}

/**
 * What an agent can write into a repository: a partial clone whose `.gitignore` is only in the index, and its contents
 * nowhere. Whoever asks git about a path fetches them, by a command that makes the file `mark`, a plain path.
 */
export function makeHostile(repository: string, mark: string): void {
  git(repository, "update-index", "--add", "--cacheinfo", `100644,${"12".repeat(20)},.gitignore`);
  git(repository, "update-index", "--skip-worktree", ".gitignore");
  rmSync(join(repository, ".gitignore"), { force: true });
  const settings = {
    "core.repositoryFormatVersion": "1",
    "extensions.partialClone": "far",
    "protocol.ext.allow": "always",
    "remote.far.promisor": "true",
    "remote.far.url": `ext::touch ${mark}`,
  };
  for (const [key, value] of Object.entries(settings)) git(repository, "config", key, value);
}
