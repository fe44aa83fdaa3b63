/**
 * In: files and folders. Out: "something changed", debounced, and never what: who is told reads everything anew.
 * Folders are watched rather than files, so that rename-saves, swapped links, new files that an include would match, and
 * files or folders that are deleted and made again are all seen. Events only lead to a look at the file system.
 */
import type { Stats } from "node:fs";
import { lstat, readdir, realpath, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { FSWatcher } from "chokidar";
import { toError } from "../../errors.ts";
import { Debounce, type DebounceOptions } from "../debounce.ts";

export interface WatchedFolder {
  readonly path: string;
  /** How many levels of folders below it count too, those made later included. */
  readonly depth: number;
}

export interface WatchedPaths {
  readonly files: readonly string[];
  /** Folders of which every file that `matches` counts. */
  readonly folders: readonly WatchedFolder[];
}

export interface FileTriggerOptions extends DebounceOptions {
  readonly matches: (path: string) => boolean;
  changed(): void;
  /** Watching itself fails, for instance for want of inotify watches. */
  trouble(error: Error): void;
}

interface Look {
  /** Equal texts: nothing that matters has changed. */
  readonly text: string;
  /** Folders to watch, those of links' targets included, with what tells one from a later one of its name. */
  readonly folders: ReadonlyMap<string, string>;
  /** Folders in which a new folder counts. */
  readonly growing: ReadonlySet<string>;
  /** The files and what links lead to. */
  readonly files: ReadonlySet<string>;
}

const NOTHING: Look = { text: "", folders: new Map(), growing: new Set(), files: new Set() };
const ABSENT = "absent";
const MOST_FOLDERS = 2000;
const MOST_REBUILDS = 5;

export class FileTrigger implements AsyncDisposable {
  readonly #options: FileTriggerOptions;
  readonly #debounce: Debounce;
  #paths: WatchedPaths = { files: [], folders: [] };
  #watcher: FSWatcher | undefined;
  #look = NOTHING;
  /** The folders that the watcher was started on. */
  #watching: Look["folders"] = NOTHING.folders;
  #busy: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: FileTriggerOptions) {
    this.#options = options;
    this.#debounce = new Debounce(options, () => void this.#inTurn(() => this.#check()));
  }

  /**
   * Watches these paths from now on. `true` when that is another set than before: what was read until now
   * may have changed unseen and is to be read again.
   */
  async watch(paths: WatchedPaths): Promise<boolean> {
    const wanted = normalise(paths);
    if (JSON.stringify(wanted) === JSON.stringify(this.#paths)) return false;
    this.#paths = wanted;
    await this.#inTurn(() => this.#rebuild());
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#debounce[Symbol.dispose]();
    await this.#busy;
    await this.#watcher?.close();
  }

  /** One at a time, and failures are told instead of thrown. */
  #inTurn(act: () => Promise<void>): Promise<void> {
    this.#busy = this.#after(this.#busy, act);
    return this.#busy;
  }

  async #after(earlier: Promise<void>, act: () => Promise<void>): Promise<void> {
    await earlier;
    try {
      if (!this.#closed) await act();
    } catch (thrown) {
      this.#options.trouble(toError(thrown));
    }
  }

  async #check(): Promise<void> {
    const before = this.#look;
    this.#look = await look(this.#paths, this.#options.matches);
    if (!sameFolders(this.#watching, this.#look.folders)) await this.#rebuild();
    if (this.#look.text !== before.text && !this.#closed) this.#options.changed();
  }

  /** Folders that appear or are replaced while the watcher starts call for another. */
  async #rebuild(): Promise<void> {
    let seen = await look(this.#paths, this.#options.matches);
    for (let round = 1; round <= MOST_REBUILDS; round++) {
      // First closed: chokidar shares its handles by path, and one of a replaced folder would be deaf.
      await this.#watcher?.close();
      this.#watcher = await this.#start(seen);
      this.#watching = seen.folders;
      this.#look = await look(this.#paths, this.#options.matches);
      if (sameFolders(seen.folders, this.#look.folders)) return;
      seen = this.#look;
    }
    // Somebody keeps on replacing them; a later event may find them at rest.
    this.#debounce.poke();
  }

  async #start(seen: Look): Promise<FSWatcher> {
    const { watch } = await import("chokidar");
    const present = [...seen.folders].filter(([, identity]) => identity !== ABSENT).map(([path]) => path);
    const watcher = watch(present, {
      ignoreInitial: true,
      followSymlinks: false,
      depth: 0,
      ignored: (path, stats) => stats !== undefined && !counts(path, stats, seen, this.#options.matches),
    });
    watcher.on("error", (thrown) => this.#options.trouble(toError(thrown)));
    watcher.on("all", () => this.#debounce.poke());
    // A folder that is moved away and replaced within one moment shows in no other event.
    watcher.on("raw", () => this.#debounce.poke());
    await new Promise<void>((ready) => watcher.once("ready", ready));
    return watcher;
  }
}

function normalise(paths: WatchedPaths): WatchedPaths {
  const depths = new Map<string, number>();
  for (const { path, depth } of paths.folders) {
    const folder = resolve(path);
    depths.set(folder, Math.max(depth, depths.get(folder) ?? 0));
  }
  const folders = [...depths].map(([path, depth]) => ({ path, depth }));
  return {
    files: [...new Set(paths.files.map((path) => resolve(path)))].toSorted(),
    folders: folders.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
  };
}

function sameFolders(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([path, identity]) => b.get(path) === identity);
}

/** Whether a folder's entry is worth an event; each entry that is costs a watch of the system. */
function counts(path: string, stats: Stats, seen: Look, matches: (path: string) => boolean): boolean {
  if (stats.isDirectory()) return seen.folders.has(path) || seen.growing.has(dirname(path));
  return stats.isSymbolicLink() || matches(path) || seen.files.has(path);
}

async function look(paths: WatchedPaths, matches: (path: string) => boolean): Promise<Look> {
  const trees = await expand(paths.folders);
  const listed = [...trees.values()].flatMap(({ files }) => files.filter((path) => matches(path)));
  const files = [...new Set([...paths.files, ...listed])].toSorted();
  const seen = await Promise.all(files.map((file) => identify(file)));
  const known = new Set(files);
  for (const each of seen) if (each !== undefined) known.add(each.real);
  const holders = new Set(trees.keys());
  for (const file of known) holders.add(dirname(file));
  const folders = new Map<string, string>();
  const growing = new Set([...trees].filter(([, tree]) => tree.depth > 0).map(([path]) => path));
  for (const folder of [...holders].toSorted()) await addFolder(folder, folders, growing);
  const text = JSON.stringify([files.map((file, index) => [file, seen[index]]), [...folders]]);
  return { text, folders, growing, files: known };
}

interface ListedFolder {
  readonly depth: number;
  readonly files: readonly string[];
}

/** The folders and, as deep as asked, those below them. */
async function expand(folders: readonly WatchedFolder[]): Promise<Map<string, ListedFolder>> {
  const found = new Map<string, ListedFolder>();
  const left = [...folders];
  for (let next = left.shift(); next !== undefined && found.size < MOST_FOLDERS; next = left.shift()) {
    const { path, depth } = next;
    if ((found.get(path)?.depth ?? -1) >= depth) continue;
    const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
    const files = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => join(path, name));
    found.set(path, { depth, files });
    if (depth === 0) continue;
    for (const entry of entries) {
      const skipped = entry.name === "node_modules" || entry.name.startsWith(".");
      if (entry.isDirectory() && !skipped) left.push({ path: join(path, entry.name), depth: depth - 1 });
    }
  }
  return found;
}

async function identify(file: string): Promise<{ real: string; state: readonly number[] } | undefined> {
  try {
    const [real, { ino, size, mtimeMs, ctimeMs }] = await Promise.all([realpath(file), stat(file)]);
    return { real, state: [ino, size, mtimeMs, ctimeMs] };
  } catch {
    return undefined;
  }
}

/**
 * The folder, and where another may take its place: for one that is not there the nearest folder above it, and for one
 * behind a link the folder that holds the link.
 */
async function addFolder(path: string, folders: Map<string, string>, growing: Set<string>): Promise<void> {
  if (folders.has(path)) return;
  const above = dirname(path);
  try {
    const { dev, ino } = await stat(path);
    folders.set(path, `${dev}:${ino}`);
    for (const holder of await linkHolders(path)) await addFolder(holder, folders, growing);
  } catch {
    folders.set(path, ABSENT);
    growing.add(above);
    if (above !== path) await addFolder(above, folders, growing);
  }
}

async function linkHolders(path: string): Promise<string[]> {
  if ((await realpath(path)) === path) return [];
  const holders: string[] = [];
  for (let part = path; dirname(part) !== part; part = dirname(part)) {
    if ((await lstat(part)).isSymbolicLink()) holders.push(dirname(part));
  }
  return holders;
}
