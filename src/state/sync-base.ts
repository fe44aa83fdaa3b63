/**
 * What a workspace here and its canonical copy elsewhere had alike when they were last looked at together, so that it can
 * be told who changed what since. It is about this machine's workspace alone: another machine has its own.
 *
 *     <stateDir>/syncs/<fleet>/<address>/   base  apply/
 */
import { join } from "node:path";
import * as z from "zod";
import type { BytePath } from "../util/byte-path.ts";
import { encodeFileName } from "../util/file-name.ts";
import { parseJson, readText, writeText } from "./files.ts";

export interface Agreed {
  readonly kind: "file" | "folder" | "link";
  /** Permission bits. */
  readonly mode: number;
  readonly size: number;
  readonly sha256: string;
  readonly target?: BytePath;
  /** Of the file on either side, while it was the same; empty where contents have to be looked at. */
  readonly here: string;
  readonly there: string;
}

export type SyncBase = Map<BytePath, Agreed>;

export function syncFolder(
  stateDir: string,
  { fleet, address }: { readonly fleet: string; readonly address: string },
): string {
  return join(stateDir, "syncs", encodeFileName(fleet), encodeFileName(address));
}

const lineSchema = z.tuple([
  z.string(),
  z.enum(["file", "folder", "link"]),
  z.number(),
  z.number(),
  z.string(),
  z.string().nullable(),
  z.string(),
  z.string(),
]);
const headSchema = z.strictObject({ v: z.literal(1), root: z.string(), entries: z.int() });

export async function writeSyncBase(folder: string, root: string, base: SyncBase): Promise<void> {
  const lines = [...base].map(([path, { kind, mode, size, sha256, target, here, there }]) =>
    JSON.stringify([path, kind, mode, size, sha256, target ?? null, here, there]),
  );
  const head = JSON.stringify({ v: 1, root, entries: lines.length });
  await writeText(join(folder, "base"), [head, ...lines, ""].join("\n"));
}

/** Undefined where none is, or none that can be read: then nobody knows who changed what. */
export async function readSyncBase(folder: string, root: string): Promise<SyncBase | undefined> {
  const text = await readText(join(folder, "base"));
  const [first = "", ...lines] = text?.split("\n") ?? [];
  const head = parseJson(first, headSchema);
  if (head === undefined || head.entries !== lines.length - 1) return undefined;
  const base: SyncBase = new Map();
  for (const line of lines.slice(0, -1)) {
    const parsed = parseJson(line, lineSchema);
    if (parsed === undefined) return undefined;
    const [path, kind, mode, size, sha256, target, here, there] = parsed;
    base.set(path, {
      kind,
      mode,
      size,
      sha256,
      ...(target === null ? {} : { target }),
      // Signs of another folder's files say nothing of these.
      here: head.root === root ? here : "",
      there,
    });
  }
  return base;
}
