/**
 * Files on their way from one tree to another, several at a time. A folder counts what is still to come into it and is
 * finished by whatever comes last, so that nobody waits for a folder and no more of them are open than are worked in.
 */
import type { FolderHandle } from "../util/folder-handle.ts";

export interface OpenFolder {
  readonly from: FolderHandle;
  readonly to: FolderHandle;
  /** What is still to come; the walk through it counts as one. */
  left: number;
  readonly finish: () => void;
}

export function release(folder: OpenFolder): void {
  folder.left -= 1;
  if (folder.left === 0) folder.finish();
}

/** So many at a time: enough for there to be always something to do, and few enough to hold their folders open. */
export const AT_ONCE = 8;

export interface Crew {
  /** Begins copies into a folder, as soon as somebody is free for them. What fails is thrown by whatever is asked next. */
  take(folder: OpenFolder, work: () => Promise<void>): Promise<void>;
  /** The first failure is the one that is told. */
  fail(thrown: unknown): void;
  throwIfFailed(): void;
}

export function makeCrew(): Crew {
  let busy = 0;
  let failure: { readonly thrown: unknown } | undefined;
  let wake: (() => void) | undefined;
  const fail = (thrown: unknown): void => {
    failure ??= { thrown };
  };
  const throwIfFailed = (): void => {
    if (failure !== undefined) throw failure.thrown;
  };
  const ended = (folder: OpenFolder): void => {
    busy -= 1;
    try {
      release(folder);
    } catch (thrown) {
      fail(thrown);
    }
    wake?.();
  };
  return {
    fail,
    throwIfFailed,
    async take(folder, work) {
      if (busy >= AT_ONCE) await new Promise<void>((resolve) => (wake = resolve));
      throwIfFailed();
      busy += 1;
      folder.left += 1;
      void work()
        .catch(fail)
        .then(() => ended(folder));
    },
  };
}
