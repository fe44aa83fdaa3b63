/**
 * In: a runtime that was just made, and its spec. Out: one verdict a step: commands, files, and what the spec promises, held
 * against what the inside shows. What nothing promises or the backend cannot be asked is `not_applicable`.
 */
import { Readable, Writable } from "node:stream";
import type { Driver } from "../../drivers/driver.ts";
import type { Check } from "../../model/attestation.ts";
import type { CanaryStep } from "../../model/canary.ts";
import type { Spec } from "../../model/spec.ts";

export interface Subject {
  readonly driver: Driver;
  readonly object_id: string;
  readonly spec: Spec;
  /** Says that it is this canary that answers. */
  readonly token: string;
}

export type Finding = Pick<CanaryStep, "status" | "message">;

const COMMAND_MS = 60_000;
const MOST_OUTPUT = 64 * 1024;

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

class Kept extends Writable {
  #text = "";

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#text.length < MOST_OUTPUT) this.#text += chunk.toString("utf8");
    done();
  }

  text(): string {
    return this.#text;
  }
}

async function run({ driver, object_id }: Subject, argv: readonly string[], input?: string): Promise<Ran> {
  const [stdout, stderr] = [new Kept(), new Kept()];
  const handle = await driver.exec({
    objectId: object_id,
    argv,
    env: {},
    ...(input === undefined ? {} : { stdin: Readable.from([input]) }),
    stdout,
    stderr,
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      handle.signal("SIGKILL").catch(() => undefined);
      reject(new Error(`a command took longer than ${String(COMMAND_MS / 1000)} s`));
    }, COMMAND_MS);
  });
  try {
    const { exitCode } = await Promise.race([handle.result, late]);
    return { code: exitCode, stdout: stdout.text(), stderr: stderr.text() };
  } finally {
    clearTimeout(timer);
  }
}

const CODE = 7;

/** Separate streams, the argument as it is, and the exact exit code. */
export async function checkExec(subject: Subject): Promise<Finding> {
  const script = `printf %s "$1"; printf %s "$1" >&2; exit ${String(CODE)}`;
  const { code, stdout, stderr } = await run(subject, ["sh", "-c", script, "sh", subject.token]);
  if (code !== CODE) return failed(`a command that ends with ${String(CODE)} ended with ${String(code)}`);
  if (stdout !== subject.token || stderr !== subject.token)
    return failed("a command's output came back changed");
  return { status: "passed", message: "streams and exit code are exact" };
}

const FILES = `
f=$(mktemp) || exit 3
cat >"$f" || exit 4
cat "$f" || exit 5
rm -f "$f" && [ ! -e "$f" ] || exit 6
`;

export async function checkFiles(subject: Subject): Promise<Finding> {
  const text = `${subject.token}\n`.repeat(4096);
  const { code, stdout, stderr } = await run(subject, ["sh", "-c", FILES], text);
  if (code !== 0)
    return failed(`a file could not be written and read (${stderr.trim() || `code ${String(code)}`})`);
  // What is kept of the output may be less than all.
  return stdout.length > 0 &&
    text.startsWith(stdout.slice(0, text.length)) &&
    stdout.length >= Math.min(text.length, MOST_OUTPUT)
    ? { status: "passed", message: `${String(text.length)} bytes written, read and removed` }
    : failed("a file's contents came back changed");
}

const GROUPS = {
  limits: /(?:^|\.)(?:memory|memory_swap|cpus|pids|ulimits)(?:\.|$)/,
  network: /(?:^|\.)(?:network|egress)(?:\.|$)/,
} as const;

export type PromiseGroup = "limits" | "network" | "isolation";

export function groupOf(path: string): PromiseGroup {
  if (GROUPS.limits.test(path)) return "limits";
  return GROUPS.network.test(path) ? "network" : "isolation";
}

/** What one group of promises came to. */
export function judgePromises(checks: readonly Check[], group: PromiseGroup): Finding {
  const own = checks.filter(({ path }) => groupOf(path) === group);
  const broken = own.filter(({ status }) => status === "broken");
  if (broken.length > 0) return failed(broken.map(({ path, why }) => `${path}: ${why}`).join("; "));
  const held = own.filter(({ status }) => status === "held").map(({ path }) => path);
  const unknown = own.filter(({ status }) => status === "unknown");
  if (held.length === 0)
    return {
      status: "not_applicable",
      message:
        unknown.length === 0
          ? "nothing of it is promised there"
          : `cannot be looked at: ${unknown.map(({ path, why }) => `${path} (${why})`).join("; ")}`,
    };
  const rest = unknown.length === 0 ? "" : `; not looked at: ${unknown.map(({ path }) => path).join(", ")}`;
  return { status: "passed", message: `held: ${[...new Set(held)].join(", ")}${rest}` };
}

function failed(message: string): Finding {
  return { status: "failed", message };
}
