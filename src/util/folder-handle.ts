import { closeSync, constants, fstatSync, fsyncSync, openSync, readdirSync } from "node:fs";
import { SandkeepError } from "../errors.ts";
import type { BytePath } from "./byte-path.ts";
import { bytesOf } from "./byte-path.ts";
import { errnoOf } from "./errno.ts";

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY;
/** What opening answers where no folder stands: nothing, a file, or a link, which is never followed. */
const NO_FOLDER: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ELOOP"]);

/** Whether an open folder has a name that no link can bend. */
const BY_HANDLE = process.platform === "linux";
const SLASH = Buffer.from("/");

/** Well below what a path may be long, so that a name more is no fault. */
const LONG = 2_000;

/** As the file system takes it: text where the name is plain, for that is much cheaper, and else its bytes. */
export type FolderPath = string | Buffer;

/** Its bytes are the same however they are written. */
const PLAIN_NAME = /^[\x20-\x7e]+$/;

/**
 * An open folder. Whatever is done below it goes through the handle, name by name, so that a link that somebody swaps in
 * on the way is met as the link it is and leads nowhere; where the system has no names for open folders, only links that
 * were there before are. Synchronous: for thousands of small calls that is much faster.
 */
export class FolderHandle implements Disposable {
  readonly #fd: number;
  /** As it was when it was opened. */
  readonly #way: FolderPath;
  readonly #path: FolderPath;
  readonly #byHandle: boolean;

  private constructor(opened: FolderPath, way: FolderPath, flags: number, byHandle: boolean) {
    this.#fd = openSync(opened, flags);
    this.#way = typeof way === "string" ? `${way}/` : Buffer.concat([way, SLASH]);
    this.#byHandle = byHandle || (BY_HANDLE && this.#way.length > LONG);
    this.#path = this.#byHandle ? `/proc/self/fd/${this.#fd}/` : this.#way;
  }

  /** The root of a tree: links on the way to it are its owner's own. */
  static open(path: string): FolderHandle {
    return new FolderHandle(path, path, DIRECTORY, BY_HANDLE);
  }

  /** The root of a tree that nobody else works in yet: by its path while that is short, which takes half as long. */
  static openUnshared(path: string): FolderHandle {
    return new FolderHandle(path, path, DIRECTORY, false);
  }

  /** A path of the entry that no link can bend. */
  at(name: BytePath): FolderPath {
    if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0")) {
      throw new SandkeepError(`${JSON.stringify(name)} is no name in a folder`, {
        code: "INTERNAL",
        blame: "tool",
      });
    }
    return below(this.#path, name);
  }

  /** One that a link on the way may bend, and that takes half as long: for a look that is proved through the handle. */
  near(name: BytePath): FolderPath {
    return this.#way.length > LONG ? this.at(name) : below(this.#way, name);
  }

  /** Undefined where no folder of that name stands. */
  child(name: BytePath): FolderHandle | undefined {
    try {
      const flags = DIRECTORY | constants.O_NOFOLLOW;
      return new FolderHandle(this.at(name), this.near(name), flags, this.#byHandle);
    } catch (thrown) {
      if (NO_FOLDER.has(errnoOf(thrown) ?? "")) return undefined;
      throw thrown;
    }
  }

  /** Sorted by their bytes. */
  names(): BytePath[] {
    return readdirSync(this.#path, { encoding: "latin1" }).toSorted((a, b) => (a < b ? -1 : 1));
  }

  owner(): { readonly uid: number; readonly gid: number } {
    const { uid, gid } = fstatSync(this.#fd);
    return { uid, gid };
  }

  sync(): void {
    fsyncSync(this.#fd);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

function below(path: FolderPath, name: BytePath): FolderPath {
  if (typeof path === "string" && PLAIN_NAME.test(name)) return path + name;
  return Buffer.concat([Buffer.from(path), bytesOf(name)]);
}

/** Does something in the folder that holds a path of the tree; undefined where that folder is none. */
export function inParent<T>(
  root: FolderHandle,
  path: BytePath,
  work: (parent: FolderHandle, name: BytePath) => T,
): T | undefined {
  const [name = "", ...above] = path.split("/").toReversed();
  const opened: FolderHandle[] = [];
  let at = root;
  try {
    for (const each of above.toReversed()) {
      const next = at.child(each);
      if (next === undefined) return undefined;
      opened.push(next);
      at = next;
    }
    return work(at, name);
  } finally {
    for (const each of opened) each[Symbol.dispose]();
  }
}
