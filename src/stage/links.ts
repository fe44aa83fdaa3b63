import type { BytePath } from "../util/byte-path.ts";
import { parentOf } from "../util/byte-path.ts";
import type { TreeEntry } from "../util/file-tree.ts";

/** As many as Linux follows. */
const MOST_LINKS = 40;

/** Whether a link of the tree, read from where it stands and through all other links on its way, leaves the tree. */
export function leadsOutside(
  path: BytePath,
  target: BytePath,
  look: (path: BytePath) => TreeEntry | undefined,
): boolean {
  const at = parentOf(path).split("/").filter(Boolean);
  const ahead = target.split("/");
  if (target.startsWith("/")) return true;
  for (let links = 1; ahead.length > 0;) {
    const part = ahead.shift() ?? "";
    if (part === "" || part === ".") continue;
    if (part === "..") {
      if (at.pop() === undefined) return true;
      continue;
    }
    at.push(part);
    const next = look(at.join("/"))?.target;
    if (next === undefined) continue;
    links += 1;
    // Nobody gets anywhere through so many.
    if (links > MOST_LINKS) return false;
    if (next.startsWith("/")) return true;
    at.pop();
    ahead.unshift(...next.split("/"));
  }
  return false;
}
