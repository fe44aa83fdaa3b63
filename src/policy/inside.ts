/** Whether a normalised absolute path is another one or lies below it. */
export function isInside(path: string, folder: string): boolean {
  const base = withoutSlash(folder);
  if (!path.startsWith(base)) return false;
  return base === "/" || path.length === base.length || path[base.length] === "/";
}

export function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}
