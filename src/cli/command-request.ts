import type { Invocation } from "./invocation.ts";
import { NAME_PATTERN } from "../model/names.ts";
import { configFile } from "./engine.ts";
import { usageError } from "./exit-codes.ts";
import { durationOption, listOption, textOption } from "./options.ts";

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** `NAME=VALUE`, or `NAME` alone for this shell's value, which keeps secrets out of argv. */
export function commandEnv(
  pairs: readonly string[],
  own: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const pair of pairs) {
    const split = pair.indexOf("=");
    const name = split === -1 ? pair : pair.slice(0, split);
    // The text is not quoted: what was meant as a value may be a secret.
    if (!NAME.test(name))
      throw usageError("--env needs NAME=VALUE or NAME", "A name has letters, digits and underscores.");
    const value = split === -1 ? own[name] : pair.slice(split + 1);
    if (value === undefined)
      throw usageError(`--env ${name}: this shell has no such variable`, `Export it, or give ${name}=VALUE.`);
    env[name] = value;
  }
  return env;
}

function envMode(invocation: Invocation): { readonly envMode?: "inherit" | "clean" } {
  const text = textOption(invocation, "envMode");
  if (text === undefined) return {};
  if (text === "inherit" || text === "clean") return { envMode: text };
  throw usageError(`--env-mode is ${JSON.stringify(text)}`, "Expected inherit or clean.");
}

function source(invocation: Invocation): { readonly source?: string } {
  const text = textOption(invocation, "source");
  if (text === undefined) return {};
  if (NAME_PATTERN.test(text) && text !== "all") return { source: text };
  throw usageError(
    `--source is ${JSON.stringify(text)}`,
    "Expected letters, digits, dots, dashes and underscores, at most 64; all stands for every source.",
  );
}

/** What `run` and `shell` ask of the engine. */
export function commandRequest(invocation: Invocation, argv: readonly string[]) {
  const agent = textOption(invocation, "agent");
  const session = textOption(invocation, "session");
  const timeoutMs = durationOption(invocation, "timeout");
  return {
    ...configFile(invocation),
    ...(agent === undefined ? {} : { agent }),
    ...(session === undefined ? {} : { session }),
    ...(timeoutMs === undefined || timeoutMs === "off" ? {} : { timeoutMs }),
    ...envMode(invocation),
    ...source(invocation),
    argv: [...argv],
    env: commandEnv(listOption(invocation, "env"), invocation.env),
  };
}
