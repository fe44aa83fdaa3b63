import { dirname, join } from "node:path";
import * as z from "zod";
import type { Diagnostic } from "../model/diagnostic.ts";
import type { ImageIdentity } from "../model/spec.ts";
import { showPath } from "./discover.ts";
import { compareText, diagnose } from "./document.ts";
import { isThere, readConfigText } from "./read.ts";

/** Beside the root config: which image each pinned reference is, on each platform. Written by `sandkeep images` only. */
export const LOCK_FILE = "sandkeep.lock";
const VERSION = 1;

const entrySchema = z.strictObject({
  /** As the config writes it. */
  ref: z.string().min(1),
  /** `linux/amd64`. */
  platform: z.string().min(1),
  kind: z.enum(["index", "manifest"]),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  /** ISO 8601: when the registry said so. */
  resolved_at: z.iso.datetime(),
});
export const lockSchema = z.strictObject({
  version: z.literal(VERSION, { error: `this sandkeep reads lock files of version ${VERSION}` }),
  images: z.array(entrySchema),
});
export type LockEntry = Readonly<z.infer<typeof entrySchema>>;

export interface ReadLock {
  readonly entries: readonly LockEntry[];
  /** Absent when there is no lock file. */
  readonly file?: { readonly path: string; readonly sha256: string };
  readonly diagnostics: readonly Diagnostic[];
}

export function lockPath(rootFile: string): string {
  return join(dirname(rootFile), LOCK_FILE);
}

/** No lock file is an empty one; one that cannot be understood is an error and never an empty one. */
export async function readLock(rootFile: string, cwd: string): Promise<ReadLock> {
  const path = lockPath(rootFile);
  const shown = showPath(path, cwd);
  const read = readConfigText(path, shown);
  if (!read.ok) {
    if ("fault" in read && !isThere(path)) return { entries: [], diagnostics: [] };
    const found = "diagnostic" in read ? read.diagnostic : diagnose(shown, read.fault);
    return { entries: [], diagnostics: [found] };
  }
  const parsed = parse(read.text);
  if (typeof parsed === "string") {
    const message = `not a lock file of sandkeep: ${parsed}`;
    const hint = `restore it from version control, or remove it and run \`sandkeep images lock\``;
    return { entries: [], diagnostics: [diagnose(shown, { code: "lock-invalid", message, hint })] };
  }
  return { entries: parsed, file: { path: LOCK_FILE, sha256: read.sha256 }, diagnostics: [] };
}

/** Replaces the file in one step; the order depends on the entries alone, so that differences are small. */
export async function writeLock(path: string, entries: readonly LockEntry[]): Promise<void> {
  const { default: writeFileAtomic } = await import("write-file-atomic");
  const images = entries.toSorted((a, b) => compareText(keyOf(a), keyOf(b)));
  await writeFileAtomic(path, `${JSON.stringify({ version: VERSION, images }, null, 2)}\n`, { fsync: true });
}

export function lockedImage({ ref, platform, kind, digest }: LockEntry): ImageIdentity {
  return { ref, platform, kind, digest };
}

function keyOf({ ref, platform }: Pick<LockEntry, "ref" | "platform">): string {
  return `${ref} ${platform}`;
}

/** The entries, or what is wrong. */
function parse(text: string): readonly LockEntry[] | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "it is not valid JSON";
  }
  const parsed = lockSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const at = issue?.path.join(".") ?? "";
    return `${at === "" ? "" : `${at}: `}${issue?.message ?? "it has another shape"}`;
  }
  const { images } = parsed.data;
  const keys = images.map(keyOf);
  const twice = keys.find((key, index) => keys.indexOf(key) !== index);
  return twice === undefined ? images : `${twice} stands in it twice`;
}
