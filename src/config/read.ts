import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, statSync } from "node:fs";
import { toError } from "../errors.ts";
import type { Diagnostic } from "../model/diagnostic.ts";
import { type Fault, diagnose, openDocument } from "./document.ts";
import { LIMITS } from "./limits.ts";

export type ReadOutcome =
  | { readonly ok: true; readonly text: string; readonly sha256: string; readonly size: number }
  /** `fault` concerns the file as a whole; `diagnostic` is a place in it. */
  | { readonly ok: false; readonly fault: Fault }
  | { readonly ok: false; readonly diagnostic: Diagnostic };

/** Reads a config file as UTF-8. Never waits on a pipe or a device, and never reads more than the limit. */
export function readConfigText(path: string, shown: string): ReadOutcome {
  try {
    // A look before opening: opening some devices has effects of its own.
    const before = statSync(path);
    if (!before.isFile()) return { ok: false, fault: notAFile(shown, before) };
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const opened = fstatSync(file);
      if (!opened.isFile()) return { ok: false, fault: notAFile(shown, opened) };
      const bytes = readAtMost(file, LIMITS.fileBytes + 1);
      if (bytes.length > LIMITS.fileBytes) return { ok: false, fault: tooLarge(shown) };
      return decode(bytes, shown);
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    return { ok: false, fault: unreadable(shown, toError(thrown)) };
  }
}

/** False also for what cannot be looked at. */
export function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

function readAtMost(file: number, limit: number): Buffer {
  const chunks: Buffer[] = [];
  let total = 0;
  // The size told by stat is not trusted: files of /proc tell 0 and have no end.
  while (total < limit) {
    const chunk = Buffer.alloc(Math.min(65_536, limit - total));
    const bytesRead = readSync(file, chunk, 0, chunk.length, null);
    if (bytesRead === 0) break;
    chunks.push(chunk.subarray(0, bytesRead));
    total += bytesRead;
  }
  return Buffer.concat(chunks);
}

function decode(bytes: Buffer, shown: string): ReadOutcome {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    return { ok: true, text, sha256, size: bytes.length };
  } catch {
    const before = textBeforeBadByte(bytes);
    const place = { document: openDocument(shown, before), offset: before.length };
    return {
      ok: false,
      diagnostic: diagnose(place, {
        code: "invalid-utf8",
        message: "expected UTF-8, got a byte that is not part of any character",
        hint: "save the file as UTF-8",
      }),
    };
  }
}

function textBeforeBadByte(bytes: Buffer): string {
  // A lenient round trip changes the first bad byte and nothing before it.
  const lenient = Buffer.from(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
  let at = 0;
  while (at < bytes.length && bytes[at] === lenient[at]) at++;
  // With `stream`, the half of a character before the bad byte is held back.
  return new TextDecoder("utf-8").decode(bytes.subarray(0, at), { stream: true });
}

interface FileKind {
  isDirectory(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
}

function notAFile(shown: string, kind: FileKind): Fault {
  const name = kind.isDirectory()
    ? "a folder"
    : kind.isFIFO()
      ? "a named pipe"
      : kind.isSocket()
        ? "a socket"
        : "a device";
  return {
    code: "not-a-file",
    message: `expected a config file, but ${shown} is ${name}`,
    hint: kind.isDirectory() ? `name the files in it, such as ${shown}/*.toml` : "name a regular file",
  };
}

function tooLarge(shown: string): Fault {
  return {
    code: "too-large",
    message: `${shown} is larger than ${LIMITS.fileBytes / 1024 / 1024} MiB`,
    hint: "split the file with include",
  };
}

/** System errors a person can act on, with the act. */
const READ_FAULTS: Readonly<Record<string, readonly [message: string, hint: string]>> = {
  ENOENT: ["does not exist", "create it, or correct the name; a link to it may be dangling"],
  ENOTDIR: ["does not exist", "one of the folders in its path is a file"],
  EACCES: ["may not be read by this user", "give this user the right to read it"],
  EPERM: ["may not be read by this user", "give this user the right to read it"],
  ELOOP: ["is a link that leads to itself", "remove the loop of links"],
  ENAMETOOLONG: ["has too long a name", "shorten the name"],
};

export function unreadable(shown: string, error: Error): Fault {
  const errno = "code" in error ? String(error.code) : "";
  const [what, hint] = READ_FAULTS[errno] ?? [`cannot be read (${errno || error.message})`, "check the file"];
  return {
    code: errno === "ENOENT" || errno === "ENOTDIR" ? "not-found" : "unreadable",
    message: `${shown} ${what}`,
    hint,
  };
}
