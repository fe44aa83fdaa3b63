import type { Writable } from "node:stream";
import type { Diagnostic } from "../model/diagnostic.ts";
import { renderDiagnostics } from "../render/diagnostics.ts";
import type { Style } from "../render/style.ts";
import { EXIT } from "./exit-codes.ts";
import type { Invocation } from "./invocation.ts";
import { styleFor } from "./invocation.ts";

/** Resolves once the text is handed on, or at once when nobody reads any more. */
export async function write(stream: Writable, text: string | Uint8Array): Promise<void> {
  if (text.length === 0 || stream.destroyed || stream.writableEnded) return;
  await new Promise<void>((resolve) => {
    stream.write(text, () => resolve());
  });
}

/** The answer on stdout: the one JSON document, or text for people. */
export async function answer(
  invocation: Invocation,
  document: unknown,
  text: (style: Style) => string,
): Promise<void> {
  const { stdout } = invocation.streams;
  if (invocation.globals.json) return await write(stdout, `${JSON.stringify(document, null, 2)}\n`);
  await write(stdout, text(styleFor(invocation, stdout)));
}

/** Text for people that is not the answer; stderr, so that stdout can be piped. */
export async function tell(invocation: Invocation, text: (style: Style) => string): Promise<void> {
  const { stderr } = invocation.streams;
  await write(stderr, text(styleFor(invocation, stderr)));
}

/** Ends a command whose config is invalid: every problem, and exit 78. */
export async function answerInvalid(
  invocation: Invocation,
  diagnostics: readonly Diagnostic[],
): Promise<number> {
  await tell(invocation, (style) => renderDiagnostics(diagnostics, style));
  if (invocation.globals.json) {
    const first = diagnostics.find((each) => each.severity === "error") ?? diagnostics[0];
    const error = {
      code: "INVALID_CONFIG",
      message: first?.message ?? "the config is not valid",
      hint: first?.hint ?? "`sandkeep validate` lists every problem with its place.",
    };
    await answer(invocation, { error, diagnostics }, () => "");
  }
  return EXIT.invalid;
}
