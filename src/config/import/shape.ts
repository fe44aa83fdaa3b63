import { isTable } from "../table.ts";

/** A type that a source key must have: what was expected, in words, and the value when it fits. */
export interface Shape<T> {
  readonly expected: string;
  readonly read: (value: unknown) => T | undefined;
}

export const TEXT: Shape<string> = {
  expected: "a text",
  read: (value) => (typeof value === "string" ? value : undefined),
};

export const FLAG: Shape<boolean> = {
  expected: "true or false",
  read: (value) => (typeof value === "boolean" ? value : undefined),
};

export const NUMBER: Shape<number> = {
  expected: "a number",
  read: (value) => (typeof value === "number" && Number.isFinite(value) ? value : undefined),
};

/** 0 disables in every tool that has such a count. */
export const COUNT: Shape<number> = {
  expected: "a whole number of at least 0",
  read: (value) =>
    Number.isSafeInteger(value) && typeof value === "number" && value >= 0 ? value : undefined,
};

export const WHOLE: Shape<number> = {
  expected: "a whole number",
  read: (value) => (typeof value === "number" && Number.isSafeInteger(value) ? value : undefined),
};

export const TEXT_OR_NUMBER: Shape<string | number> = {
  expected: "a text or a number",
  read: (value) => TEXT.read(value) ?? NUMBER.read(value),
};

export const TEXTS: Shape<readonly string[]> = {
  expected: "a list of texts",
  read: (value) => listOf(value, TEXT),
};

export const TEXTS_OR_NUMBERS: Shape<readonly (string | number)[]> = {
  expected: "a list of texts or numbers",
  read: (value) => listOf(value, TEXT_OR_NUMBER),
};

export const TEXT_OR_TEXTS: Shape<readonly string[]> = {
  expected: "a text or a list of texts",
  read: (value) => (typeof value === "string" ? [value] : TEXTS.read(value)),
};

export const ANYTHING: Shape<{ readonly given: unknown }> = {
  expected: "a value",
  read: (given) => ({ given }),
};

export function oneOf<const T extends string>(...words: readonly T[]): Shape<T> {
  return {
    expected: `one of ${words.map((word) => `"${word}"`).join(", ")}`,
    read: (value) => words.find((word) => word === value),
  };
}

/** A limit as a number, or as a pair of which either may be missing. */
export const LIMIT: Shape<string | number | { readonly soft?: number; readonly hard?: number }> = {
  expected: "a number, a text, or { soft, hard }",
  read: (value) => {
    if (!isTable(value)) return TEXT_OR_NUMBER.read(value);
    const soft = WHOLE.read(value["soft"]);
    const hard = WHOLE.read(value["hard"]);
    if (soft === undefined && hard === undefined) return undefined;
    return { ...(soft === undefined ? {} : { soft }), ...(hard === undefined ? {} : { hard }) };
  },
};

function listOf<T>(value: unknown, shape: Shape<T>): readonly T[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const items = value.map((item: unknown) => shape.read(item)).filter((item) => item !== undefined);
  return items.length === value.length ? items : undefined;
}
