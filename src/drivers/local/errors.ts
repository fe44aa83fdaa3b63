/** The only place where a file-system error becomes a classified SandkeepError. */
import type { ErrorClass } from "../../model/failure.ts";
import { SandkeepError, toError } from "../../errors.ts";
import { errnoOf } from "../../util/errno.ts";

interface ErrnoRow {
  readonly kind: ErrorClass;
  readonly code: string;
  readonly hint: string;
}

const DENIED: ErrnoRow = {
  kind: "denied",
  code: "LOCAL_DENIED",
  hint: "check who owns the state directory and its permissions",
};
const EXHAUSTED: ErrnoRow = {
  kind: "transient",
  code: "LOCAL_EXHAUSTED",
  hint: "free disk space, open files or processes, then try again",
};

const ROWS: Readonly<Record<string, ErrnoRow>> = {
  ENOENT: { kind: "not-found", code: "LOCAL_NOT_FOUND", hint: "run `sandkeep plan` to see what exists now" },
  EEXIST: { kind: "conflict", code: "LOCAL_CONFLICT", hint: "run `sandkeep plan` again" },
  EACCES: DENIED,
  EPERM: DENIED,
  EROFS: DENIED,
  ENOSPC: EXHAUSTED,
  EDQUOT: EXHAUSTED,
  EMFILE: EXHAUSTED,
  ENFILE: EXHAUSTED,
  EAGAIN: EXHAUSTED,
  EBUSY: EXHAUSTED,
  EIO: { kind: "transient", code: "LOCAL_IO", hint: "check the disk that holds the state directory" },
};

const OTHER: ErrnoRow = {
  kind: "terminal",
  code: "LOCAL_FAILED",
  hint: "check the state directory; `sandkeep doctor` tells more",
};

export function toLocalError(thrown: unknown, doing: string): SandkeepError {
  if (thrown instanceof SandkeepError) return thrown;
  const row = ROWS[errnoOf(thrown) ?? ""] ?? OTHER;
  return new SandkeepError(`could not ${doing}: ${toError(thrown).message}`, {
    code: row.code,
    hint: row.hint,
    kind: row.kind,
    blame: "backend",
    cause: thrown,
  });
}

/** Runs an effect and classifies whatever it throws. */
export async function classified<T>(doing: string, effect: () => Promise<T>): Promise<T> {
  try {
    return await effect();
  } catch (thrown) {
    throw toLocalError(thrown, doing);
  }
}

export function notFound(objectId: string): SandkeepError {
  return new SandkeepError(`there is no local runtime with the id ${objectId}`, {
    code: "LOCAL_NOT_FOUND",
    kind: "not-found",
    blame: "backend",
    hint: "it was removed meanwhile; run `sandkeep plan` again",
  });
}

export function nameTaken(name: string): SandkeepError {
  return new SandkeepError(`the name ${name} is already held by another local runtime`, {
    code: "LOCAL_CONFLICT",
    kind: "conflict",
    blame: "backend",
    hint: "run `sandkeep plan` again: it sees the holder",
  });
}
