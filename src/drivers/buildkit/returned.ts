/**
 * In: the tar of a build's results, as it arrives, and the workspace as it was sent. Out: the command's code, its streams
 * written on as they come, and what it changed, in a folder beside. It writes nothing to the workspace, and what a worker
 * says is taken for nothing but content: no name and no link in the tar leads out of that folder, or to a file of this machine.
 */
import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import {
  copyFile,
  lstat,
  mkdir,
  open,
  readFile,
  readlink,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { ReadEntry } from "tar";
import { errnoOf, unlessMissing } from "../../util/errno.ts";
import { eachEntry } from "../../util/tar-entries.ts";
import type { ReturnedChanges, ReturnedPath } from "../../util/returned-changes.ts";
import type { Baseline, SentPath } from "./baseline.ts";
import { isAsSent } from "./baseline.ts";
import { RESULTS, TREE } from "./dockerfile.ts";
import { buildkitFailure } from "./errors.ts";
import { isHidden, leadsToHidden } from "./hidden.ts";

/** A larger file goes to the disk before it is compared. */
const IN_MEMORY = 4 * 1024 * 1024;
/** Names of millions of paths. */
const LONGEST_BEFORE = 64 * 1024 * 1024;
const LONGEST_CODE = 16;
const CODE = /^(\d{1,3})\n$/;

export interface Returning {
  /** The workspace; undefined where none was sent, or nothing may come back. */
  readonly source: string | undefined;
  readonly baseline: Baseline;
  /** Paths, folded, of which nothing comes back. */
  readonly hidden: readonly string[];
  /** Empty folder for what changed. */
  readonly folder: string;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

export interface Returned {
  /** Undefined when the results never came. */
  readonly exitCode: number | undefined;
  /** The worker killed something of the command for want of memory. */
  readonly outOfMemory: boolean;
  readonly changes: ReturnedChanges;
}

export async function readReturned(tar: Readable, to: Returning): Promise<Returned> {
  const reading = new Reading(to);
  await eachEntry(tar, "what a build made", async (entry) => {
    await reading.take(entry);
    entry.resume();
    return "more";
  });
  return await reading.finish();
}

interface Link {
  readonly path: string;
  readonly target: string;
}

/** What is known while the tar goes by. */
class Reading {
  readonly #to: Returning;
  readonly #changed = new Map<string, ReturnedPath>();
  readonly #there = new Set<string>();
  /** Files of the tar, changed or not: only these have second names. */
  readonly #files = new Set<string>();
  readonly #seconds: Link[] = [];
  readonly #links: Link[] = [];
  readonly #skipped: string[] = [];
  #before: ReadonlySet<string> = new Set();
  #tooLong: string | undefined;
  #exitCode: number | undefined;
  #outOfMemory = false;

  constructor(to: Returning) {
    this.#to = to;
  }

  async take(entry: ReadEntry): Promise<void> {
    const [top, ...rest] = entry.path.replace(/\/$/, "").split("/");
    const path = rest.join("/");
    if (top === RESULTS) await this.#result(path, entry);
    else if (top === TREE && isPlain(rest)) await this.#tree(path, entry);
  }

  async #result(name: string, entry: ReadEntry): Promise<void> {
    if (entry.type === "Directory") return;
    if (name === "stdout") await copyTo(entry, this.#to.stdout);
    if (name === "stderr") await copyTo(entry, this.#to.stderr);
    if (name !== "before" && name !== "code" && name !== "oom") return;
    // A command can write there as well; the rest is read on, so that the worker's own word of the build is heard.
    if (entry.size > (name === "before" ? LONGEST_BEFORE : LONGEST_CODE)) return void (this.#tooLong = name);
    const text = (await bytesOf(entry)).toString();
    if (name === "before") this.#before = new Set(text.split("\0").map((path) => path.replace(/^\.\//, "")));
    if (name === "oom") this.#outOfMemory = /^[1-9]/.test(text);
    const [, code] = name === "code" ? (CODE.exec(text) ?? []) : [];
    if (code !== undefined) this.#exitCode = Number(code);
  }

  async #tree(path: string, entry: ReadEntry): Promise<void> {
    const { source, hidden } = this.#to;
    const again = this.#there.has(path);
    this.#there.add(path);
    if (isHidden(hidden, path) || leadsToHidden(hidden, path)) return;
    // A name that is no text here would come back under another.
    if (source === undefined || again || path.includes("\uFFFD")) return void this.#skipped.push(path);
    const mode = (entry.mode ?? 0o644) & 0o7777;
    switch (entry.type) {
      case "Directory":
        return await this.#folder(path, mode, source);
      case "File":
      case "OldFile":
      case "ContiguousFile":
        this.#files.add(path);
        return await this.#file(path, mode, entry, source);
      case "SymbolicLink":
        return await this.#link(path, entry.linkpath ?? "", source);
      case "Link":
        return void this.#seconds.push({ path, target: belowTree(entry.linkpath ?? "") });
      default:
        this.#skipped.push(path);
    }
  }

  async #folder(path: string, mode: number, source: string): Promise<void> {
    const stat = await unlessMissing(lstat(join(source, path)));
    if (stat?.isDirectory() === true && (stat.mode & 0o7777) === mode) return;
    const sent = this.#to.baseline.get(path);
    if (sent?.folder === true && sent.mode === mode) return;
    await this.#placing(path, async (at) => {
      await mkdir(at, { recursive: true });
      this.#changed.set(path, { path, type: "folder", mode });
    });
  }

  async #link(path: string, target: string, source: string): Promise<void> {
    if ((await readlink(join(source, path)).catch(() => undefined)) === target) return;
    const sent = this.#to.baseline.get(path);
    // Gone or changed here meanwhile: a link of the same length is as it was sent.
    if (
      sent !== undefined &&
      !(await isAsSent(source, path, sent)) &&
      sent.size === Buffer.byteLength(target)
    )
      return;
    this.#links.push({ path, target });
  }

  async #file(path: string, mode: number, entry: ReadEntry, source: string): Promise<void> {
    const { baseline } = this.#to;
    const sent = baseline.get(path);
    if (sent !== undefined && looksAsSent(sent, mode, entry) && !(await isAsSent(source, path, sent))) return;
    const here = await unlessMissing(lstat(join(source, path)));
    const alike = here?.isFile() === true && (here.mode & 0o7777) === mode && here.size === entry.size;
    const small = entry.size <= IN_MEMORY;
    const content = small ? await bytesOf(entry) : undefined;
    if (alike && content?.equals(await readFile(join(source, path))) === true) return;
    await this.#placing(path, async (at) => {
      if (content === undefined) await pipeline(entry, (await open(at, "wx")).createWriteStream());
      else await writeFile(at, content, { flag: "wx" });
      if (content === undefined && alike && (await digestOf(at)) === (await digestOf(join(source, path))))
        return await rm(at);
      if (entry.mtime !== undefined) await utimes(at, entry.mtime, entry.mtime);
      this.#changed.set(path, { path, type: "file", mode });
    });
  }

  /** Second names of files come after them. */
  async #second({ path, target }: Link): Promise<void> {
    const { source, folder } = this.#to;
    if (source === undefined) return;
    const first = this.#changed.get(target);
    const root = first?.type === "file" ? folder : source;
    if (!this.#files.has(target) || !(await isFileBelow(root, target))) return void this.#skipped.push(path);
    this.#files.add(path);
    const content = join(root, target);
    const here = await unlessMissing(lstat(join(source, path)));
    const mode = first?.mode ?? (this.#to.baseline.get(target)?.mode || 0o644);
    const alike = here?.isFile() === true && (here.mode & 0o7777) === mode;
    if (alike && (await digestOf(content)) === (await digestOf(join(source, path)))) return;
    await this.#placing(path, async (at) => {
      await copyFile(content, at, constants.COPYFILE_EXCL);
      this.#changed.set(path, { path, type: "file", mode });
    });
  }

  /** As long as no link is made the folder has none, so that nothing is written through one. */
  async #placing(path: string, make: (at: string) => Promise<void>): Promise<void> {
    const at = join(this.#to.folder, path);
    try {
      await mkdir(dirname(at), { recursive: true });
      await make(at);
    } catch (thrown) {
      const code = errnoOf(thrown);
      if (code !== "EEXIST" && code !== "ENOTDIR") throw thrown;
      // Something else of the tar is in its place, or on its way.
      this.#skipped.push(path);
    }
  }

  async finish(): Promise<Returned> {
    if (this.#tooLong !== undefined) {
      throw buildkitFailure("take what the build made", `its list of results (${this.#tooLong}) is too long`);
    }
    for (const each of this.#seconds) await this.#second(each);
    // Children first: a link that others are below finds a folder in its place.
    for (const { path, target } of this.#links.toSorted((a, b) => (a.path > b.path ? -1 : 1))) {
      await this.#placing(path, async (at) => {
        await symlink(target, at);
        this.#changed.set(path, { path, type: "link", mode: 0o777 });
      });
    }
    const changed = [...this.#changed.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
    const changes = {
      folder: this.#to.folder,
      changed,
      deleted: await this.#deleted(),
      skipped: this.#skipped,
    };
    return { exitCode: this.#exitCode, outOfMemory: this.#outOfMemory, changes };
  }

  /** Sent, there when the command began, and not there at its end. */
  async #deleted(): Promise<string[]> {
    const { source, baseline, hidden } = this.#to;
    if (source === undefined || this.#exitCode === undefined) return [];
    const deleted: string[] = [];
    for (const path of this.#before) {
      if (isHidden(hidden, path) || leadsToHidden(hidden, path)) continue;
      const sent = this.#there.has(path) ? undefined : baseline.get(path);
      if (sent !== undefined && (await isAsSent(source, path, sent))) deleted.push(path);
    }
    return deleted.toSorted((a, b) => (a > b ? -1 : 1));
  }
}

