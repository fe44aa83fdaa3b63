/**
 * A thread that copies files with their times, many at a call: being handed one and told of its end costs more than a small
 * file's copy does. It says which it copied; why one could not be is for whoever tries it again. It follows no links.
 */
import { Worker } from "node:worker_threads";
import type { FolderPath } from "./folder-handle.ts";

/** Text, for a thread begins with a file or a text, and whoever bundles us leaves no file. */
const WORK = `
const { parentPort } = require("node:worker_threads");
const { closeSync, constants, copyFileSync, fstatSync, openSync, utimesSync } = require("node:fs");
const FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
function copy({ from, to, written }, mode) {
  const fd = openSync(from, FILE);
  try {
    if (!fstatSync(fd).isFile()) return false;
    copyFileSync("/proc/self/fd/" + fd, to, mode);
    utimesSync(to, written, written);
    return true;
  } finally {
    closeSync(fd);
  }
}
parentPort.on("message", ({ files, mode }) => {
  parentPort.postMessage(
    files.map((file) => {
      try {
        return copy(file, mode);
      } catch {
        return false;
      }
    }),
  );
});
`;

export interface CopyOrder {
  readonly files: readonly {
    readonly from: FolderPath;
    readonly to: FolderPath;
    /** When it is to have been written, in seconds. */
    readonly written: number;
  }[];
  /** As for `copyFile` of node. */
  readonly mode: number;
}

export class CopyThread implements AsyncDisposable {
  #worker: Worker | undefined;
  /** In the order they were asked, which is the order they are answered in. */
  readonly #asked: ((copied: readonly unknown[]) => void)[] = [];

  /** For each file whether it was copied. */
  copy(order: CopyOrder): Promise<readonly unknown[]> {
    return new Promise((resolve) => {
      this.#worker ??= this.#begin();
      this.#asked.push(resolve);
      this.#worker.postMessage(order, []);
    });
  }

  #begin(): Worker {
    const worker = new Worker(WORK, { eval: true, execArgv: [] });
    worker.on("message", (copied: readonly unknown[]) => this.#asked.shift()?.(copied));
    // A thread that ends of itself has copied nothing of what it was still asked for.
    worker.on("error", () => undefined);
    worker.on("exit", () => {
      this.#worker = undefined;
      for (const answer of this.#asked.splice(0)) answer([]);
    });
    return worker;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate();
  }
}
