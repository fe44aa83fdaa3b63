import type { z } from "zod";
import type { Diagnostic } from "../model/diagnostic.ts";
import type { KeyPath } from "../model/source.ts";
import { listWords, nearestWord } from "../util/suggestion.ts";
import { type Fault, diagnose, quote } from "./document.ts";
import { type KeyNode, nearestKey } from "./key-tree.ts";
import { LIMITS } from "./limits.ts";
import { refusedKey } from "./refused-keys.ts";
import { type SchemaSpot, schemaSpot } from "./schema-walk.ts";
import { isTable, valueAt } from "./table.ts";

type Issue = z.core.$ZodIssue;

/** One more than is shown, so that the report knows that it is cut. */
const MOST = LIMITS.diagnostics + 1;

/** What validation saw: to tell what was written, where, and what could be written there instead. */
export interface Validated {
  readonly schema: z.core.$ZodType;
  readonly value: unknown;
  readonly keys: KeyNode;
  /** Where `value` stands in the config. */
  readonly path: KeyPath;
}

/** Validation issues → diagnostics with a position, what was expected, and what to write instead. */
export function explainIssues(issues: readonly Issue[], seen: Validated): readonly Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const issue of issues) {
    if (found.length >= MOST) break;
    found.push(...explainIssue(issue, seen));
  }
  return found;
}

function explainIssue(issue: Issue, seen: Validated): readonly Diagnostic[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.slice(0, MOST).map((key) => unknownKey([...issue.path, key], key, seen));
  }
  if (issue.code === "invalid_union") return explainUnion(issue, seen);
  return [report(issue.path, seen, faultOf(issue, seen))];
}

function unknownKey(path: readonly PropertyKey[], key: string, seen: Validated): Diagnostic {
  const spot = schemaSpot(seen.schema, path.slice(0, -1));
  const refused = path.at(-2) === "docker" || path.at(-2) === "podman" ? refusedKey(key) : undefined;
  if (refused !== undefined) return report(path, seen, refused);
  const message = `unknown key ${quote(key)}`;
  return report(path, seen, { code: "unknown-key", message, hint: unknownKeyHint(key, spot) });
}

function unknownKeyHint(key: string, spot: SchemaSpot): string {
  const known = spot.keys ?? [];
  const sections = spot.sectionsWith(key);
  if (sections.length > 0) return `write it as ${sections.map((each) => `${each}.${key}`).join(" or ")}`;
  const near = nearestWord(key, known);
  return near === undefined ? `known keys here: ${listWords(known, 40)}` : `did you mean "${near}"?`;
}

/** A union of tables is explained by the table that was meant, when that is clear. */
function explainUnion(
  issue: Extract<Issue, { code: "invalid_union" }>,
  seen: Validated,
): readonly Diagnostic[] {
  const value = valueAt(seen.value, issue.path);
  if (isTable(value)) {
    const known = schemaSpot(seen.schema, issue.path).keys ?? [];
    const unknown = Object.keys(value).filter((key) => !known.includes(key));
    if (unknown.length > 0)
      return unknown.slice(0, MOST).map((key) => unknownKey([...issue.path, key], key, seen));
    const meant = issue.errors.filter((branch) => branch.every(({ path }) => path.length > 0));
    const present = meant.filter((branch) =>
      branch.every((inner) => valueAt(value, inner.path) !== undefined),
    );
    const [branch, ...others] = present.length > 0 ? present : meant;
    if (branch !== undefined && others.length === 0) {
      const inner = branch.map((each) => ({ ...each, path: [...issue.path, ...each.path] }));
      return explainIssues(inner, seen);
    }
  }
  return [report(issue.path, seen, wrongValue(issue, seen))];
}

/** One row a kind of issue; the message completes the key it is shown with. */
function faultOf(issue: Issue, seen: Validated): Fault {
  switch (issue.code) {
    case "invalid_type":
      return valueAt(seen.value, issue.path) === undefined ? missingKey(issue, seen) : wrongType(issue, seen);
    case "invalid_value":
      return wrongChoice(issue, seen);
    case "invalid_key":
    case "invalid_element":
      return wrongName(issue);
    case "too_small":
    case "too_big":
      return wrongValue(issue, seen, outOfRange(issue));
    default:
      return wrongValue(issue, seen);
  }
}

function missingKey(issue: Extract<Issue, { code: "invalid_type" }>, seen: Validated): Fault {
  const key = String(issue.path.at(-1) ?? "");
  const about = schemaSpot(seen.schema, issue.path).description;
  return {
    code: "missing-key",
    message: `missing key ${quote(key)}; expected ${TYPE_NAMES[issue.expected] ?? issue.expected}`,
    hint: about === undefined ? `add ${key}` : `add ${key}: ${about}`,
  };
}

