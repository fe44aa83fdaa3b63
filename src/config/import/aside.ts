import type { KeyPath } from "../../model/source.ts";
import { guardCredentials } from "./credentials.ts";
import type { Aside } from "./draft.ts";
import type { Outcome } from "./rows.ts";

/** A setting of something that sandkeep does not have yet: shown commented out, without credentials. */
export function aside(section: KeyPath, name: string, value: unknown, why: string): Outcome {
  const path = [...section, snakeCase(name)];
  if (guardCredentials(value) !== undefined)
    return { why: `${why}; it holds what looks like a credential, so it was not copied` };
  const shown = showable(value);
  return shown === undefined ? { why } : { why, aside: { path, value: shown } };
}

function showable(value: unknown): Aside["value"] | undefined {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  if (!Array.isArray(value)) return undefined;
  const texts = value.filter((item): item is string => typeof item === "string");
  return texts.length === value.length ? texts : undefined;
}

/** `identityFile` → `identity_file`. */
function snakeCase(name: string): string {
  return name.replace(/(?<=[a-z\d])[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}
