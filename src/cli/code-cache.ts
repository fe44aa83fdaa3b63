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

/** The bundled program, compiled. */
export interface Program {
  readonly load: () => Pick<typeof CommandLine, "start">;
  /**
   * After the program carried out a verb: keeps what was compiled of it for the next start, where none is kept that fits or
   * that verb had no part in it. Never throws.
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
type Started = Pick<NodeJS.Process, "execArgv" | "env">;

/**
 * Compiles a bundle with the code cache beside it, as Python does with `__pycache__`. V8 itself compares versions, flags and
 * the length of the source, so a cache begins with the checksums of the rest, and counts only when they fit and it belongs
 * to the owner of the bundle: then nobody can slip in a program who could not replace the bundle itself.
 */
export function compileProgram(bundle: string, { execArgv, env }: Started): Program {
  const source = readFileSync(bundle);
  const cache = `${bundle}.${process.version}-${process.arch}.cache`;
  const kept = readCode(cache, source, bundle);
  const cachedData = kept?.code;
  // No import() in it: V8 forgets who answers that when it takes code from a cache.
  const script = new Script(source.toString("latin1"), { filename: bundle, cachedData });
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
      // What came from the cache is part of what is kept, so each verb adds its own code to that of the others.
      const verbs = script.cachedDataRejected === true ? [] : (kept?.verbs ?? []);
      if (flags || verbs.includes(verb)) return;
      writeCode(cache, source, bundle, () => made([...verbs, verb], script.createCachedData()));
    },
  };
}

/** After the stamp: the verbs that were carried out, and on the next line what was compiled of it. */
function made(verbs: readonly string[], code: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${verbs.join(" ")}\n`), code]);
}

function stampOf(source: Buffer, kept: Buffer): Buffer {
  const stamp = Buffer.alloc(STAMP_BYTES);
  for (const [at, value] of [source.length, crc32(source), crc32(kept)].entries())
    stamp.writeUInt32LE(value, at * 4);
  return stamp;
}

interface Kept {
  readonly verbs: readonly string[];
  readonly code: Buffer;
}

function readCode(cache: string, source: Buffer, bundle: string): Kept | undefined {
  try {
    const file = openSync(cache, "r");
    try {
      const { uid, mode } = fstatSync(file);
      if (uid !== statSync(bundle).uid || (mode & 0o022) !== 0) return undefined;
      const bytes = readFileSync(file);
      const kept = bytes.subarray(STAMP_BYTES);
      if (!stampOf(source, kept).equals(bytes.subarray(0, STAMP_BYTES))) return undefined;
      const end = kept.indexOf("\n");
      return { verbs: kept.toString("latin1", 0, end).split(" "), code: kept.subarray(end + 1) };
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
