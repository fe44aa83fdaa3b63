/** The only place where a registry's answer, or its silence, becomes a classed SandkeepError. */
import { SandkeepError } from "../errors.ts";
import type { ErrorClass } from "../model/failure.ts";
import { errnoOf } from "../util/errno.ts";
import { plainWords } from "../util/plain-words.ts";

/** The registry's status, or the system's code. */
interface Fault {
  readonly status?: number | undefined;
  readonly code?: string | undefined;
  readonly message: string;
}

interface Row {
  readonly test: (fault: Fault) => boolean;
  readonly code: string;
  readonly kind: ErrorClass;
  readonly hint: string;
}

/** First match wins. */
const ROWS: readonly Row[] = [
  {
    test: ({ status }) => status === 401 || status === 403,
    code: "REGISTRY_DENIED",
    kind: "denied",
    hint: "log in to the registry with `docker login`, and check that the image exists",
  },
  {
    test: ({ status }) => status === 404,
    code: "REGISTRY_IMAGE_NOT_FOUND",
    kind: "terminal",
    hint: "check the image's name and tag",
  },
  {
    test: ({ status }) => status === 429,
    code: "REGISTRY_BUSY",
    kind: "transient",
    hint: "the registry limits requests; wait",
  },
  {
    test: ({ status }) => status !== undefined && status >= 500,
    code: "REGISTRY_BUSY",
    kind: "transient",
    hint: "the registry has trouble; try again later",
  },
  {
    test: ({ code }) => code !== undefined,
    code: "REGISTRY_UNREACHABLE",
    kind: "unreachable",
    hint: "check the network and the registry's address",
  },
];

/** What a registry answered, or why it did not, as one classed error. */
export function registryError(what: string, thrown: unknown): SandkeepError {
  if (thrown instanceof SandkeepError) return thrown;
  const fault = faultOf(thrown);
  const row = ROWS.find(({ test }) => test(fault));
  return new SandkeepError(`${what}: ${fault.message}`, {
    code: row?.code ?? "REGISTRY_ANSWER",
    kind: row?.kind ?? "transient",
    hint: row?.hint ?? "check that the address is one of a registry",
    blame: "backend",
    cause: thrown,
  });
}

function faultOf(thrown: unknown): Fault {
  if (thrown instanceof Error) {
    const late = thrown.name === "TimeoutError" || thrown.name === "AbortError";
    if (late) return { code: "ETIMEDOUT", message: "no answer in time" };
    const code = errnoOf(thrown);
    // An error of several addresses tried in turn has no words of its own.
    return { code, message: thrown.message === "" ? (code ?? "") : plainWords(thrown.message) };
  }
  const told = typeof thrown === "object" && thrown !== null ? thrown : {};
  const status = "status" in told && typeof told.status === "number" ? told.status : undefined;
  return { status, message: "message" in told ? String(told.message) : String(thrown) };
}
