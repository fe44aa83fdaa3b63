import { hasCode, hasKind, SandkeepError, toError } from "../../errors.ts";
import type { ErrorClass } from "../../model/failure.ts";
import { plainWords } from "../../util/plain-words.ts";
import type { EngineName } from "./endpoint.ts";

/** What is known of a failed call: the engine's status and message, or the system's code. */
interface Fault {
  readonly status: number | undefined;
  readonly code: string;
  readonly message: string;
}

interface Row {
  readonly test: (fault: Fault) => boolean;
  readonly code: string;
  readonly kind: ErrorClass;
  /** `{engine}` stands for the engine's name, its command line and its config section; `{away}` and `{late}` for its own hints. */
  readonly hint: string;
}

const says = (pattern: RegExp) => (fault: Fault) => pattern.test(fault.message);
const has =
  (...statuses: number[]) =>
  (fault: Fault) =>
    statuses.includes(fault.status ?? 0);
const failed =
  (...codes: string[]) =>
  (fault: Fault) =>
    codes.includes(fault.code);

/** Hints that differ by engine, named in braces. */
const OWN_HINTS: Readonly<Record<EngineName, { readonly away: string; readonly late: string }>> = {
  docker: {
    away: "check that the engine runs and that the endpoint is right (`docker info`)",
    // Where containers end it takes two of its own locks, in either order: moby/moby#42545.
    late: "the engine did not answer in time; look at its load. One older than 23.0 may have locked itself up as many containers ended at once: if it starts and ends nothing any more, restart it, which may end its containers",
  },
  // It has no daemon: its socket is a service of its own, which `podman info` does not need.
  podman: {
    away: "start its API (`systemctl --user enable --now podman.socket`), or check the endpoint",
    late: "the engine did not answer in time; look at its load",
  },
};
const AWAY_HINT = "{away}";

