/**
 * Keeps the config that watch enforces: the newest one that proved good. A broken edit is reported with all its problems
 * and changes nothing else; what was good before goes on being enforced.
 */
import { stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { LoadedConfig, LoadRequest, LoadResult } from "../src/config/index.ts";
import { loadConfig } from "../src/config/index.ts";
import { lockPath } from "../src/config/lock.ts";
import { SandkeepError, toError } from "../src/errors.ts";
import type { WatchedFolder, WatchedPaths } from "../src/loop/triggers/files.ts";
import type { Diagnostic } from "../src/model/diagnostic.ts";
import type { EventSink } from "../src/model/event.ts";

export interface ConfigKeeperOptions {
  readonly request: LoadRequest;
  readonly sink: EventSink;
  /** Watches these paths from now on; `true` when they are others than before. */
  readonly watch?: (paths: WatchedPaths) => Promise<boolean>;
}

/** Files of these kinds are configs, whether an include names them or a fleet folder holds them. */
export function isConfigFile(path: string): boolean {
  return /\.(?:toml|json5?)$/.test(path);
}

/** Folders below `**` that are watched for new files. */
const DEEPEST = 8;
/** Each round subscribes to what the one before found, so that no edit falls between reading and watching. */
const ROUNDS = 3;

export class ConfigKeeper {
  readonly #options: ConfigKeeperOptions;
  #good: LoadedConfig | undefined;
  #candidate: LoadedConfig | undefined;
  /** What was said of the invalid config last, so that it is not repeated in full at each look. */
  #complaint: string | undefined;

  constructor(options: ConfigKeeperOptions) {
    this.#options = options;
  }

  /** What proved good last. */
  get good(): LoadedConfig | undefined {
    return this.#good;
  }

  /** Reads the files anew. The answer is what to try now: the newest readable config, else the last good one. */
  async refresh(): Promise<LoadedConfig | undefined> {
    const result = await this.#load();
    if (!result.ok) {
      this.#candidate = undefined;
      this.#complain(result.diagnostics);
      return this.#good;
    }
    const same = this.#good !== undefined && identity(this.#good) === identity(result.loaded);
    this.#candidate = same ? undefined : result.loaded;
    if (same) this.#settled();
    return this.#candidate ?? this.#good;
  }

  /** The config was planned with: it is the good one now. */
  accept(loaded: LoadedConfig): void {
    const isNew = this.#good === undefined || identity(this.#good) !== identity(loaded);
    this.#good = loaded;
    this.#candidate = undefined;
    if (isNew) this.#complaint = undefined;
    if (isNew) this.#tell("loaded", 0, `${loaded.rootFile} is in force`);
    else this.#settled();
  }

  /** The config contradicts itself: the answer is the last good one, if that is another. */
  reject(loaded: LoadedConfig, diagnostics: readonly Diagnostic[]): LoadedConfig | undefined {
    this.#candidate = undefined;
    this.#complain(diagnostics);
    return this.#good === loaded ? undefined : this.#good;
  }

  /** A broken edit was taken back. */
  #settled(): void {
    if (this.#complaint === undefined || this.#candidate !== undefined) return;
    this.#complaint = undefined;
    this.#tell("loaded", 0, `${this.#good?.rootFile ?? ""} is valid again`);
  }

  async #load(): Promise<LoadResult> {
    for (let round = 1; ; round++) {
      const result = await this.#read();
      const moved = await this.#options.watch?.(await this.#pathsOf(result));
      if (moved !== true || round === ROUNDS) return result;
    }
  }

  async #read(): Promise<LoadResult> {
    try {
      return await loadConfig(this.#options.request);
    } catch (thrown) {
      const error = toError(thrown);
      const hint = error instanceof SandkeepError ? error.hint : undefined;
      const problem = { severity: "error", code: "unreadable", message: error.message, path: "" } as const;
      return { ok: false, diagnostics: [hint === undefined ? problem : { ...problem, hint }] };
    }
  }

  /** A broken config may be mended in a file that only its diagnostics name. */
  async #pathsOf(result: LoadResult): Promise<WatchedPaths> {
    const { cwd, file } = this.#options.request;
    const known = result.ok ? result.loaded : this.#good;
    const paths = known === undefined ? { files: [], folders: [] } : await watchedPaths(known, file, cwd);
    const blamed = result.diagnostics.flatMap((each) => (each.file === undefined ? [] : [each.file]));
    return { ...paths, files: [...paths.files, ...blamed.map((each) => resolve(cwd, each))] };
  }

  #complain(diagnostics: readonly Diagnostic[]): void {
    const text = JSON.stringify(diagnostics);
    if (text !== this.#complaint) {
      for (const diagnostic of diagnostics) this.#options.sink.notify({ type: "diagnostic", diagnostic });
    }
    this.#complaint = text;
    const errors = diagnostics.filter(({ severity }) => severity === "error").length;
    const kept =
      this.#good === undefined ? "there is none to fall back on" : "the last good one stays in force";
    this.#tell("invalid", errors, `the config has ${errors} ${errors === 1 ? "error" : "errors"}; ${kept}`);
  }

  #tell(status: "loaded" | "invalid", errors: number, message: string): void {
    this.#options.sink.notify({ type: "watch.config", status, errors, message });
  }
}

/** Equal for configs read from equal files. */
function identity(loaded: LoadedConfig): string {
  return JSON.stringify([loaded.rootFile, loaded.files]);
}

async function watchedPaths(
  loaded: LoadedConfig,
  file: string | undefined,
  cwd: string,
): Promise<WatchedPaths> {
  const folder = dirname(loaded.rootFile);
  // The lock file is watched before there is one, too.
  const files = [
    loaded.rootFile,
    lockPath(loaded.rootFile),
    ...loaded.files.map(({ path }) => join(folder, path)),
  ];
  const folders: WatchedFolder[] = [];
  for (const pattern of loaded.config.include ?? []) {
    const parts = pattern.split("/");
    const first = parts.findIndex((part) => /[*?[\]]/.test(part));
    if (first < 0) files.push(join(folder, pattern));
    else {
      const below = parts.slice(first);
      const depth = below.includes("**") ? DEEPEST : below.length - 1;
      folders.push({ path: join(folder, ...parts.slice(0, first)), depth });
    }
  }
  if (await isFleetFolder(loaded, file, cwd)) folders.push({ path: folder, depth: 0 });
  return { files, folders };
}

/** A named folder without a root file: each config file in it is a part of the fleet. */
async function isFleetFolder(loaded: LoadedConfig, file: string | undefined, cwd: string): Promise<boolean> {
  if (file === undefined || basename(loaded.rootFile).startsWith("sandkeep.")) return false;
  try {
    return (await stat(resolve(cwd, file))).isDirectory();
  } catch {
    return false;
  }
}
