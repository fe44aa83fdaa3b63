/**
 * The command line: argv, environment and the standard streams in; an answer and an exit code out.
 * Each verb's module is loaded when it runs.
 */
import { toError } from "../errors.ts";
import { EXIT } from "./exit-codes.ts";
import type { Env } from "./globals.ts";
import type { Streams } from "./invocation.ts";
import type { Verb } from "./verbs.ts";
import { toolVersion } from "./version.ts";

/** Runs one command line and answers its exit code; never throws. */
export async function main(
  argv: readonly string[],
  env: Env,
  streams: Streams,
  cwd: () => string = () => process.cwd(),
): Promise<number> {
  return (await carryOut(argv, env, streams, cwd)).code;
}

/** How one command line ended. */
interface Ended {
  readonly code: number;
  /** The verb as it was typed, when this process did all that it asks for; empty otherwise. */
  readonly done: string;
}

async function carryOut(
  argv: readonly string[],
  env: Env,
  streams: Streams,
  cwd: () => string,
): Promise<Ended> {
  const version = toolVersion();
  const [first = ""] = argv;
  if (first === "--version" || first === "-V") {
    streams.stdout.write(`${version}\n`);
    return { code: 0, done: "" };
  }
  let verb = "";
  try {
    const { parseCommandLine } = await import("./program.ts");
    const parsed = parseCommandLine(argv, version, streams);
    if (parsed === undefined) return { code: 0, done: "" };
    verb = parsed.verb.name;
    const { args, options } = parsed;
    const { checkWithoutCompiling } = await import("./schemas.ts");
    checkWithoutCompiling();
    const { readGlobals } = await import("./globals.ts");
    const globals = readGlobals(options, env);
    const invocation = { verb, args, options, globals, streams, env, cwd: cwd() };
    const { checkAccepted } = await import("./accepted.ts");
    await checkAccepted(invocation);
    const module = await parsed.verb.load();
    const code = await module.run(invocation);
    // What is refused, or left to another process, is less than the verb.
    const whole = (code === EXIT.ok || code === EXIT.pending) && options["detach"] !== true;
    return { code, done: whole ? typedAs(parsed.verb, argv) : "" };
  } catch (error) {
    return { code: await fail(error, argv, env, streams, verb), done: "" };
  }
}

function typedAs({ name, alias }: Verb, argv: readonly string[]): string {
  return alias !== undefined && argv.includes(alias) ? alias : name;
}

async function fail(
  error: unknown,
  argv: readonly string[],
  env: Env,
  streams: Streams,
  verb: string,
): Promise<number> {
  const { reportFailure } = await import("./failure.ts");
  const { wantsJson } = await import("./globals.ts");
  return await reportFailure(error, {
    json: wantsJson(argv, env),
    verb,
    argv,
    version: toolVersion(),
    streams,
  });
}

/** A reader that leaves early (`sandkeep list | head`) is no error, and must not cut an apply short. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}

/** Telling of a crash may hang, and open connections would then keep the process. */
const LAST_WORDS_MS = 5_000;

/** Carries out this process's own command line. Answers its exit code, with which the caller ends the process. */
export async function start(): Promise<Ended> {
  const { stdout, stderr } = process;
  const argv = process.argv.slice(2);
  const streams: Streams = {
    // Opening stdin costs time, and most verbs never read it.
    get stdin() {
      return process.stdin;
    },
    stdout,
    stderr,
  };
  stdout.on("error", ignoreClosedPipe);
  stderr.on("error", ignoreClosedPipe);
  let crashed = false;
  const crash = async (error: unknown): Promise<void> => {
    // What goes wrong while one is told would be told in the same way, without end.
    if (crashed) return;
    crashed = true;
    process.exitCode = EXIT.bug;
    setTimeout(() => process.exit(), LAST_WORDS_MS).unref();
    try {
      process.exitCode = await fail(error, argv, process.env, streams, "");
    } catch {
      stderr.write(`sandkeep: ${toError(error).message}\n`);
    } finally {
      process.exit();
    }
  };
  process.on("uncaughtException", (error) => void crash(error));
  // Nothing left to wait for although the command is not done: without this it would end as if all were well.
  process.once("beforeExit", () => void crash(new Error("the command ended before its work was done")));
  return await carryOut(argv, process.env, streams, () => process.cwd());
}
