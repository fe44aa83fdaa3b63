/** The only place where what ssh says becomes a classified SandkeepError. */
import { SandkeepError, toError } from "../errors.ts";
import type { ErrorClass } from "../model/failure.ts";
import { errnoOf } from "../util/errno.ts";
import { BUSY, NOT_FORWARDED } from "./transport.ts";

interface Row {
  readonly when: RegExp;
  readonly kind: ErrorClass;
  readonly code: string;
  readonly hint: string;
}

/** First match wins. */
const ROWS: readonly Row[] = [
  {
    when: /identification has changed|offending/i,
    kind: "denied",
    code: "SSH_HOST_KEY",
    hint: "the line named above holds another key; replace it only after whoever runs the host confirmed the new one",
  },
  {
    when: /host key verification failed|no .* host key is known|host key .* (?:revoked|denied)/i,
    kind: "denied",
    code: "SSH_HOST_KEY",
    hint: "get the host's key from whoever runs it, and add its line to the known_hosts file",
  },
  {
    when: /permission denied|authentication methods failed|too many authentication failures|no matching (?:host key|key exchange)/i,
    kind: "denied",
    code: "SSH_DENIED",
    hint: "check the user and the key: `ssh` to the host must work without a question",
  },
  {
    when: /session open refused|no more sessions|open failed: .*administratively prohibited/i,
    kind: "transient",
    code: BUSY,
    hint: "raise MaxSessions in the host's sshd_config, or run less at once",
  },
  {
    when: /stdio forwarding failed/i,
    kind: "unreachable",
    code: "SSH_UNREACHABLE",
    hint: "the jump host did not pass us on: check that it may forward (AllowTcpForwarding), and that it reaches the host by that name and port",
  },
];

const UNREACHABLE = {
  kind: "unreachable",
  code: "SSH_UNREACHABLE",
  hint: "check that the host is up, and its name and port; then try again",
} as const;

export function sshError(thrown: unknown, doing: string): SandkeepError {
  if (thrown instanceof SandkeepError) return thrown;
  const said = toError(thrown).message;
  const why = errnoOf(thrown) === "ECONNREFUSED" ? "nothing listens there" : said;
  const row = ROWS.find(({ when }) => when.test(said)) ?? UNREACHABLE;
  return new SandkeepError(`could not ${doing}: ${why}`, {
    code: row.code,
    kind: row.kind,
    hint: row.hint,
    blame: "backend",
    cause: thrown,
  });
}

export function lost(target: string, why: string): SandkeepError {
  return new SandkeepError(
    `the connection to ${target} was lost before the command told how it ended: ${why}`,
    {
      code: "SSH_LOST",
      kind: "unreachable",
      blame: "backend",
      hint: "nothing is known of its outcome; look at what it was to do before you run it again",
    },
  );
}

/** sshd tells a socket that is not there and one that it may not forward by the same word. */
export function notForwarded(socket: string, target: string, cause?: unknown): SandkeepError {
  return new SandkeepError(`could not reach ${socket} on ${target}`, {
    code: NOT_FORWARDED,
    kind: "unreachable",
    blame: "backend",
    hint: "check that something listens there, that the account may use it, and AllowStreamLocalForwarding in the host's sshd_config",
    cause,
  });
}
