import { Readable } from "node:stream";
import type { Driver } from "../drivers/driver.ts";
import { SandkeepError } from "../errors.ts";
import type { Spec } from "../model/spec.ts";
import type { SyncBase } from "../state/sync-base.ts";
import { syncFolder, writeSyncBase } from "../state/sync-base.ts";
import type { BytePath } from "../util/byte-path.ts";
import { formatBytes } from "../util/bytes.ts";
import { readKept } from "../util/file-tree.ts";
import { FolderHandle } from "../util/folder-handle.ts";
import { getPath } from "../util/json-path.ts";
import type { Packed } from "../util/pack-tree.ts";
import { packEntries } from "../util/pack-tree.ts";
import { stageTree } from "../util/stage-place.ts";
import { TAR_END } from "../util/tar-header.ts";
import { leftOut } from "./left-out.ts";

const MIB = 1024 * 1024;
const TELL_EVERY = 4 * MIB;

export interface Seeding {
  readonly owner: { readonly fleet: string; readonly address: string };
  readonly stateDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How far it has come; how far there is to go is known only in the end. */
  readonly tell: (message: string) => void;
}

/**
 * Fills a new workspace with a copy of its source, streamed; links are kept, our own state and what is ignored are left out.
 * What was sent is what both sides have from now on.
 */
export async function seed(
  objectId: string,
  spec: Spec,
  driver: Driver,
  { owner, stateDir, env, tell }: Seeding,
): Promise<void> {
  const staged = getPath(spec.values, "writes") === "staged";
  const workspace = getPath(spec.values, "workspace.source");
  const target = getPath(spec.values, "workspace.target");
  if (typeof workspace !== "string" || typeof target !== "string") {
    throw new SandkeepError("the workspace to seed has no source", { code: "INTERNAL", blame: "tool" });
  }
  const ignore = getPath(spec.values, "workspace.ignore") === "gitignore" ? "gitignore" : "off";
  const source = staged ? stageTree(stateDir, owner) : workspace;
  using root = FolderHandle.open(source);
  // Also of an agent's copy: its own rules are the agent's.
  const tree = await readKept(root, await leftOut({ source: workspace, stateDir, ignore, env }));
  const base: SyncBase = new Map();
  const took = (path: BytePath, { entry, sha256, still }: Packed): void => {
    const { kind, mode, size, sign, target: to } = entry;
    if (kind === "other") return;
    const link = to === undefined ? {} : { target: to };
    base.set(path, {
      kind,
      mode,
      size,
      sha256,
      ...link,
      here: still && kind === "file" ? sign : "",
      there: "",
    });
  };
  async function* pack(): AsyncGenerator<Buffer> {
    const entries = [...tree].map(([path, entry]) => ({ path, entry }));
    yield* packEntries(root, entries, "./", took);
    yield TAR_END;
  }
  await driver.putFiles(objectId, target, Readable.from(counted(pack(), tell)));
  await writeSyncBase(syncFolder(stateDir, owner), source, base);
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
