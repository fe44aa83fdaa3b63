/**
 * Reads a secret's value at the last moment: in comes a reference, out comes the value or why there is none.
 * Values never enter a message; of a command only its name is told, since arguments may hold credentials too.
 */
import type { ExecFileException } from "node:child_process";
import { readFile } from "node:fs/promises";
import { assertNever } from "../errors.ts";
import type { SecretRef } from "../model/settings.ts";
import { absolutePath } from "./paths.ts";

export type CommandOutcome =
  | { readonly status: "ok"; readonly stdout: string }
  /** One clause for people, without output of the command: `exited with 3`, `took longer than 10 s`. */
  | { readonly status: "failed"; readonly why: string };

/** Where secrets come from; handed in so that nothing is read from the process behind the caller's back. */
export interface SecretIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder of the root config, which relative files and commands start from. */
  readonly root: string;
  readonly home: string;
  /** Rejects when the file cannot be read. */
  readFile(path: string): Promise<string>;
  /** Runs without a shell. Never rejects. */
  runCommand(argv: readonly string[], timeoutMs: number): Promise<CommandOutcome>;
}

export type ResolvedSecret =
  | { readonly status: "resolved"; readonly value: string }
  /** Unresolved is *unknown*: it never counts as changed, and what needs the value does not run. */
  | { readonly status: "unresolved"; readonly message: string };

const COMMAND_TIMEOUT_MS = 10_000;
const MAX_SECRET_BYTES = 1024 * 1024;

export async function resolveSecret(ref: SecretRef, io: SecretIo): Promise<ResolvedSecret> {
  if ("env" in ref) {
    const value = io.env[ref.env];
    if (value === undefined) return unresolved(`environment variable ${ref.env} is not set`);
    return accept(value, `environment variable ${ref.env}`);
  }
  if ("file" in ref) return fromFile(ref.file, io);
  if ("command" in ref) return fromCommand(ref.command, io);
  return assertNever(ref);
}

async function fromFile(file: string, io: SecretIo): Promise<ResolvedSecret> {
  let text: string;
  try {
    text = await io.readFile(absolutePath(file, io.root, io.home));
  } catch (error) {
    return unresolved(`file ${file} cannot be read (${errorCode(error)})`);
  }
  return accept(withoutNewline(text), `file ${file}`);
}

async function fromCommand(argv: readonly string[], io: SecretIo): Promise<ResolvedSecret> {
  const name = argv[0];
  if (name === undefined) return unresolved("the command is empty");
  const outcome = await io.runCommand(argv, COMMAND_TIMEOUT_MS);
  if (outcome.status === "failed") return unresolved(`command ${name} ${outcome.why}`);
  return accept(withoutNewline(outcome.stdout), `the output of command ${name}`);
}

/** An empty value is nearly always a broken source, and a NUL can be carried by no environment. */
function accept(value: string, where: string): ResolvedSecret {
  if (value === "") return unresolved(`${where} is empty`);
  if (value.includes("\0")) return unresolved(`${where} holds a NUL character`);
  if (Buffer.byteLength(value) > MAX_SECRET_BYTES) return unresolved(`${where} is larger than 1 MiB`);
  return { status: "resolved", value };
}

function unresolved(message: string): ResolvedSecret {
  return { status: "unresolved", message };
}

function withoutNewline(text: string): string {
  return text.replace(/\r?\n$/, "");
}

function errorCode(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "unknown error";
}

/** The real files and commands of this machine. Commands get `env` and nothing else. */
export function systemSecretIo({ env, root, home }: Pick<SecretIo, "env" | "root" | "home">): SecretIo {
  return {
    env,
    root,
    home,
    readFile: (path) => readFile(path, "utf8"),
    runCommand: (argv, timeoutMs) => runCommand(argv, { env: { ...env }, cwd: root, timeoutMs }),
  };
}

interface CommandOptions {
  readonly env: Record<string, string | undefined>;
  readonly cwd: string;
  readonly timeoutMs: number;
}

async function runCommand(argv: readonly string[], options: CommandOptions): Promise<CommandOutcome> {
  const { execFile } = await import("node:child_process");
  const [file = "", ...args] = argv;
  const { env, cwd, timeoutMs } = options;
  return new Promise((settle) => {
    const child = execFile(
      file,
      args,
      { env, cwd, timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: 2 * MAX_SECRET_BYTES },
      (error, stdout) => {
        if (error === null) settle({ status: "ok", stdout });
        else settle({ status: "failed", why: failure(error, timeoutMs) });
      },
    );
    // Nobody answers a question: a command that asks one must see the end of its input, not wait.
    child.stdin?.on("error", () => undefined).end();
  });
}

function failure(error: ExecFileException, timeoutMs: number): string {
  const { code, killed, signal } = error;
  if (errorCode(error) === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") return "wrote more than 1 MiB";
  if (killed === true) return `took longer than ${String(timeoutMs / 1000)} s`;
  if (typeof code === "number") return `exited with ${String(code)}`;
  if (signal) return `was ended by ${signal}`;
  return `could not be started (${errorCode(error)})`;
}
