/**
 * Threads that copy files with their times, owners and permissions, many at a call: being handed one and told of its end
 * costs more than a small file's copy does. They say which they copied; why one could not be is for whoever tries it
 * again. They follow no links.
 */
import type * as NodeFs from "node:fs";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { signOf } from "./file-tree.ts";
import type { TreeEntry } from "./file-tree.ts";
import type { FolderPath } from "./folder-handle.ts";

interface FileOrder {
  readonly from: FolderPath;
  /** Nothing stands there yet. */
  readonly to: FolderPath;
  /** What it was just now; one that is not that any more, once it is copied, counts as not copied. */
  readonly entry: TreeEntry;
  /** When it is to have been written, in seconds. */
  readonly written: number;
}

export interface CopyOrder {
  readonly files: readonly FileOrder[];
  /** As for `copyFile` of node. */
  readonly mode: number;
}

interface Port {
  readonly on: (event: "message", take: (order: CopyOrder) => void) => unknown;
  readonly postMessage: (copied: Copied, transfer: readonly never[]) => void;
}

/** For each file the sign of its copy; empty where it could not be copied. */
export type Copied = readonly string[];

// What follows goes to the thread as text, for whoever bundles us leaves no file to begin one with: it knows what it is given.

/**
 * The copy, open. Small ones are moved by hand: whoever copies by a path opens the source again, and looks at both. Whoever
 * may only read the copy may still say whose it is and when it was written.
 */
export function moveContents(
  fs: typeof NodeFs,
  buffer: Buffer,
  from: number,
  file: FileOrder,
  mode: number,
): number {
  const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, COPYFILE_FICLONE_FORCE } = fs.constants;
  const { to, entry } = file;
  if ((mode & COPYFILE_FICLONE_FORCE) !== 0 || entry.size > buffer.length) {
    fs.copyFileSync(`/proc/self/fd/${from}`, to, mode);
    return fs.openSync(to, O_RDONLY | O_NOFOLLOW);
  }
  const made = fs.openSync(to, O_WRONLY | O_CREAT | O_EXCL, 0o600);
  try {
    for (let at = 0; at < entry.size;) {
      const bytes = fs.readSync(from, buffer, 0, entry.size - at, at);
      if (bytes === 0) throw new Error("it is shorter than it was");
      for (let done = 0; done < bytes;) done += fs.writeSync(made, buffer, done, bytes - done);
      at += bytes;
    }
    return made;
  } catch (thrown) {
    fs.closeSync(made);
    throw thrown;
  }
}

export function serve(fs: typeof NodeFs, port: Port, sign: typeof signOf, move: typeof moveContents): void {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  const buffer = Buffer.allocUnsafe(256 * 1024);
  const asRoot = process.getuid?.() === 0;
  const copy = (file: FileOrder, mode: number): string => {
    const { entry, written } = file;
    const from = fs.openSync(file.from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      // A device or a pipe that took its place is never read.
      if (sign(fs.fstatSync(from, { bigint: true })) !== entry.sign) return "";
      const to = move(fs, buffer, from, file, mode);
      try {
        let made = fs.fstatSync(to, { bigint: true });
        // Owner first: changing it takes special permission bits away.
        if (asRoot && (Number(made.uid) !== entry.uid || Number(made.gid) !== entry.gid)) {
          fs.fchownSync(to, entry.uid, entry.gid);
          made = fs.fstatSync(to, { bigint: true });
        }
        if ((Number(made.mode) & 0o7777) !== entry.mode) fs.fchmodSync(to, entry.mode);
        fs.futimesSync(to, written, written);
        const still = sign(fs.fstatSync(from, { bigint: true })) === entry.sign;
        return still ? sign(fs.fstatSync(to, { bigint: true })) : "";
      } finally {
        fs.closeSync(to);
      }
    } finally {
      fs.closeSync(from);
    }
  };
  port.on("message", ({ files, mode }: CopyOrder) => {
    const copied = files.map((file) => {
      try {
        return copy(file, mode);
      } catch {
        return "";
      }
    });
    port.postMessage(copied, []);
  });
}

const GIVEN = 'require("node:fs"), require("node:worker_threads").parentPort';
const TEXT = `(${String(serve)})(${GIVEN}, ${String(signOf)}, ${String(moveContents)})`;

class CopyThread {
  #worker: Worker | undefined;
  /** In the order they were asked, which is the order they are answered in. */
  readonly #asked: ((copied: Copied) => void)[] = [];

  get waiting(): number {
    return this.#asked.length;
  }

  copy(order: CopyOrder): Promise<Copied> {
    return new Promise((resolve) => {
      this.#worker ??= this.#begin();
      this.#asked.push(resolve);
      this.#worker.postMessage(order, []);
    });
  }

  #begin(): Worker {
    const worker = new Worker(TEXT, { eval: true, execArgv: [] });
    worker.on("message", (copied: Copied) => this.#asked.shift()?.(copied));
    // A thread that ends of itself has copied nothing of what it was still asked for.
    worker.on("error", () => undefined);
    worker.on("exit", () => {
      this.#worker = undefined;
      for (const answer of this.#asked.splice(0)) answer([]);
    });
    return worker;
  }

  async end(): Promise<void> {
    await this.#worker?.terminate();
  }
}

/** More of them wait for the file system rather than for each other. */
const MOST = 4;

/** Each begins once the ones before it have something to do. */
export class CopyThreads implements AsyncDisposable {
  readonly #threads = Array.from({ length: Math.min(availableParallelism(), MOST) }, () => new CopyThread());

  copy(order: CopyOrder): Promise<Copied> {
    const [first, ...others] = this.#threads;
    if (first === undefined) return Promise.resolve([]);
    const least = others.reduce((best, each) => (each.waiting < best.waiting ? each : best), first);
    return least.copy(order);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#threads.map((each) => each.end()));
  }
}
