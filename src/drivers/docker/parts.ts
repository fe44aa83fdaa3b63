/**
 * Readers of the parts of an engine's answer: a value nobody vouches for in, its typed form out. They take null and
 * absence for "nothing set", and throw `Misshapen` where something else is there than the API says. Written by hand, for
 * an answer holds hundreds of parts, and each look at a host reads one for each container.
 */

/** A reader throws `Misshapen`. */
export type Reader<T> = (value: unknown) => T;
export type Parts = Readonly<Record<string, unknown>>;

/** What is at a key is not what the Engine API says. */
export class Misshapen extends Error {
  constructor(key: string, wanted: string, value: unknown) {
    super(`${key}: expected ${wanted}, received ${kindOf(value)}`);
    this.name = "Misshapen";
  }
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function isParts(value: unknown): value is Parts {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTable(value: Parts): value is Readonly<Record<string, string>> {
  for (const key in value) if (typeof value[key] !== "string") return false;
  return true;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function isAbsent(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

/** What a reader makes of a value; undefined where it is misshapen. */
export function tryRead<T>(read: Reader<T>, value: unknown): T | undefined {
  try {
    return read(value);
  } catch (fault) {
    if (fault instanceof Misshapen) return undefined;
    throw fault;
  }
}

/** An object; `key` names it in the fault. */
export function parts(value: unknown, key = "answer"): Parts {
  if (isParts(value)) return value;
  throw new Misshapen(key, "object", value);
}

export function part(of: Parts, key: string): Parts {
  return parts(of[key], key);
}

/** What a reader makes of an object; undefined where there is none. */
export function optional<T>(of: Parts, key: string, read: (value: Parts) => T): T | undefined {
  const value = of[key];
  return isAbsent(value) ? undefined : read(parts(value, key));
}

/** A text that must be there. */
export function needed(of: Parts, key: string): string {
  const value = of[key];
  if (typeof value === "string") return value;
  throw new Misshapen(key, "string", value);
}

export function text(of: Parts, key: string): string {
  return isAbsent(of[key]) ? "" : needed(of, key);
}

export function amount(of: Parts, key: string): number {
  const value = of[key] ?? 0;
  if (typeof value === "number") return value;
  throw new Misshapen(key, "number", value);
}

export function flag(of: Parts, key: string, absent = false): boolean {
  const value = of[key] ?? absent;
  if (typeof value === "boolean") return value;
  throw new Misshapen(key, "boolean", value);
}

export function texts(of: Parts, key: string): readonly string[] {
  const value = of[key] ?? [];
  if (isTexts(value)) return value;
  throw new Misshapen(key, "array of strings", value);
}

/** Where an absent list is another thing than an empty one. */
export function textsOrNone(of: Parts, key: string): readonly string[] | undefined {
  return isAbsent(of[key]) ? undefined : texts(of, key);
}

/** The words of a command, which engines write as a list or as one word. */
export function argv(of: Parts, key: string): readonly string[] {
  const value = of[key];
  return typeof value === "string" ? [value] : texts(of, key);
}

export function table(of: Parts, key: string): Readonly<Record<string, string>> {
  const value = parts(of[key] ?? {}, key);
  if (isTable(value)) return value;
  throw new Misshapen(key, "table of strings", value);
}

/** The names in a table whose values do not matter. */
export function keys(of: Parts, key: string): readonly string[] {
  return Object.keys(parts(of[key] ?? {}, key));
}

export function list<T>(value: unknown, read: Reader<T>, key = "answer"): T[] {
  if (!Array.isArray(value)) throw new Misshapen(key, "array", value);
  return value.map((each: unknown) => read(each));
}

export function listAt<T>(of: Parts, key: string, read: Reader<T>): T[] {
  return list(of[key] ?? [], read, key);
}
