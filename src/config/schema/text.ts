import * as z from "zod";

/**
 * Says in the published schema what a key is for. Zod's own `describe` copies the schema, and a fifth of what every command
 * made of the config's were such copies. What several keys share has to be copied: this would describe all of them.
 */
export function about<T extends z.ZodType>(schema: T, description: string): T {
  z.globalRegistry.add<z.ZodType>(schema, { description });
  return schema;
}

/** A text of one shape; `expected` completes "expected …" in the diagnostic. */
export function textOf(shape: RegExp, expected: string): z.ZodString {
  return z.string().regex(shape, { error: `expected ${expected}` });
}

/** A text that is not empty and has no blanks around it. */
export function word(expected: string): z.ZodString {
  return textOf(/^[^\s\p{Cc}]+$/u, `${expected} without spaces`);
}

export const nonEmptyText = textOf(/\S/, "a text that is not empty");

/** One program and its arguments; never a shell line. */
export const commandSchema = z
  .array(z.string())
  .min(1, { error: 'expected the program and its arguments, such as ["npm", "test"]' });

/** An absolute path inside a sandbox: no `..`, no double slash, not the root. */
export const sandboxPath = textOf(
  /^(?:\/(?!\.{1,2}(?:\/|$))[^/\p{Cc}]+)+\/?$/u,
  "an absolute path inside the sandbox other than /",
);

/** Names of agents and sessions (design section 1). */
export const nameText = textOf(
  /^[A-Za-z0-9._-]{1,64}$/,
  "a name of 1 to 64 letters, digits, dots, underscores or dashes",
);

export const variableName = textOf(
  /^[A-Za-z_][A-Za-z0-9_]*$/,
  "a variable name of letters, digits and underscores that starts with no digit",
);
