/**
 * In: the tar of a build's results, as it arrives, and the workspace as it was sent. Out: the command's code, its streams
 * written on as they come, and what it changed, in a folder beside. It writes nothing to the workspace.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { copyFile, lstat, mkdir, readFile, readlink, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { ReadEntry } from "tar";
import { unlessMissing } from "../../util/errno.ts";
import { eachEntry } from "../../util/tar-entries.ts";
import type { ReturnedChanges, ReturnedPath } from "../../util/returned-changes.ts";
import type { Baseline, SentPath } from "./baseline.ts";
import { isAsSent } from "./baseline.ts";
import { RESULTS, TREE } from "./dockerfile.ts";

/** A larger file goes to the disk before it is compared. */
const IN_MEMORY = 4 * 1024 * 1024;
const CODE = /^(\d{1,3})\n$/;

export interface Returning {
  /** The workspace; undefined where none was sent, or nothing may come back. */
  readonly source: string | undefined;
  readonly baseline: Baseline;
  /** Empty folder for what changed. */
  readonly folder: string;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

export interface Returned {
  /** Undefined when the results never came. */
  readonly exitCode: number | undefined;
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

/** What is known while the tar goes by. */
class Reading {
  readonly #to: Returning;
  readonly #changed = new Map<string, ReturnedPath>();
  readonly #there = new Set<string>();
  readonly #links: { readonly path: string; readonly target: string }[] = [];
  readonly #skipped: string[] = [];
  #before: ReadonlySet<string> = new Set();
  #exitCode: number | undefined;

  constructor(to: Returning) {
    this.#to = to;
  }

  async take(entry: ReadEntry): Promise<void> {
    const [top, ...rest] = entry.path.replace(/\/$/, "").split("/");
    const path = rest.join("/");
    if (top === RESULTS) await this.#result(path, entry);
    else if (top === TREE && path !== "" && !rest.includes("..")) await this.#tree(path, entry);
  }

  async #result(name: string, entry: ReadEntry): Promise<void> {
    if (entry.type === "Directory") return;
    if (name === "stdout") await copyTo(entry, this.#to.stdout);
    if (name === "stderr") await copyTo(entry, this.#to.stderr);
    if (name === "before") {
      const paths = (await bytesOf(entry)).toString().split("\0");
      this.#before = new Set(paths.map((path) => path.replace(/^\.\//, "")));
    }
    if (name !== "code") return;
    const [, code] = CODE.exec((await bytesOf(entry)).toString()) ?? [];
    this.#exitCode = code === undefined ? undefined : Number(code);
  }

  async #tree(path: string, entry: ReadEntry): Promise<void> {
    const { source } = this.#to;
    this.#there.add(path);
    // A name that is no text here would come back under another.
    if (source === undefined || path.includes("\uFFFD")) return void this.#skipped.push(path);
    const mode = (entry.mode ?? 0o644) & 0o7777;
    switch (entry.type) {
      case "Directory":
        return await this.#folder(path, mode, source);
      case "File":
      case "OldFile":
      case "ContiguousFile":
        return await this.#file(path, mode, entry, source);
      case "SymbolicLink":
        return await this.#link(path, entry.linkpath ?? "", source);
      case "Link":
        return void this.#links.push({ path, target: (entry.linkpath ?? "").replace(`${TREE}/`, "") });
      default:
        this.#skipped.push(path);
    }
  }

  async #folder(path: string, mode: number, source: string): Promise<void> {
    const stat = await unlessMissing(lstat(join(source, path)));
    if (stat?.isDirectory() === true && (stat.mode & 0o7777) === mode) return;
    const sent = this.#to.baseline.get(path);
    if (sent?.folder === true && sent.mode === mode) return;
    await mkdir(join(this.#to.folder, path), { recursive: true });
    this.#changed.set(path, { path, type: "folder", mode });
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
    const at = await this.#place(path);
    await symlink(target, at);
    this.#changed.set(path, { path, type: "link", mode: 0o777 });
  }

  async #file(path: string, mode: number, entry: ReadEntry, source: string): Promise<void> {
    const { baseline } = this.#to;
    const sent = baseline.get(path);
    if (sent !== undefined && looksAsSent(sent, mode, entry) && !(await isAsSent(source, path, sent))) return;
    const here = await unlessMissing(lstat(join(source, path)));
    const alike = here?.isFile() === true && (here.mode & 0o7777) === mode && here.size === entry.size;
    const small = entry.size <= IN_MEMORY;
    if (small) {
      const content = await bytesOf(entry);
      if (alike && content.equals(await readFile(join(source, path)))) return;
      await writeFile(await this.#place(path), content);
    } else {
      const at = await this.#place(path);
      await pipeline(entry, createWriteStream(at));
      if (alike && (await digestOf(at)) === (await digestOf(join(source, path)))) {
        await rm(at);
        return;
      }
    }
    const at = join(this.#to.folder, path);
    if (entry.mtime !== undefined) await utimes(at, entry.mtime, entry.mtime);
    this.#changed.set(path, { path, type: "file", mode });
  }

  /** Second names of files come after them. */
  async #second({ path, target }: { readonly path: string; readonly target: string }): Promise<void> {
    const { source, folder } = this.#to;
    const first = this.#changed.get(target);
    if (source === undefined) return;
    const content = first?.type === "file" ? join(folder, target) : join(source, target);
    const here = await unlessMissing(lstat(join(source, path)));
    const mode = first?.mode ?? (this.#to.baseline.get(target)?.mode || 0o644);
    const alike = here?.isFile() === true && (here.mode & 0o7777) === mode;
    if (alike && (await digestOf(content)) === (await digestOf(join(source, path)))) return;
    await copyFile(content, await this.#place(path));
    this.#changed.set(path, { path, type: "file", mode });
  }

  async #place(path: string): Promise<string> {
    const at = join(this.#to.folder, path);
    await mkdir(dirname(at), { recursive: true });
    return at;
  }

  async finish(): Promise<Returned> {
    for (const each of this.#links) await this.#second(each);
    const changed = [...this.#changed.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
    const changes = {
      folder: this.#to.folder,
      changed,
      deleted: await this.#deleted(),
      skipped: this.#skipped,
    };
    return { exitCode: this.#exitCode, changes };
  }

  /** Sent, there when the command began, and not there at its end. */
  async #deleted(): Promise<string[]> {
    const { source, baseline } = this.#to;
    if (source === undefined || this.#exitCode === undefined) return [];
    const deleted: string[] = [];
    for (const path of this.#before) {
      const sent = this.#there.has(path) ? undefined : baseline.get(path);
      if (sent !== undefined && (await isAsSent(source, path, sent))) deleted.push(path);
    }
    return deleted.toSorted((a, b) => (a > b ? -1 : 1));
  }
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
