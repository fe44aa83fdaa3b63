import type { Diagnostic } from "../model/diagnostic.ts";
import type { KeyPath } from "../model/source.ts";
import { type Fault, type Place, diagnose } from "./document.ts";
import { LIMITS } from "./limits.ts";
import { isTable } from "./table.ts";

/** What no key may hold, checked once here instead of in every schema. */
const TEXT_FAULTS: readonly { readonly fails: (text: string) => boolean; readonly fault: Fault }[] = [
  {
    fails: (text) => text.length > LIMITS.textLength,
    fault: {
      code: "too-long",
      message: `expected a text of at most ${LIMITS.textLength} characters`,
      hint: "keep long texts in files and name the file here",
    },
  },
  {
    fails: (text) => text.includes("\0"),
    fault: {
      code: "invalid-text",
      message: "expected a text without NUL characters",
      hint: "remove the \\u0000; neither a path, an argument nor a variable can hold it",
    },
  },
  {
    fails: (text) => /\p{Surrogate}/u.test(text),
    fault: {
      code: "invalid-text",
      message: "expected well-formed Unicode, got half of a surrogate pair",
      hint: "write the character itself instead of its escapes",
    },
  },
];

/** Whether any text of a file may be at fault: what no file may hold as it is, it can hold as an escape alone. */
export function mayHoldFaults(source: string): boolean {
  return source.includes("\\") || TEXT_FAULTS.some(({ fails }) => fails(source));
}

/** Depth is limited by the scanner, so recursion is safe here. */
export function checkTexts(value: unknown, placeOf: (path: KeyPath) => Place): readonly Diagnostic[] {
  const found: Diagnostic[] = [];
  const path: (string | number)[] = [];
  const check = (text: string): void => {
    const row = TEXT_FAULTS.find(({ fails }) => fails(text));
    if (row !== undefined && found.length <= LIMITS.diagnostics)
      found.push(diagnose(placeOf(path), { ...row.fault, path: [...path] }));
  };
  const visit = (item: unknown): void => {
    if (typeof item === "string") return check(item);
    if (!Array.isArray(item) && !isTable(item)) return;
    const entries = Array.isArray(item) ? item.entries() : Object.entries(item);
    for (const [key, child] of entries) {
      if (typeof key === "string" && TEXT_FAULTS.some(({ fails }) => fails(key))) check(key);
      path.push(key);
      visit(child);
      path.pop();
    }
  };
  visit(value);
  return found;
}
