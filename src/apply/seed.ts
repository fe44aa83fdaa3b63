import { relative, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import type { Driver } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import type { Spec } from "../model/spec.ts";
import { getPath } from "../util/json-path.ts";

/** Fills a new workspace with a copy of its source, streamed; links are kept as links, our own state is left out. */
export async function seed(objectId: string, spec: Spec, driver: Driver, stateDir: string): Promise<void> {
  const source = getPath(spec.values, "workspace.source");
  const target = getPath(spec.values, "workspace.target");
  if (typeof source !== "string" || typeof target !== "string") {
    throw new SandkeepError("the workspace to seed has no source", { code: "INTERNAL", blame: "tool" });
  }
  const tar = await import("tar");
  const isOwn = (path: string): boolean => {
    const way = relative(stateDir, resolve(source, path));
    return way === "" || (way !== ".." && !way.startsWith(`..${sep}`));
  };
  const pack = tar.create({ cwd: source, follow: false, filter: (path) => !isOwn(path) }, ["."]);
  await driver.putFiles(objectId, target, Readable.from(pack));
}