/** First match wins. The only place where a library's or the engine's error becomes one of our classes. */
const ROWS: readonly Row[] = [
  {
    test: failed("EACCES", "EPERM"),
    code: "DOCKER_DENIED",
    kind: "denied",
    hint: "give this user access to the engine's socket, for instance through its group",
  },
  {
    test: failed("ABORT_ERR", "ETIMEDOUT"),
    code: "DOCKER_TIMEOUT",
    kind: "unreachable",
    hint: "{late}",
  },
  {
    test: failed("ENOENT", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND", "EAI_AGAIN"),
    code: "DOCKER_UNREACHABLE",
    kind: "unreachable",
    hint: AWAY_HINT,
  },
  {
    test: failed("ECONNRESET", "EPIPE", "ERR_STREAM_PREMATURE_CLOSE"),
    code: "DOCKER_CONNECTION_LOST",
    kind: "unreachable",
    hint: AWAY_HINT,
  },
  {
    test: (fault) => /^(?:ERR_TLS|ERR_SSL|EPROTO|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(fault.code),
    code: "DOCKER_TLS",
    kind: "denied",
    hint: "check the certificates in the host's tls table",
  },
  // Podman answers a taken name with 500.
  {
    test: says(/name .*already in use|is already in use by/i),
    code: "DOCKER_CONFLICT",
    kind: "conflict",
    hint: "plan again",
  },
  {
    test: says(
      /no such image|image not known|pull access denied|manifest.* (?:not found|unknown)|repository does not exist/i,
    ),
    code: "DOCKER_IMAGE_NOT_FOUND",
    kind: "terminal",
    hint: "check the image's name, or log in to its registry with `{engine} login`",
  },
  {
    test: says(/network .*not found|no such network/i),
    code: "DOCKER_NETWORK_NOT_FOUND",
    kind: "terminal",
    hint: "create the network first (`{engine} network create`), or change {engine}.network",
  },
  // A rootless Podman's own network is a program's, which opens this device.
  {
    test: says(/\/dev\/net\/tun.*(?:permission denied|no such file)/i),
    code: "DOCKER_ROOTLESS_NETWORK",
    kind: "terminal",
    hint: 'let the engine\'s user open /dev/net/tun, or set {engine}.network to "none" or "host"',
  },
  {
    test: says(/range of cpus|cpus available/i),
    code: "DOCKER_CPUS",
    kind: "terminal",
    hint: "lower {engine}.cpus to what the engine's machine has",
  },
  // Podman names the system call that did not find it.
  {
    test: says(/bind source path does not exist|statfs .*no such file or directory/i),
    code: "DOCKER_BIND_SOURCE",
    kind: "terminal",
    hint: "create the folder on the engine's machine, or change the bind",
  },
  {
    test: says(/marked read-only|read-only file system/i),
    code: "DOCKER_READ_ONLY",
    kind: "terminal",
    hint: "write below the workspace, a tmpfs or a writable bind",
  },
  {
    test: says(/no space left on device/i),
    code: "DOCKER_DISK_FULL",
    kind: "terminal",
    hint: "free disk space on the engine's machine",
  },
  {
    test: says(/oci runtime|executable file not found|starting container process/i),
    code: "DOCKER_START_FAILED",
    kind: "terminal",
    hint: "check {engine}.command, {engine}.user and what the image holds",
  },
  {
    test: says(/unauthorized|authentication required|no basic auth credentials/i),
    code: "DOCKER_REGISTRY_DENIED",
    kind: "denied",
    hint: "log in to the registry with `{engine} login`",
  },
  {
    test: says(/is restarting/i),
    code: "DOCKER_RESTARTING",
    kind: "transient",
    hint: "the engine is just starting it again: try again",
  },
  {
    test: says(/is not running|is paused/i),
    code: "DOCKER_NOT_RUNNING",
    kind: "terminal",
    hint: "see `sandkeep plan` for why it does not run",
  },
  { test: has(401, 403), code: "DOCKER_DENIED", kind: "denied", hint: "the engine refuses this client" },
  { test: has(404), code: "DOCKER_NOT_FOUND", kind: "not-found", hint: "plan again" },
  { test: has(409), code: "DOCKER_CONFLICT", kind: "conflict", hint: "plan again" },
  {
    test: has(400, 405, 406, 413, 431, 501),
    code: "DOCKER_REFUSED",
    kind: "terminal",
    hint: "the engine refuses this setting; see its message",
  },
  {
    test: has(408, 429, 500, 502, 503, 504),
    code: "DOCKER_BUSY",
    kind: "transient",
    hint: "try again; if it stays, see the engine's log",
  },
];

/** Any thrown value of this driver as one classed error that says what was being done. */
export function dockerError(thrown: unknown, what: string, engine: EngineName = "docker"): SandkeepError {
  if (thrown instanceof SandkeepError) return thrown;
  const fault = faultOf(thrown);
  const row = ROWS.find(({ test }) => test(fault));
  return new SandkeepError(`${what}: ${fault.message}`, {
    code: row?.code ?? "DOCKER_FAILED",
    kind: row?.kind ?? "transient",
    hint: (row?.hint ?? AWAY_HINT)
      .replace("{away}", OWN_HINTS[engine].away)
      .replace("{late}", OWN_HINTS[engine].late)
      .replaceAll("{engine}", engine),
    blame: "backend",
    cause: thrown,
  });
}

/** True for the engine's "there is no such object". */
export function isGone(thrown: unknown): boolean {
  return hasKind(thrown, "not-found");
}

export function isDenied(thrown: unknown): thrown is SandkeepError {
  return hasKind(thrown, "denied");
}

/** True when the engine lacks an image: for a create a lasting fault, for a look-up an answer. */
export function isImageMissing(thrown: unknown): boolean {
  return isGone(thrown) || hasCode(thrown, "DOCKER_IMAGE_NOT_FOUND");
}

/** What an engine answers in place of what was asked for. */
class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const LONGEST_TEXT = 2000;

/** An answer that is none of success, as an error in the engine's own words. */
export function refusal(status: number, body: Buffer): Error {
  const text = body.toString();
  const told = toldMessage(text) ?? text.slice(0, LONGEST_TEXT).trim();
  return new Refusal(status, told === "" ? `the engine answered with status ${status}` : told);
}

function toldMessage(text: string): string | undefined {
  try {
    const told: unknown = JSON.parse(text);
    if (typeof told !== "object" || told === null || !("message" in told)) return undefined;
    return typeof told.message === "string" ? told.message.trim() : undefined;
  } catch {
    return undefined;
  }
}

function faultOf(thrown: unknown): Fault {
  const error = toError(thrown);
  if (error instanceof Refusal) return { status: error.status, code: "", message: error.message };
  const own = "code" in error && typeof error.code === "string" ? error.code : "";
  const code = own === "" && error.name === "AbortError" ? "ABORT_ERR" : own;
  return { status: undefined, code, message: plainWords(error.message) };
}
