import { SandkeepError } from "../errors.ts";
import { EXIT } from "./exit-codes.ts";
import type { Streams } from "./invocation.ts";

/**
 * Asks on stderr and reads one line; only "y" and "yes" agree. Without a terminal nobody can be asked, and that is
 * refused rather than taken for an answer.
 */
export async function confirm(
  question: string,
  { stdin, stderr }: Pick<Streams, "stdin" | "stderr">,
  interrupts: { readonly soft: AbortSignal; interrupt(signal: "SIGINT"): void },
  shownBy = "`sandkeep plan`",
): Promise<boolean> {
  if (stdin.isTTY !== true || stderr.isTTY !== true) {
    throw new SandkeepError(`${question} Nobody can answer: this is not a terminal.`, {
      code: "CONFIRMATION_NEEDED",
      hint: `Look at ${shownBy}, then add --yes.`,
      exitCode: EXIT.blocked,
    });
  }
  const { createInterface } = await import("node:readline/promises");
  const prompt = createInterface({ input: stdin, output: stderr });
  // In a prompt Ctrl-C reaches readline, not the process; closing the input is a no as well.
  const asked = new AbortController();
  prompt.once("SIGINT", () => interrupts.interrupt("SIGINT"));
  prompt.once("close", () => asked.abort());
  interrupts.soft.addEventListener("abort", () => asked.abort(), { once: true });
  try {
    const reply = await prompt.question(`${question} [y/N] `, { signal: asked.signal });
    return /^y(es)?$/i.test(reply.trim());
  } catch (error) {
    if (asked.signal.aborted) return false;
    throw error;
  } finally {
    prompt.close();
  }
}
