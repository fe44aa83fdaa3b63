import {
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { crc32 } from "node:zlib";

/** A cache begins with so many bytes that say what it was made from. */
const STAMP_BYTES = 12;

/** What V8 compiled of a file, as a start with a verb left it. */
export interface Kept {
  readonly verb: string;
  readonly code: Buffer;
  /** In ms since 1970; as `weighedAt` where that is not known. */
  readonly madeAt: number;
  /** When it was made or weighed last, in ms since 1970. */
  readonly weighedAt: number;
}

/** Making one to weigh it takes 10 to 20 ms: done after a minute, and again when it is twice as old as then, or after a day. */
const WEIGHED_FIRST_MS = 60_000;
const WEIGHED_AGAIN_MS = 86_400_000;
/** Times as large. Less would not start sooner for it. */
const WORTHWHILE = 1.05;

/** What tells a text from others: V8 itself would take two of one length for the same. */
export interface Text {
  readonly length: number;
  readonly sum: number;
}

export function textOf(bytes: Buffer): Text {
  return { length: bytes.length, sum: crc32(bytes) };
}

/**
 * The code caches beside the files of a program, as Python has its `__pycache__`. V8 itself compares versions, flags and the
 * length of the text, so a cache begins with the checksums of the rest, and counts only when they fit and it belongs to the
 * owner of the program: then nobody can slip in a program who could not replace the program itself. Each verb has its own,
 * because a start takes in all of what one holds.
 */
export class CodeCaches {
  readonly #program: string;
  #owner: number | undefined;

  /** Path of a file whose owner is that of the program. */
  constructor(program: string) {
    this.#program = program;
  }

  /** Of the first verb for which something is kept that fits. */
  first(verbs: readonly string[], file: string, text: Text): Kept | undefined {
    for (const verb of verbs) {
      const kept = this.#read(cacheOf(file, verb), text);
      if (kept !== undefined) return { verb, ...kept };
    }
    return undefined;
  }

  /** Never throws. */
  keep(verb: string, file: string, text: Text, make: () => Buffer): void {
    const cache = cacheOf(file, verb);
    const draft = `${cache}.${process.pid}`;
    try {
      if (this.#ownerOfAll() !== process.geteuid?.()) return;
      const kept = make();
      writeFileSync(draft, Buffer.concat([stampOf(text, kept), kept]), { flag: "wx", mode: 0o644 });
      renameSync(draft, cache);
    } catch {
      // A read-only folder, a full disk: the next start compiles again.
      rmSync(draft, { force: true });
    }
  }

  /**
   * Keeps what was compiled since as well. The first start with a verb may have had little to do, as a plan of a fleet that
   * is not yet made, and what it left would make the later ones compile the rest each time. Never throws.
   */
  grow(kept: Kept, file: string, text: Text, make: () => Buffer): void {
    const now = Date.now();
    const age = kept.weighedAt - kept.madeAt;
    const rest = Math.max(WEIGHED_FIRST_MS, Math.min(age, WEIGHED_AGAIN_MS));
    if (Math.abs(now - kept.weighedAt) < rest) return;
    const cache = cacheOf(file, kept.verb);
    try {
      if (this.#ownerOfAll() !== process.geteuid?.()) return;
      // Another start weighed it, or kept more, while this one lasted.
      if (statSync(cache).mtimeMs !== kept.weighedAt) return;
      // First, so that nothing is made on what is mounted read-only, and others that start now need not make it, too.
      utimesSync(cache, now / 1000, now / 1000);
      const code = make();
      if (code.length > kept.code.length * WORTHWHILE) this.keep(kept.verb, file, text, () => code);
    } catch {
      // It serves as it is.
    }
  }

  #read(cache: string, text: Text): Omit<Kept, "verb"> | undefined {
    try {
      const file = openSync(cache, "r");
      try {
        const { uid, mode, mtimeMs, birthtimeMs } = fstatSync(file);
        if (uid !== this.#ownerOfAll() || (mode & 0o022) !== 0) return undefined;
        const bytes = readFileSync(file);
        const code = bytes.subarray(STAMP_BYTES);
        const fits = stampOf(text, code).equals(bytes.subarray(0, STAMP_BYTES));
        // Not every file system knows when it made a file: on one that does not, it is weighed each minute.
        const madeAt = birthtimeMs > 0 ? birthtimeMs : mtimeMs;
        return fits ? { code, madeAt, weighedAt: mtimeMs } : undefined;
      } finally {
        closeSync(file);
      }
    } catch {
      // None there, or none to be read: the file is compiled as ever.
      return undefined;
    }
  }

  #ownerOfAll(): number {
    this.#owner ??= statSync(this.#program).uid;
    return this.#owner;
  }
}

function cacheOf(file: string, verb: string): string {
  return `${file}.${process.version}-${process.arch}.${verb}.cache`;
}

function stampOf(text: Text, kept: Buffer): Buffer {
  const stamp = Buffer.alloc(STAMP_BYTES);
  for (const [at, value] of [text.length, text.sum, crc32(kept)].entries())
    stamp.writeUInt32LE(value, at * 4);
  return stamp;
}
