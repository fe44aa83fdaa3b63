import {
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { Script } from "node:vm";
import { crc32 } from "node:zlib";
import type * as CommandLine from "./command-line.ts";

/** A cache begins with so many bytes that say what it was made from. */
const STAMP_BYTES = 12;
/** The build carries it out. Hardly any verb does less, so what it leaves serves each other one until that has its own. */
const BASE = "validate";
/** Of an argument that may be a verb. */
const WORD = /^[a-z][a-z-]*$/;

/** The bundled program, compiled. */
export interface Program {
  readonly load: () => Pick<typeof CommandLine, "start">;
  /**
   * After the program carried out a verb, as it was typed: keeps what was compiled of it for the next start with that verb,
   * where none is kept that fits. Never throws.
   */
  readonly keep: (verb: string) => void;
}

/** What the text of a bundle evaluates to: the wrapper that Node itself puts around a CommonJS module. */
type Wrapper = (
  exports: object,
  require: NodeJS.Require,
  module: { exports: Pick<typeof CommandLine, "start"> },
  filename: string,
  dirname: string,
) => void;

/** What of a process matters here. */
type Started = Pick<NodeJS.Process, "execArgv" | "argv" | "env">;

/**
 * Compiles a bundle with the code cache beside it, as Python does with `__pycache__`. V8 itself compares versions, flags and
 * the length of the source, so a cache begins with the checksums of the rest, and counts only when they fit and it belongs
 * to the owner of the bundle: then nobody can slip in a program who could not replace the bundle itself. Each verb has its
 * own, because a start takes in all of what one holds.
 */
export function compileProgram(bundle: string, { execArgv, argv, env }: Started): Program {
  const source = readFileSync(bundle);
  const cacheOf = (verb: string): string => `${bundle}.${process.version}-${process.arch}.${verb}.cache`;
  const [, , ...given] = argv;
  const kept = firstKept([...wordsOf(given), BASE], (verb) => readCode(cacheOf(verb), source, bundle));
  // No import() in it: V8 forgets who answers that when it takes code from a cache.
  const script = new Script(source.toString("latin1"), { filename: bundle, cachedData: kept?.code });
  return {
    load: () => {
      const wrapper: Wrapper = script.runInThisContext();
      const module = {
        exports: {
          start: (): Promise<never> => Promise.reject(new Error(`${bundle} exports no program`)),
        },
      };
      wrapper(module.exports, createRequire(bundle), module, bundle, dirname(bundle));
      return module.exports;
    },
    keep: (verb) => {
      // Code made under other flags would only be refused by the next start without them.
      const flags = execArgv.length > 0 || (env["NODE_OPTIONS"] ?? "") !== "";
      // A value was taken for the verb, and what is compiled now holds the code of another.
      const mistaken = kept !== undefined && kept.verb !== verb && kept.verb !== BASE;
      if (flags || mistaken) return;
      const fits = kept?.verb === verb && script.cachedDataRejected !== true;
      if (!fits) writeCode(cacheOf(verb), source, bundle, () => script.createCachedData());
    },
  };
}

/** Which of the arguments is the verb is for the program to say; it is one of these. */
function wordsOf(given: readonly string[]): readonly string[] {
  const end = given.indexOf("--");
  return given.slice(0, end === -1 ? undefined : end).filter((each) => WORD.test(each));
}

interface Kept {
  readonly verb: string;
  readonly code: Buffer;
}

function firstKept(verbs: readonly string[], read: (verb: string) => Buffer | undefined): Kept | undefined {
  for (const verb of verbs) {
    const code = read(verb);
    if (code !== undefined) return { verb, code };
  }
  return undefined;
}

function stampOf(source: Buffer, kept: Buffer): Buffer {
  const stamp = Buffer.alloc(STAMP_BYTES);
  for (const [at, value] of [source.length, crc32(source), crc32(kept)].entries())
    stamp.writeUInt32LE(value, at * 4);
  return stamp;
}

function readCode(cache: string, source: Buffer, bundle: string): Buffer | undefined {
  try {
    const file = openSync(cache, "r");
    try {
      const { uid, mode } = fstatSync(file);
      if (uid !== statSync(bundle).uid || (mode & 0o022) !== 0) return undefined;
      const bytes = readFileSync(file);
      const kept = bytes.subarray(STAMP_BYTES);
      return stampOf(source, kept).equals(bytes.subarray(0, STAMP_BYTES)) ? kept : undefined;
    } finally {
      closeSync(file);
    }
  } catch {
    // None there, or none to be read: the program is compiled as ever.
    return undefined;
  }
}

function writeCode(cache: string, source: Buffer, bundle: string, make: () => Buffer): void {
  const draft = `${cache}.${process.pid}`;
  try {
    if (statSync(bundle).uid !== process.geteuid?.()) return;
    const kept = make();
    writeFileSync(draft, Buffer.concat([stampOf(source, kept), kept]), { flag: "wx", mode: 0o644 });
    renameSync(draft, cache);
  } catch {
    // A read-only folder, a full disk: the next start compiles again.
    rmSync(draft, { force: true });
  }
}
