import { relative, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import type { Driver } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import type { Spec } from "../model/spec.ts";
import { formatBytes } from "../util/bytes.ts";
import { getPath } from "../util/json-path.ts";
import { ignoredAtSeed } from "./seed-ignore.ts";

const MIB = 1024 * 1024;
const TELL_EVERY = 4 * MIB;

export interface Seeding {
  readonly stateDir: string;
  /** How far it has come; how far there is to go is known only in the end. */
  readonly tell: (message: string) => void;
}

/** Fills a new workspace with a copy of its source, streamed; links are kept, our own state and what is ignored are left out. */
export async function seed(
  objectId: string,
  spec: Spec,
  driver: Driver,
  { stateDir, tell }: Seeding,
): Promise<void> {
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
  const isIgnored = await ignoredAtSeed(source);
  const filter = (path: string): boolean => !isOwn(path) && !isIgnored(path.replace(/^\.\//, ""));
  const pack = tar.create({ cwd: source, follow: false, filter }, ["."]);
  await driver.putFiles(objectId, target, Readable.from(counted(pack, tell)));
}

/** The same chunks; told of now and then, and in the end. */
async function* counted(pack: AsyncIterable<Buffer>, tell: Seeding["tell"]): AsyncGenerator<Buffer> {
  let [sent, told] = [0, 0];
  for await (const chunk of pack) {
    yield chunk;
    sent += chunk.length;
    if (sent - told < TELL_EVERY) continue;
    told = sent;
    tell(copied(sent));
  }
  if (sent !== told) tell(copied(sent));
}

/** In whole MiB, once there is one. */
function copied(bytes: number): string {
  return `copied ${formatBytes(bytes < MIB ? bytes : bytes - (bytes % MIB))} of the workspace`;
}
