import { isTable, valueAt } from "../table.ts";
import { guardCredentials } from "./credentials.ts";
import type { Inline } from "./draft.ts";
import { type Shape, TEXTS } from "./shape.ts";

/** A secret as that tool takes it: its value, or where one of the file's `secrets.providers` finds it. */
export type SecretInput =
  | { readonly text: string }
  | { readonly source: string; readonly provider: string | undefined; readonly id: string };

export const SECRET: Shape<SecretInput> = {
  expected: "a text, or { source, provider, id }",
  read: (value) => {
    if (typeof value === "string") return secretText(value);
    const [source, provider, id] = ["source", "provider", "id"].map((key) => valueAt(value, [key]));
    if (typeof source !== "string" || typeof id !== "string") return undefined;
    if (provider !== undefined && typeof provider !== "string") return undefined;
    return { source, provider, id };
  },
};

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** `"$NAME"` and `"${NAME}"` are references too. */
function secretText(text: string): SecretInput {
  const [, plain, braced = plain] = /^\$(?:([A-Z][A-Z0-9_]*)|\{([A-Z_][A-Z0-9_]*)\})$/.exec(text) ?? [];
  return braced === undefined ? { text } : { source: "env", provider: undefined, id: braced };
}

export type SecretPlace =
  | { readonly ref: Inline; readonly note?: string }
  /** Nothing here can say where it is. */
  | { readonly why: string };

/** Where a secret is to be found here. Its value is in no answer. `variable` is to hold one that stood in the file. */
export function secretPlace(input: SecretInput, providers: unknown, variable: string): SecretPlace {
  if ("text" in input) {
    const note = `its value was not copied: export ${variable} where sandkeep runs`;
    return { ref: { env: variable }, note };
  }
  const { source, id } = input;
  const usual = valueAt(providers, ["defaults", source]);
  const named = input.provider ?? (typeof usual === "string" ? usual : "default");
  const provider = valueAt(providers, ["providers", named]);
  switch (source) {
    case "env":
      return VARIABLE.test(id) && guardCredentials(id) === undefined
        ? { ref: { env: id } }
        : { why: "its id is no variable's name" };
    case "file":
      return filePlace(provider);
    case "exec":
      return programPlace(provider);
    default:
      return { why: "a secret comes from a variable, a file or a program here" };
  }
}

function filePlace(provider: unknown): SecretPlace {
  const path = valueAt(provider, ["path"]);
  if (typeof path !== "string" || valueAt(provider, ["source"]) !== "file") return UNKNOWN;
  if (valueAt(provider, ["mode"]) !== "singleValue")
    return {
      why: "it is one value of a JSON file, and a file is taken whole here; give it a file of its own",
    };
  const guarded = guardCredentials(path);
  return guarded === undefined ? { ref: { file: path } } : { why: guarded };
}

function programPlace(provider: unknown): SecretPlace {
  const program = valueAt(provider, ["command"]);
  const args = TEXTS.read(valueAt(provider, ["args"]) ?? []);
  if (typeof program !== "string" || args === undefined || !isTable(provider)) return UNKNOWN;
  if (provider["jsonOnly"] !== false)
    return { why: "its program answers that tool in a protocol of its own; name one that prints the value" };
  const command = [program, ...args];
  const guarded = guardCredentials(command);
  if (guarded !== undefined) return { why: guarded };
  return { ref: { command }, note: "the program is asked for this one value, and told nothing on its input" };
}

const UNKNOWN: SecretPlace = { why: "what its provider is stands nowhere in this file" };
