import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The package's own folder, from the source tree as from `dist`. */
export function packageRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, "package.json")) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

/** `unknown` for files that were taken out of their package: what is told of a failure must not fail of it. */
export function toolVersion(): string {
  const file = join(packageRoot(), "package.json");
  const manifest: unknown = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : null;
  if (typeof manifest !== "object" || manifest === null || !("version" in manifest)) return "unknown";
  return typeof manifest.version === "string" ? manifest.version : "unknown";
}
