/**
 * Threads that copy files with their times, owners and permissions, many at a call: being handed one and told of its end
 * costs more than a small file's copy does. They say which they copied; why one could not be is for whoever tries it
 * again. They follow no links.
 */
import type * as NodeFs from "node:fs";
import { availableParallelism } from "node:os";
import type { MessagePort } from "node:worker_threads";
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

/** For each file the sign of its copy; empty where it could not be copied. */
export type Copied = readonly string[];

/** It goes to the thread as a text, for whoever bundles us leaves no file to begin one with: it knows what it is given. */
function serve(fs: typeof NodeFs, port: MessagePort, sign: typeof signOf): void {
  const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, COPYFILE_FICLONE_FORCE } =
    fs.constants;
  const buffer = Buffer.allocUnsafe(256 * 1024);
  const asRoot = process.getuid?.() === 0;
  /** Small ones are moved by hand: whoever copies by a path opens the source again, and looks at both. */
  const moved = (fd: number, { to, entry }: FileOrder, mode: number): number => {
    if ((mode & COPYFILE_FICLONE_FORCE) !== 0 || entry.size > buffer.length) {
      fs.copyFileSync(`/proc/self/fd/${fd}`, to, mode);
      return fs.openSync(to, O_WRONLY | O_NOFOLLOW);
    }
    const made = fs.openSync(to, O_WRONLY | O_CREAT | O_EXCL, entry.mode);
    try {
      const bytes = entry.size === 0 ? 0 : fs.readSync(fd, buffer, 0, entry.size, 0);
      for (let at = 0; at < bytes;) at += fs.writeSync(made, buffer, at, bytes - at);
      return made;
    } catch (thrown) {
      fs.closeSync(made);
      throw thrown;
    }
  };
  const copy = (file: FileOrder, mode: number): string => {
    const { entry, written } = file;
    const from = fs.openSync(file.from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      // A device or a pipe that took its place is never read.
      if (sign(fs.fstatSync(from, { bigint: true })) !== entry.sign) return "";
      const to = moved(from, file, mode);
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

const TEXT = `(${String(serve)})(require("node:fs"), require("node:worker_threads").parentPort, ${String(signOf)})`;

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
