import { SandkeepError, toError } from "../errors.ts";
import { errnoOf } from "../util/errno.ts";

/** A fault of the file system in words; ours are passed on. */
export function stageFault(what: string, path: string, thrown: unknown): SandkeepError {
  if (thrown instanceof SandkeepError) return thrown;
  const denied = ["EACCES", "EPERM", "EROFS"].includes(errnoOf(thrown) ?? "");
  const full = ["ENOSPC", "EDQUOT"].includes(errnoOf(thrown) ?? "");
  return new SandkeepError(`cannot ${what} ${path}: ${toError(thrown).message}`, {
    code: "STAGE_IO",
    kind: denied ? "denied" : "terminal",
    hint: full
      ? "make room, or name a state directory on another file system with --state-dir"
      : "look at the path and its owner, then try again",
    cause: thrown,
  });
}

/** The same of a tree that cannot be read to its end; what is no fault of the file system is passed on. */
export function unreadable(path: string, thrown: unknown): unknown {
  return errnoOf(thrown) === undefined ? thrown : stageFault("read", path, thrown);
}
