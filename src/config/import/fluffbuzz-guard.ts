import { guardCredentials } from "./credentials.ts";

export const VARIABLE = /(?<!\$)\$\{([A-Z_][A-Z0-9_]*)\}/;

/** FluffBuzz fills in `${NAME}` when it reads its config; sandkeep takes texts as they are. */
export function guardValue(value: unknown): string | undefined {
  const texts = Array.isArray(value) ? value : [value];
  if (texts.some((text) => typeof text === "string" && VARIABLE.test(text)))
    return "it holds ${NAME}, which is filled in from the environment when that tool reads it; sandkeep takes texts as they are";
  return guardCredentials(value);
}
