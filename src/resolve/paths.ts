import { isAbsolute, join, normalize, posix, resolve } from "node:path";

/** A path of the config as an absolute one: `~` is the user's home, the rest is relative to the root config's folder. */
export function absolutePath(text: string, root: string, home: string): string {
  if (text === "~") return normalize(home);
  if (text.startsWith("~/")) return join(home, text.slice(2));
  return isAbsolute(text) ? resolve(text) : resolve(root, text);
}

/** One spelling of a path inside a runtime: `/data//x/../` and `/data` are the same target. */
export function canonicalTarget(target: string): string {
  const path = posix.normalize(target);
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}
