import { createHash, randomUUID } from "node:crypto";
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
import { cachedDataVersionTag } from "node:v8";
import { Script } from "node:vm";
import type * as CommandLine from "./command-line.ts";

const DIGEST_BYTES = 32;

/** The bundled program, compiled. */
export interface Program {
  readonly load: () => Pick<typeof CommandLine, "start">;
  /** After the program ran: keeps what was compiled of it for the next start, where none is kept that fits. Never throws. */
  readonly keep: () => void;
}

/** The wrapper that Node itself puts around a CommonJS module. */
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
 * Compiles a CommonJS bundle with the code cache beside it, as Python does with `__pycache__`. V8 itself compares only the
 * length of the source, so a cache begins with a digest of all that it was made from, and counts only when it fits and
 * belongs to the owner of the bundle: then nobody can slip in a program who could not replace the bundle itself.
 */
export function compileProgram(bundle: string, { execArgv, env }: Started): Program {
  const source = readFileSync(bundle);
  const cache = `${bundle}.${process.version}-${process.arch}.cache`;
  const cachedData = readCode(cache, source, bundle);
  // No import() in it: V8 forgets who answers that when it takes code from a cache.
  const script = new Script(
    `(function(exports,require,module,__filename,__dirname){${source.toString("latin1")}\n})`,
    {
      filename: bundle,
      cachedData,
    },
  );
  return {
    load: () => {
      const wrapper: Wrapper = script.runInThisContext();
      const module = {
        exports: {
          start: (): Promise<number> => Promise.reject(new Error(`${bundle} exports no program`)),
        },
      };
      wrapper(module.exports, createRequire(bundle), module, bundle, dirname(bundle));
      return module.exports;
    },
    keep: () => {
      // Code made under other flags would only be refused by the next start without them.
      const flags = execArgv.length > 0 || (env["NODE_OPTIONS"] ?? "") !== "";
      const fits = cachedData !== undefined && script.cachedDataRejected !== true;
      if (!fits && !flags) writeCode(cache, source, bundle, () => script.createCachedData());
    },
  };
}

function digest(source: Buffer, code: Buffer): Buffer {
  const made = `${process.version} ${process.arch} ${cachedDataVersionTag()} ${source.length}\n`;
  return createHash("sha256").update(made).update(source).update(code).digest();
}

function readCode(cache: string, source: Buffer, bundle: string): Buffer | undefined {
  try {
    const file = openSync(cache, "r");
    try {
      const { uid, mode } = fstatSync(file);
      if (uid !== statSync(bundle).uid || (mode & 0o022) !== 0) return undefined;
      const kept = readFileSync(file);
      const code = kept.subarray(DIGEST_BYTES);
      return digest(source, code).equals(kept.subarray(0, DIGEST_BYTES)) ? code : undefined;
    } finally {
      closeSync(file);
    }
  } catch {
    // None there, or none to be read: the program is compiled as ever.
    return undefined;
  }
}

function writeCode(cache: string, source: Buffer, bundle: string, made: () => Buffer): void {
  const draft = `${cache}.${randomUUID()}`;
  try {
    if (statSync(bundle).uid !== process.geteuid?.()) return;
    const code = made();
    writeFileSync(draft, Buffer.concat([digest(source, code), code]), { flag: "wx", mode: 0o644 });
    renameSync(draft, cache);
  } catch {
    // A read-only folder, a full disk: the next start compiles again.
    rmSync(draft, { force: true });
  }
}
