import type { Readable } from "node:stream";

/** What becomes of a canonical workspace when its runtime goes. */
export type WorkspaceFate = "keep" | "delete";

/** One piece of what a removal would destroy. */
export interface SalvagePart {
  /** Absolute path in the runtime. */
  readonly path: string;
  /** `self`: only this file, link or folder; `tree`: with all below it; `below`: all below it, without itself. */
  readonly take: "self" | "tree" | "below";
  /** Mounts of other things below it, whose contents are no part of it. */
  readonly without: readonly string[];
}

export interface SalvageSource {
  readonly parts: readonly SalvagePart[];
  /** Absolute paths of the image that were deleted, sorted. */
  readonly deleted: readonly string[];
  /**
   * A tar stream of one of its paths, whose names begin with the path's last part, with modes, owners and times as they
   * are. What is not wanted may be missing from it; more than a part takes may be in it. Of a single file that has other
   * names it is the contents, not a link.
   */
  open(path: string, wanted: (path: string) => boolean): Promise<Readable>;
}
