import { mkdir, open, readFile, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { z } from "zod";
import { SandkeepError, toError } from "../errors.ts";
import type { Diagnostic } from "../model/diagnostic.ts";

export type ProblemSink = (problem: Diagnostic) => void;

const DIRECTORY_MODE = 0o700;
export const FILE_MODE = 0o600;

/** An address or id as one file name; `decodeName` is its inverse. */
export function encodeName(name: string): string {
  const text = encodeURIComponent(name);
  // A leading dot would make `.`, `..` or a hidden file of it.
  return text.startsWith(".") ? `%2E${text.slice(1)}` : text;
}

/** Undefined for names that `encodeName` never makes: such files are not ours. */
export function decodeName(file: string): string | undefined {
  try {
    const name = decodeURIComponent(file);
    return encodeName(name) === file ? name : undefined;
  } catch {
    return undefined;
  }
}

export function errorCode(thrown: unknown): string | undefined {
  const code: unknown = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  return typeof code === "string" ? code : undefined;
}

export function isMissing(thrown: unknown): boolean {
  const code = errorCode(thrown);
  return code === "ENOENT" || code === "ENOTDIR";
}

export function stateError(what: string, path: string, thrown: unknown): SandkeepError {
  const cause = toError(thrown);
  const denied = ["EACCES", "EPERM", "EROFS"].includes(errorCode(thrown) ?? "");
  return new SandkeepError(`cannot ${what} ${path}: ${cause.message}`, {
    code: "STATE_IO",
    hint: "Check the state directory's owner and free space, or name another with --state-dir.",
    kind: denied ? "denied" : "terminal",
    cause,
  });
}

export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
  } catch (error) {
    throw stateError("create", path, error);
  }
}

/** A rename is durable only once its directory is. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Write, fsync, rename: readers see the old file or the new one. */
export async function writeAtomic(path: string, text: string): Promise<void> {
  const { default: writeFileAtomic } = await import("write-file-atomic");
  await makeDirectory(dirname(path));
  try {
    await writeFileAtomic(path, text, { mode: FILE_MODE, fsync: true });
    await syncDirectory(dirname(path));
  } catch (error) {
    throw stateError("write", path, error);
  }
}

export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeAtomic(path, `${JSON.stringify(value)}\n`);
}

export async function removeFile(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
  } catch (error) {
    throw stateError("remove", path, error);
  }
}

/** Undefined when there is no such file. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    // A directory in a file's place is foreign, not a fault of the disk: an empty text fails every check.
    if (errorCode(error) === "EISDIR") return "";
    throw stateError("read", path, error);
  }
}

/** File names of a directory in order; none when it does not exist. */
export async function listNames(dir: string): Promise<readonly string[]> {
  try {
    return (await readdir(dir)).toSorted();
  } catch (error) {
    if (isMissing(error)) return [];
    throw stateError("list", dir, error);
  }
}

/** What to do with a file that is torn, truncated or not ours: set it aside, or (as a reader) only say so. */
export type Damage = "quarantine" | "report";

/** A file's value, or undefined when it is missing or damaged. */
export async function readJson<T>(
  path: string,
  schema: z.ZodType<T>,
  damage: Damage,
  onProblem: ProblemSink | undefined,
): Promise<T | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  const value = parseJson(text, schema);
  if (value !== undefined) return value;
  await damaged(path, damage, onProblem);
  return undefined;
}

export function parseJson<T>(text: string, schema: z.ZodType<T>): T | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

export async function damaged(
  path: string,
  damage: Damage,
  onProblem: ProblemSink | undefined,
): Promise<void> {
  const aside = damage === "quarantine" ? await quarantine(path) : undefined;
  onProblem?.({
    severity: "warning",
    code: "state-file-damaged",
    message: `${basename(path)} is torn or not in a form this version reads; it is ignored`,
    path: "",
    file: aside ?? path,
    hint:
      aside === undefined
        ? "The next command that writes it sets it aside."
        : "It was set aside under this name; remove it when you no longer need it.",
  });
}

const MAX_QUARANTINED = 1000;

/** Renames a file out of the way; undefined when another process was faster. */
async function quarantine(path: string): Promise<string | undefined> {
  const taken = new Set(await listNames(dirname(path)));
  for (let n = 1; n <= MAX_QUARANTINED; n += 1) {
    const name = `${basename(path)}.quarantined-${n}`;
    if (taken.has(name)) continue;
    try {
      await rename(path, join(dirname(path), name));
      return join(dirname(path), name);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw stateError("set aside", path, error);
    }
  }
  // Something tears this file again and again; keeping more copies helps nobody.
  await rm(path, { recursive: true, force: true });
  return undefined;
}
