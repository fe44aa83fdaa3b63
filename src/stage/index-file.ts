/** The index of a stage: what the workspace was when the stage began, and what the agent's copy of it was then. */
import * as z from "zod";
import { SandkeepError } from "../errors.ts";
import { parseJson, readText, writeText } from "../state/files.ts";
import type { BytePath } from "../util/byte-path.ts";
import type { TreeEntry } from "../util/file-tree.ts";

export interface Indexed {
  /** The workspace's entry. */
  readonly base: TreeEntry;
  /** Sign of the agent's copy of a file; empty where its contents must be compared. */
  readonly mine: string;
}

export type StageIndex = Map<BytePath, Indexed>;

const KINDS = ["file", "folder", "link", "other"] as const;
const lineSchema = z.tuple([
  z.string(),
  z.enum(KINDS),
  z.number(),
  z.number(),
  z.string(),
  z.string().nullable(),
  z.number(),
  z.number(),
  z.string(),
]);

const HEAD = "sandkeep stage index 1";

export async function writeIndex(path: string, index: StageIndex): Promise<void> {
  const lines = [...index].map(([name, { base, mine }]) => {
    const { kind, mode, size, sign, target, uid, gid } = base;
    return JSON.stringify([name, kind, mode, size, sign, target ?? null, uid, gid, mine]);
  });
  // The last line proves that the file is whole.
  await writeText(path, [HEAD, ...lines, String(lines.length), ""].join("\n"));
}

export async function readIndex(path: string): Promise<StageIndex> {
  const lines = (await readText(path))?.split("\n") ?? [];
  const count = lines.length - 3;
  if (lines[0] !== HEAD || lines.at(-2) !== String(count)) throw damaged(path);
  const index: StageIndex = new Map();
  for (const line of lines.slice(1, -2)) {
    const parsed = parseJson(line, lineSchema);
    if (parsed === undefined) throw damaged(path);
    const [name, kind, mode, size, sign, target, uid, gid, mine] = parsed;
    const base = { kind, mode, size, sign, uid, gid, ...(target === null ? {} : { target }) };
    index.set(name, { base, mine });
  }
  return index;
}

function damaged(path: string): SandkeepError {
  return new SandkeepError(`${path} is torn or missing, so nobody can tell what the agent changed`, {
    code: "STAGE_DAMAGED",
    hint: "the agent's files are in the folder beside it; save what you need, then `sandkeep stage discard`",
  });
}