/** Without tricks: it stays below what it is joined to. */
function isPlain(parts: readonly string[]): boolean {
  return (
    parts.length > 0 &&
    parts.every((part) => part !== "" && part !== "." && part !== ".." && !part.includes("\0"))
  );
}

function belowTree(linkpath: string): string {
  return linkpath.startsWith(`${TREE}/`) ? linkpath.slice(TREE.length + 1) : linkpath;
}

/** A file, and no link on the way to it. */
async function isFileBelow(root: string, path: string): Promise<boolean> {
  const parts = path.split("/");
  for (const [nth] of parts.entries()) {
    const stat = await unlessMissing(lstat(join(root, ...parts.slice(0, nth + 1))));
    const last = nth === parts.length - 1;
    if (stat === undefined || !(last ? stat.isFile() : stat.isDirectory())) return false;
  }
  return true;
}

/** Times travel in whole seconds at least. */
function looksAsSent(sent: SentPath, mode: number, entry: ReadEntry): boolean {
  const seconds = Math.floor((entry.mtime?.getTime() ?? Number.NaN) / 1000);
  return sent.size === entry.size && sent.mode === mode && Math.floor(sent.mtimeMs / 1000) === seconds;
}

async function bytesOf(entry: ReadEntry): Promise<Buffer> {
  return await buffer(entry);
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

/** A reader that has gone away gets no more, and the rest still has to be read. */
async function copyTo(entry: ReadEntry, to: Writable): Promise<void> {
  for await (const chunk of entry) {
    if (to.destroyed || to.writableEnded) continue;
    await new Promise<void>((resolve) => to.write(chunk, () => resolve()));
  }
}
