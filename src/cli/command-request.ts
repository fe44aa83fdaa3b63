import { artifactFault } from "../config/artifact-glob.ts";
import type { Invocation } from "./invocation.ts";
import { NAME_PATTERN } from "../model/names.ts";
import type { RunRequest } from "../runs/command.ts";
import { configFile } from "./engine.ts";
import { usageError } from "./exit-codes.ts";
import { durationOption, listOption, switchOption, textOption } from "./options.ts";

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

/** Whether the command gets a sandbox of its own, or one that was kept. */
function oneOff(invocation: Invocation): Pick<RunRequest, "ephemeral" | "inside"> {
  const [image, backend, inside] = ["image", "backend", "in"].map((key) => textOption(invocation, key));
  const ttl = durationOption(invocation, "ttl");
  const ephemeral = switchOption(invocation, "ephemeral");
  const keep = switchOption(invocation, "keep");
  const given = { image, backend, ttl };
  const [strange] = Object.entries(given).flatMap(([key, value]) => (value === undefined ? [] : [key]));
  if (!ephemeral && strange !== undefined)
    throw usageError(`--${strange} is for --ephemeral`, "A declared sandbox is as the config says.");
  if (inside !== undefined) {
    if (ephemeral) throw usageError("--in and --ephemeral were both given", "Give one of them.");
    if (["agent", "session"].some((key) => textOption(invocation, key) !== undefined))
      throw usageError("--in says already where it runs", "Leave out --agent and --session.");
    return { inside };
  }
  if (!ephemeral) return {};
  if (textOption(invocation, "session") !== undefined)
    throw usageError("--session chooses a declared sandbox", "Leave it out, or --ephemeral.");
  if (ttl === "off")
    throw usageError("--ttl is off", "Give a time such as 2h: what is ephemeral goes in the end.");
  return {
    ephemeral: {
      keep,
      ...(image === undefined ? {} : { image }),
      ...(backend === undefined ? {} : { backend }),
      ...(ttl === undefined ? {} : { ttlMs: ttl }),
    },
  };
}

function artifacts(invocation: Invocation): { readonly artifacts?: readonly string[] } {
  const globs = listOption(invocation, "artifact");
  for (const glob of globs) {
    const fault = artifactFault(glob);
    if (fault === undefined) continue;
    throw usageError(`--artifact ${JSON.stringify(glob)}: ${fault.expected}`, `${capital(fault.hint)}.`);
  }
  return globs.length === 0 ? {} : { artifacts: globs };
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** What `run` and `shell` ask of the engine. */
export function commandRequest(invocation: Invocation, argv: readonly string[]) {
  const agent = textOption(invocation, "agent");
  const session = textOption(invocation, "session");
  const bin = textOption(invocation, "bin");
  const timeoutMs = durationOption(invocation, "timeout");
  return {
    ...configFile(invocation),
    ...(agent === undefined ? {} : { agent }),
    ...(session === undefined ? {} : { session }),
    ...(timeoutMs === undefined || timeoutMs === "off" ? {} : { timeoutMs }),
    ...envMode(invocation),
    ...source(invocation),
    ...oneOff(invocation),
    ...artifacts(invocation),
    ...(bin === undefined ? {} : { bin }),
    argv: [...argv],
    env: commandEnv(listOption(invocation, "env"), invocation.env),
  };
}
