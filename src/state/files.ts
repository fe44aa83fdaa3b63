/**
 * The files of the state directory. They are small, so what the system answers at once is asked for at once: handing it to
 * another thread takes ten times as long, and each command does some fifty of these.
 */
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { link, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { z } from "zod";
import { SandkeepError, toError } from "../errors.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import { PRIVATE_FILE, writeDurably, writeNew } from "../util/durable-file.ts";
import { errnoOf, isMissing } from "../util/errno.ts";

export type ProblemSink = (problem: Diagnostic) => void;

const DIRECTORY_MODE = 0o700;

export function stateError(what: string, path: string, thrown: unknown): SandkeepError {
  const cause = toError(thrown);
  const denied = ["EACCES", "EPERM", "EROFS"].includes(errnoOf(thrown) ?? "");
  return new SandkeepError(`cannot ${what} ${path}: ${cause.message}`, {
    code: "STATE_IO",
    hint: "Check the state directory's owner and free space, or name another with --state-dir.",
    kind: denied ? "denied" : "terminal",
    cause,
  });
}

export async function makeDirectory(path: string): Promise<void> {
  try {
    mkdirSync(path, { recursive: true, mode: DIRECTORY_MODE });
  } catch (error) {
    throw stateError("create", path, error);
  }
}

/** Readers see the old file or the new one; its directory is made where it is missing. */
export async function writeText(path: string, text: string, write = writeDurably): Promise<void> {
  await makeDirectory(dirname(path));
  try {
    await write(path, text);
  } catch (error) {
    throw stateError("write", path, error);
  }
}

export async function writeJson(path: string, value: unknown, write = writeDurably): Promise<void> {
  await writeText(path, `${JSON.stringify(value)}\n`, write);
}

/** As `writeNew` of what is to be JSON. */
export async function createJson(path: string, value: unknown): Promise<ReturnType<typeof writeNew>> {
  await makeDirectory(dirname(path));
  try {
    return writeNew(path, `${JSON.stringify(value)}\n`);
  } catch (error) {
    throw stateError("create", path, error);
  }
}

export async function removeFile(path: string): Promise<void> {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw stateError("remove", path, error);
  }
}

/** Undefined when there is no such file. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    // A directory in a file's place is foreign, not a fault of the disk: an empty text fails every check.
    if (errnoOf(error) === "EISDIR") return "";
    throw stateError("read", path, error);
  }
}

const NEWLINE = 0x0a;

/** In one write, so that lines of several processes never mix; what a crash cut short before them stays a line of its own. */
export async function appendLines(path: string, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  await makeDirectory(dirname(path));
  try {
    const file = openSync(path, "a+", PRIVATE_FILE);
    try {
      const { size } = fstatSync(file);
      const last = Buffer.alloc(1);
      const torn = size > 0 && readSync(file, last, 0, 1, size - 1) === 1 && last[0] !== NEWLINE;
      writeFileSync(file, `${torn ? "\n" : ""}${lines.join("\n")}\n`);
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    throw stateError("append to", path, thrown);
  }
}

/** File names of a directory in order; none when it does not exist. */
export async function listNames(dir: string): Promise<readonly string[]> {
  try {
    return readdirSync(dir).toSorted();
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
  const aside = damage === "quarantine" ? await setAside(path, rename) : undefined;
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

/** Keeps a damaged file under another name while it stays where it is, for the write that replaces it. */
export async function keepCopy(path: string): Promise<string | undefined> {
  // What cannot be linked (a directory, say) cannot be written over either, or not here.
  return setAside(path, (from, to) => link(from, to).catch(async () => rename(from, to)));
}

type Move = (from: string, to: string) => Promise<void>;

/** The new name; undefined when another process was faster. */
async function setAside(path: string, move: Move): Promise<string | undefined> {
  const taken = new Set(await listNames(dirname(path)));
  for (let n = 1; n <= MAX_QUARANTINED; n += 1) {
    const name = `${basename(path)}.quarantined-${n}`;
    if (taken.has(name)) continue;
    try {
      await move(path, join(dirname(path), name));
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
