import { SandkeepError, toError } from "../errors.ts";
import { escapeText } from "../render/escape.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import type { Streams } from "./invocation.ts";
import { write } from "./print.ts";

export interface FailureContext {
  readonly json: boolean;
  readonly verb: string;
  readonly argv: readonly string[];
  readonly version: string;
  readonly streams: Streams;
}

export const REPORT_TITLE = "--- bug report ---";

/** Arguments may hold secrets, and a library may quote them in its message. */
function withoutArguments(text: string, { argv, verb }: Pick<FailureContext, "argv" | "verb">): string {
  const values = argv.filter((each) => each.length > 3 && each !== verb && !/^--?[a-z-]+$/.test(each));
  return values
    .flatMap((each) => [each, ...each.split("=").slice(1)])
    .filter((each) => each.length > 3)
    .toSorted((a, b) => b.length - a.length)
    .reduce((masked, value) => masked.replaceAll(value, "***"), text);
}

/** Text to paste into an issue: versions, verb and stack frames; no argument values and no environment. */
async function bugReport(error: Error, context: FailureContext): Promise<string> {
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  const { inSources } = await import("./source-frames.ts");
  return [
    REPORT_TITLE,
    `sandkeep ${context.version}, node ${process.version}, ${process.platform} ${process.arch}`,
    `command: ${context.verb === "" ? "(none)" : context.verb}`,
    `error: ${escapeText(error.name)}: ${withoutArguments(escapeText(error.message), context)}`,
    ...(await inSources(frames.slice(0, 20))).map((frame) => withoutArguments(escapeText(frame), context)),
    REPORT_TITLE,
  ].join("\n");
}

function isOurs(thrown: unknown): thrown is SandkeepError {
  return thrown instanceof SandkeepError && thrown.blame !== "tool";
}

/** Tells what ended a command, on stderr and with `--json` as a document on stdout; answers the exit code. */
export async function reportFailure(thrown: unknown, context: FailureContext): Promise<number> {
  const { stdout, stderr } = context.streams;
  const error = toError(thrown);
  if (isOurs(error)) {
    const { code, hint } = error;
    const message = escapeText(error.message);
    await write(stderr, `sandkeep: ${message} [${code}]\n`);
    if (hint !== undefined) await write(stderr, `  ${escapeText(hint)}\n`);
    if (context.json) await write(stdout, failureDocument(code, error.message, hint ?? null));
    return exitCodeOf(error);
  }
  const message = withoutArguments(error.message, context);
  const hint = "This is a bug in sandkeep. Please report it with the text above.";
  await write(
    stderr,
    `sandkeep: internal error: ${escapeText(message)}\n${await bugReport(error, context)}\n${hint}\n`,
  );
  if (context.json) await write(stdout, failureDocument("INTERNAL", message, hint));
  return EXIT.bug;
}

function failureDocument(code: string, message: string, hint: string | null): string {
  return `${JSON.stringify({ error: { code, message, hint } }, null, 2)}\n`;
}
