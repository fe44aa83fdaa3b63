import { isAddress } from "../model/names.ts";
import { DURATION_EXPECTED, parseDuration } from "../util/duration.ts";
import { usageError } from "./exit-codes.ts";
import type { Invocation } from "./invocation.ts";

type From = Pick<Invocation, "options">;

function flagName(key: string): string {
  return `--${key.replace(/[A-Z]/g, (char) => `-${char.toLowerCase()}`)}`;
}

export function textOption({ options }: From, key: string): string | undefined {
  const value = options[key];
  return typeof value === "string" ? value : undefined;
}

export function listOption({ options }: From, key: string): readonly string[] {
  const value = options[key];
  return Array.isArray(value) ? value.map(String) : [];
}

export function switchOption({ options }: From, key: string): boolean {
  return options[key] === true;
}

/** `--no-salvage` as part of a plan's request. */
export function salvageOption({ options }: From): { readonly no_salvage?: boolean } {
  return options["salvage"] === false ? { no_salvage: true } : {};
}

/** Milliseconds; `off` and `0` say that there is to be no such limit. */
export function durationOption(from: From, key: string): number | "off" | undefined {
  const text = textOption(from, key);
  if (text === undefined) return undefined;
  if (text === "off" || text === "0") return "off";
  const ms = parseDuration(text);
  if (ms === undefined)
    throw usageError(`${flagName(key)} is ${JSON.stringify(text)}`, `Expected ${DURATION_EXPECTED}.`);
  return ms;
}

/** A whole number of at least `least`. */
export function numberOption(from: From, key: string, least: number): number | undefined {
  const text = textOption(from, key);
  if (text === undefined) return undefined;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least) return value;
  throw usageError(
    `${flagName(key)} is ${JSON.stringify(text)}`,
    `Expected a whole number of at least ${least}.`,
  );
}

/** A moment in milliseconds since the epoch: `+24h` from now, or an ISO 8601 time. */
export function momentOption(from: From, key: string, now: number): number | undefined {
  const text = textOption(from, key);
  if (text === undefined) return undefined;
  const offset = parseDuration(text.replace(/^\+/, ""));
  if (offset !== undefined) return now + offset;
  const moment = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(moment)) return moment;
  throw usageError(
    `${flagName(key)} is ${JSON.stringify(text)}`,
    "Expected a time from now such as +24h, or an ISO 8601 time such as 2030-01-31T12:00:00Z.",
  );
}

/** A moment that has been, in milliseconds since the epoch: `24h` ago, or an ISO 8601 time. */
export function pastOption(from: From, key: string, now: number): number | undefined {
  const ago = parseDuration(textOption(from, key) ?? "");
  return ago === undefined ? momentOption(from, key, now) : now - ago;
}

/** Addresses as they are, each checked for its shape. */
export function addresses(texts: readonly string[]): readonly string[] {
  for (const text of texts) {
    if (isAddress(text)) continue;
    throw usageError(
      `${JSON.stringify(text)} is no address`,
      "Expected shared, agent/NAME, session/agent:NAME:SESSION or browser/…; `sandkeep list` shows them.",
    );
  }
  return [...new Set(texts)];
}
