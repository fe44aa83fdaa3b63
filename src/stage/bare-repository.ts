/**
 * A folder that git takes for a repository though it is not called `.git`: whoever runs git below it runs what its config
 * and hooks say. In: a path, and looks at both trees. Out: the name it would have in a `.git`, by which it is judged.
 */
import type { BytePath } from "../util/byte-path.ts";
import { joinBytes, parentOf } from "../util/byte-path.ts";
import type { TreeEntry } from "../util/file-tree.ts";

export type LookAtPath = (path: BytePath) => TreeEntry | undefined;

/** What git knows one by: `commondir` names another folder whose objects, refs and config count. */
const SIGNS = ["HEAD", "commondir", "objects", "refs"];

function isBare(folder: BytePath, look: LookAtPath): boolean {
  const has = (name: string): boolean => look(joinBytes(folder, name)) !== undefined;
  return has("HEAD") && (has("commondir") || (has("objects") && has("refs")));
}

/** Undefined where no such folder is on the way. Whatever makes a folder one counts as its config, which may be there already. */
export function nameInGit(path: BytePath, mine: LookAtPath, real: LookAtPath): BytePath | undefined {
  for (let folder = parentOf(path); ; folder = parentOf(folder)) {
    if (folder.split("/").at(-1) !== ".git" && isBare(folder, mine)) {
      const inside = folder === "" ? path : path.slice(folder.length + 1);
      const makes = SIGNS.includes(inside.split("/")[0] ?? "") && !isBare(folder, real);
      return joinBytes(folder, `.git/${makes ? "config" : inside}`);
    }
    if (folder === "") return undefined;
  }
}
