import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { cachedDataVersionTag } from "node:v8";
import { Script } from "node:vm";
import { CodeCaches, type Kept, type Text, textOf } from "./code-cache.ts";
import type * as CommandLine from "./command-line.ts";

/** The build carries it out. Hardly any verb does less, so what it leaves serves each other one until that has its own. */
const BASE = "validate";
/** Of an argument that may be a verb. */
const WORD = /^[a-z][a-z-]*$/;
/** So few bytes are compiled sooner than a cache is read. */
const FEW = 4096;

/** The built program: a file that starts it, and others that it requires when it needs them (rolldown.config.ts). */
export interface Program {
  readonly load: () => Pick<typeof CommandLine, "start">;
  /**
   * Reads what it did not require yet. A command that lasts then goes on as the program that it was started as, also when
   * another version is installed meanwhile. Never throws.
   */
  readonly readAll: () => void;
  /**
   * After the program carried out a verb, as it was typed: keeps what was compiled of it for the next start with that verb,
   * where none is kept that fits, or now and then where it is more than what is kept. Of files that were loaded under other
   * flags of V8 than are set now nothing is kept, because the next start would load them under those. Never throws.
   */
  readonly keep: (verb: string) => void;
}

type Exports = Partial<Pick<typeof CommandLine, "start">>;

/** What the text of a file evaluates to: the wrapper that Node itself puts around a CommonJS module. */
type Wrapper = (
  exports: Exports,
  require: { (name: string): unknown; readonly main: NodeJS.Module | undefined },
  module: { exports: Exports },
  filename: string,
  dirname: string,
) => void;

/** What of a process matters here. */
type Started = Pick<NodeJS.Process, "execArgv" | "argv" | "env">;

interface LoadedFile {
  readonly text: Text;
  readonly kept: Kept | undefined;
  readonly script: Script;
  /** What V8 was when it was loaded: its version, flags, and the machine's features. */
  readonly v8: number;
  readonly module: { exports: Exports };
  /** Since it was loaded. */
  isKept: boolean;
}

/** Loads the files of a program with the code caches beside them. */
export function openProgram(entry: string, { execArgv, argv, env }: Started): Program {
  const caches = new CodeCaches(entry);
  const verbs = [...wordsOf(argv.slice(2)), BASE];
  const files = new Map<string, LoadedFile>();
  const readAhead = new Map<string, Buffer>();
  const nodeRequire = createRequire(entry);
  const load = (path: string): Exports => {
    const loaded = files.get(path);
    if (loaded !== undefined) return loaded.module.exports;
    const bytes = readAhead.get(path) ?? readPart(path);
    const text = textOf(bytes);
    const kept = bytes.length < FEW ? undefined : caches.first(verbs, path, text);
    // No import() in it: V8 forgets who answers that when it takes code from a cache.
    const script = new Script(bytes.toString("latin1"), { filename: path, cachedData: kept?.code });
    const module = { exports: {} };
    // Before it runs: it may require one that requires it.
    files.set(path, { text, kept, script, v8: cachedDataVersionTag(), module, isKept: false });
    const wrapper: Wrapper = script.runInThisContext();
    const folder = dirname(path);
    const require = Object.assign(
      (name: string): unknown => (name.startsWith(".") ? load(join(folder, name)) : nodeRequire(name)),
      { main: nodeRequire.main },
    );
    try {
      wrapper(module.exports, require, module, path, folder);
    } catch (thrown) {
      // As Node does: whoever asks again hears why, instead of finding half of it.
      files.delete(path);
      throw thrown;
    }
    return module.exports;
  };
  return {
    load: () => {
      const { start } = load(entry);
      return { start: start ?? (() => Promise.reject(new Error(`${entry} exports no program`))) };
    },
    readAll: () => {
      for (const path of filesOf(entry)) if (!files.has(path)) readInto(readAhead, path);
    },
    keep: (verb) => {
      // Code made under other flags would only be refused by the next start without them.
      if (execArgv.length > 0 || (env["NODE_OPTIONS"] ?? "") !== "") return;
      const now = cachedDataVersionTag();
      for (const [path, file] of files) {
        const { text, kept, script, v8 } = file;
        if (v8 !== now || text.length < FEW || file.isKept) continue;
        const make = (): Buffer => script.createCachedData();
        if (kept?.verb === verb && script.cachedDataRejected !== true) caches.grow(kept, path, text, make);
        else if (kept === undefined || kept.verb === verb || kept.verb === BASE)
          caches.keep(verb, path, text, make);
        // A value was taken for the verb, and what is compiled now holds the code of another.
        else continue;
        file.isKept = true;
      }
    },
  };
}

/** Which of the arguments is the verb is for the program to say; it is one of these. */
function wordsOf(given: readonly string[]): readonly string[] {
  const end = given.indexOf("--");
  return given.slice(0, end === -1 ? undefined : end).filter((each) => WORD.test(each));
}

function readPart(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const why = "sandkeep was removed or replaced while it began; run it again";
    throw new Error(`cannot read ${path}: ${why}`, { cause });
  }
}

/** All but the first lie in a folder of its name. */
function filesOf(entry: string): readonly string[] {
  const folder = entry.replace(/\.cjs$/, "");
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith(".cjs"));
    return names.map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** All at once takes 10 ms; through other threads it would be five times that. */
function readInto(read: Map<string, Buffer>, path: string): void {
  try {
    read.set(path, readFileSync(path));
  } catch {
    // Gone: whoever needs it says so.
  }
}
