/** A canonical workspace where it is kept, as those see it who hold it for a moment: what lies in it, and how it is changed. */
import type { Readable } from "node:stream";
import type { BytePath } from "./byte-path.ts";

export interface WorkspaceEntry {
  /** `other`: a pipe, a socket or a device. */
  readonly kind: "file" | "folder" | "link" | "other";
  /** Permission bits; 0 for links. */
  readonly mode: number;
  /** Bytes of a file's contents. */
  readonly size: number;
  /** SHA-256 of a file's contents, in hex; empty for what is none. */
  readonly sha256: string;
  /** Changes with whatever happens to it; empty where nothing tells. */
  readonly sign: string;
  /** Where a link leads. */
  readonly target?: BytePath;
}

export type WorkspaceTree = ReadonlyMap<BytePath, WorkspaceEntry>;

/** What is known of a file that has not changed since: the hash of its contents. */
export type KnownHash = (path: BytePath, sign: string) => string | undefined;

/** One change of a workspace: all of it or nothing. */
export interface WorkspaceChange {
  /**
   * All that is replaced, deleted or added, as it was listed; undefined where nothing was. Where that is no longer so,
   * nothing is changed.
   */
  readonly expected: readonly (readonly [BytePath, WorkspaceEntry | undefined])[];
  /** Files and links that go. */
  readonly deleted: readonly BytePath[];
  /** Folders that go, children first. One that holds more than is told here stays. */
  readonly deletedFolders: readonly BytePath[];
  /** Folders that are closed to their owner and have to be opened for this. */
  readonly closed: readonly BytePath[];
  /** Permission bits of folders that are there, children first; given last. */
  readonly modes: readonly (readonly [BytePath, number])[];
  /**
   * Entries of a tar archive, without its end: what is new, whole, with the folders above it, folders before what is in
   * them. `prefix` stands before each name.
   */
  readonly contents: (prefix: BytePath) => AsyncIterable<Buffer>;
}

/** Alone with a workspace until it is disposed of: nobody else's sync of it goes on meanwhile, from whichever machine. */
export interface OpenWorkspace extends AsyncDisposable {
  /** Everything in it. What an earlier change left half done is finished first. */
  list(known: KnownHash): Promise<WorkspaceTree>;
  /** A tar archive that holds these files and links, and maybe more. */
  read(paths: readonly BytePath[]): Promise<Readable>;
  write(change: WorkspaceChange): Promise<void>;
}

/** Where a change is prepared, inside the workspace; never a part of it. */
export const SYNC_FOLDER = ".sandkeep-sync";

export function isSyncFolder(path: BytePath): boolean {
  return path === SYNC_FOLDER || path.startsWith(`${SYNC_FOLDER}/`);
}
