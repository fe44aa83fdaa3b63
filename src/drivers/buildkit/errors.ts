/** The only place where an error of a connection or a client becomes a classified SandkeepError. */
import { SandkeepError, toError } from "../../errors.ts";
import type { ErrorClass } from "../../model/failure.ts";
import { errnoOf } from "../../util/errno.ts";
import { signalExit } from "../../util/signal-exit.ts";
import type { ExecResult } from "../driver.ts";

interface Row {
  readonly test: RegExp;
  readonly kind: ErrorClass;
  readonly code: string;
  readonly hint: string;
}

const TLS_HINT = "check ca, cert, key and server_name of sandbox.buildkit.tls against the worker's";

/** First match wins, over the text and the errno of what went wrong. */
const ROWS: readonly Row[] = [
  {
    // Before all others: the step's own text is part of what is said, and may hold any word.
    test: /did not complete successfully: exit code|exit code: \d+$/,
    kind: "terminal",
    code: "BUILDKIT_SETUP",
    hint: "a line of sandbox.setup failed on the worker: correct it, the end of what it wrote is in the message",
  },
  {
    test: /frontend capability \S*contexts/,
    kind: "terminal",
    code: "BUILDKIT_NO_CONTEXTS",
    hint: "this worker is too old for buildctl, which needs named contexts: use docker buildx",
  },
  {
    test: /EACCES|EPERM|permission denied/i,
    kind: "denied",
    code: "BUILDKIT_DENIED",
    hint: "check who may use the worker's socket",
  },
  {
    test: /certificate|self.signed|altname|ssl|tls|reading server preface: EOF/i,
    kind: "denied",
    code: "BUILDKIT_TLS",
    hint: TLS_HINT,
  },
  {
    test: /ECONNREFUSED|ENOENT|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EAI_AGAIN|ECONNRESET|EPIPE|ENOTSOCK|connection refused|no such host|DeadlineExceeded|code = Unavailable|socket hang up/i,
    kind: "unreachable",
    code: "BUILDKIT_UNREACHABLE",
    hint: "check that the worker runs and that sandbox.buildkit.endpoint is right",
  },
  {
    test: /failed to resolve source metadata|pull access denied|not found: |manifest unknown|failed to do request: Head|insufficient_scope/i,
    kind: "terminal",
    code: "BUILDKIT_IMAGE",
    hint: "check sandbox.buildkit.image, and that the worker can reach its registry or holds it",
  },
  {
    test: /no space left|ENOSPC/i,
    kind: "transient",
    code: "BUILDKIT_FULL",
    hint: "free disk space on the worker: `sandkeep prune` keeps its cache to sandbox.buildkit.cache",
  },
];

const OTHER = {
  kind: "terminal",
  code: "BUILDKIT_FAILED",
  hint: "the worker's own log may say more",
} as const satisfies Omit<Row, "test">;

const OUT_OF_MEMORY = /cannot allocate memory|ResourceExhausted/;

/**
 * The end of the command's own step, where the worker killed its shell and so all of it: no failure of the build, but the
 * command's. `nonce` is in what is said of that step alone.
 */
export function killedBy(
  failed: { readonly name: string; readonly error: string } | undefined,
  nonce: string,
): ExecResult | undefined {
  if (failed === undefined || !`${failed.name}\n${failed.error}`.includes(nonce)) return undefined;
  const { error } = failed;
  const [, code] = /exit code: (\d+)\s*$/.exec(error) ?? [];
  // The last words alone: before them the step's own text is quoted.
  const starved = OUT_OF_MEMORY.test(error.slice(-LAST_WORDS));
  if (starved) return { exitCode: signalExit("SIGKILL"), because: "out-of-memory" };
  return code !== undefined && Number(code) > 128 ? { exitCode: Number(code) } : undefined;
}

const LAST_WORDS = 80;

export interface FailureDetail {
  readonly cause?: unknown;
  /** The end of what the steps wrote: told, and never read for a reason, since its words are the user's. */
  readonly log?: string;
}

/** What was said, classified. */
export function buildkitFailure(
  doing: string,
  said: string,
  { cause, log = "" }: FailureDetail = {},
): SandkeepError {
  const { kind, code, hint } = ROWS.find(({ test }) => test.test(said)) ?? OTHER;
  const message = `could not ${doing}: ${log === "" ? said : `${said}\n${log}`}`;
  return new SandkeepError(message, { kind, code, hint, blame: "backend", cause });
}

export function buildkitError(doing: string, thrown: unknown): SandkeepError {
  if (thrown instanceof SandkeepError) return thrown;
  const { message } = toError(thrown);
  const errno = errnoOf(thrown);
  const said = errno === undefined || message.includes(errno) ? message : `${message} (${errno})`;
  return buildkitFailure(doing, said, { cause: thrown });
}