function wrongType(issue: Extract<Issue, { code: "invalid_type" }>, seen: Validated): Fault {
  const value = valueAt(seen.value, issue.path);
  const own = ownMessage(issue);
  const expected = own ?? `expected ${TYPE_NAMES[issue.expected] ?? issue.expected}`;
  // With a message of our own the type alone is not enough: 500 in quotes is no duration either.
  const retype = own === undefined ? retypeHint(issue.expected, value, issue.path) : undefined;
  return {
    code: "wrong-type",
    message: `${expected}, got ${typeName(value)}`,
    hint: retype ?? describeHint(issue.path, seen),
  };
}

function wrongChoice(issue: Extract<Issue, { code: "invalid_value" }>, seen: Validated): Fault {
  const choices = issue.values.map(String);
  const value = valueAt(seen.value, issue.path);
  if (value === undefined) {
    const key = String(issue.path.at(-1) ?? "");
    const message = `missing key ${quote(key)}; ${ownMessage(issue) ?? `expected ${listWords(choices)}`}`;
    return { code: "missing-key", message, hint: `add ${key} = ${choices[0] ?? ""}` };
  }
  const isQuoted = issue.values.some((choice) => typeof choice !== "string" && String(choice) === value);
  const near = typeof value === "string" ? nearestWord(value, choices) : undefined;
  return {
    code: "wrong-value",
    message: `${ownMessage(issue) ?? `expected one of ${listWords(choices)}`}${got(value, issue.path)}`,
    hint: isQuoted
      ? "write it without quotes"
      : near === undefined
        ? describeHint(issue.path, seen)
        : `did you mean "${near}"?`,
  };
}

function wrongName(issue: Extract<Issue, { code: "invalid_key" | "invalid_element" }>): Fault {
  const expected = issue.issues[0]?.message ?? "expected another name";
  return {
    code: "wrong-name",
    message: `${expected}, got ${quote(String(issue.path.at(-1) ?? ""))}`,
    hint: "rename the key",
  };
}

function wrongValue(issue: Issue, seen: Validated, expected = issue.message): Fault {
  return {
    code: "wrong-value",
    message: `${expected}${got(valueAt(seen.value, issue.path), issue.path)}`,
    hint: describeHint(issue.path, seen),
  };
}

function outOfRange(issue: Extract<Issue, { code: "too_small" | "too_big" }>): string {
  const own = ownMessage(issue);
  if (own !== undefined) return own;
  const [side, limit] = issue.code === "too_small" ? ["at least", issue.minimum] : ["at most", issue.maximum];
  return `expected a number of ${side} ${limit}`;
}

/** Our schemas say `expected …`; everything else is a library's own wording. */
function ownMessage(issue: Issue): string | undefined {
  return issue.message.startsWith("expected ") ? issue.message : undefined;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a table",
  record: "a table",
};

function typeName(value: unknown): string {
  if (value === null) return "null";
  if (value instanceof Date) return "a date";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (typeof value === "number" && !Number.isInteger(value)) return "a number with a fraction";
  return TYPE_NAMES[typeof value] ?? typeof value;
}

/** The same value in the right type, where it is plain what was meant. */
function retypeHint(expected: string, value: unknown, path: readonly PropertyKey[]): string | undefined {
  const isSecret = isPrivate(path);
  if (expected === "string" && (typeof value === "number" || typeof value === "boolean")) {
    return isSecret ? "put the value in quotes" : `put it in quotes: "${value}"`;
  }
  if (expected === "array" && typeof value === "string") {
    return isSecret ? "put it in brackets" : `put it in brackets: [${quote(value)}]`;
  }
  const isWord = typeof value === "string" && /^(?:true|false|\d+(?:\.\d+)?)$/.test(value);
  if (isWord && (expected === "boolean" || expected === "number" || expected === "int")) {
    return "write it without quotes";
  }
  return undefined;
}

/** The key's own description, so that every diagnostic tells what to write. */
function describeHint(path: readonly PropertyKey[], seen: Validated): string {
  const about = schemaSpot(seen.schema, path).description;
  const key = path.findLast((part) => typeof part === "string");
  return about === undefined ? "change the value" : `${key ?? "the value"}: ${about}`;
}

function got(value: unknown, path: readonly PropertyKey[]): string {
  if (isPrivate(path)) return "";
  if (typeof value === "string") return `, got ${quote(value)}`;
  if (typeof value === "number" || typeof value === "boolean") return `, got ${value}`;
  return `, got ${typeName(value)}`;
}

/** Values under these keys may hold secrets someone wrote into the file by mistake, so they are not repeated. */
const PRIVATE_KEYS: ReadonlySet<PropertyKey> = new Set(["env", "secrets", "hosts"]);

function isPrivate(path: readonly PropertyKey[]): boolean {
  return path.some((key) => PRIVATE_KEYS.has(key));
}

function report(path: readonly PropertyKey[], seen: Validated, fault: Fault): Diagnostic {
  const full = [...seen.path, ...path.filter((key) => typeof key !== "symbol")];
  const { document, offset } = nearestKey(seen.keys, full);
  return diagnose({ document, offset }, { ...fault, path: full });
}
