/** The only place where what a script of ours answers becomes a classified SandkeepError. */
import { SandkeepError } from "../../errors.ts";
import type { ErrorClass } from "../../model/failure.ts";
import type { ScriptResult } from "../../remote/connection.ts";
import { ANSWER } from "./scripts.ts";

interface AnswerRow {
  readonly kind: ErrorClass;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

const NOT_FOUND: AnswerRow = {
  kind: "not-found",
  code: "SSH_NOT_FOUND",
  message: "it is not there",
  hint: "it was removed meanwhile; run `sandkeep plan` again",
};

const ROWS: Readonly<Record<number, AnswerRow>> = {
  [ANSWER.notFound]: NOT_FOUND,
  [ANSWER.conflict]: {
    kind: "conflict",
    code: "SSH_CONFLICT",
    message: "the name or place is already held",
    hint: "run `sandkeep plan` again: it sees the holder",
  },
  [ANSWER.inUse]: {
    kind: "conflict",
    code: "SSH_CONFLICT",
    message: "a runtime uses it",
    hint: "destroy the runtime first",
  },
  [ANSWER.cannotWrite]: {
    kind: "denied",
    code: "SSH_CANNOT_WRITE",
    message: "the host cannot write there",
    hint: "check who owns ssh.workspace_root and ~/.sandkeep on the host, whether they are read-only, and their free space",
  },
  [ANSWER.cannotRead]: {
    kind: "denied",
    code: "SSH_CANNOT_READ",
    message: "the host may not read what is there",
    hint: "check who owns ssh.workspace_root on the host",
  },
  [ANSWER.leadsOut]: {
    kind: "denied",
    code: "SSH_PATH_REFUSED",
    message: "the path leads out of the runtime",
    hint: "use a path below the workspace, /tmp, or /home/sandbox",
  },
  [ANSWER.full]: {
    kind: "denied",
    code: "SSH_HOST_FULL",
    message: "the host holds as many runtimes as max_runtimes lets it",
    hint: "raise hosts.<name>.max_runtimes, or prune what nobody uses",
  },
};

/** Throws for every exit code but 0. */
export function succeeded(result: ScriptResult, doing: string): ScriptResult {
  if (result.code === 0) return result;
  const row = ROWS[result.code];
  // What the host's programs say names the cause best; it is one line, and never longer than a line.
  const said = result.stderr.trim().split("\n").at(-1)?.slice(0, 300) ?? "";
  // Of a part that still fitted, tar says only that it was a part.
  const space = /no space left|disk quota|wrote only \d+ of/i.test(result.stderr);
  const why = [row?.message ?? `exit code ${String(result.code)}`, said].filter((each) => each !== "");
  throw new SandkeepError(`could not ${doing}: ${why.join(": ")}`, {
    code: space ? "SSH_NO_SPACE" : (row?.code ?? "SSH_FAILED"),
    kind: space ? "transient" : (row?.kind ?? "terminal"),
    hint: space
      ? "free space on the host, then apply again"
      : (row?.hint ?? "look at the host's sandbox folder"),
    blame: "backend",
  });
}

export function notFound(objectId: string): SandkeepError {
  return new SandkeepError(`there is no runtime with the id ${objectId} on the host`, {
    code: NOT_FOUND.code,
    kind: NOT_FOUND.kind,
    hint: NOT_FOUND.hint,
    blame: "backend",
  });
}

export function broken(objectId: string): SandkeepError {
  return new SandkeepError(`the manifest of the runtime ${objectId} is missing or damaged`, {
    code: "SSH_BROKEN",
    blame: "backend",
    hint: "`sandkeep apply` replaces it and keeps its workspace",
  });
}

/** The lines of an answer that a script ends with `END`: one that was cut off says less than there is. */
export function wholeLines(result: ScriptResult, doing: string): readonly string[] {
  const lines = succeeded(result, doing).stdout.toString("utf8").split("\n");
  if (lines.at(-2) === "END") return lines;
  throw new SandkeepError(`could not ${doing}: its answer was cut off`, {
    code: "SSH_ANSWER_CUT",
    kind: "unreachable",
    blame: "backend",
    hint: "try again",
  });
}
