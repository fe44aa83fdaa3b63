import type { Answer } from "./token.ts";

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Where an answer sends its asker; undefined where it is none of these. Throws where that is no address, or one that would
 * be asked in the open though `from` is not: only a registry that is marked insecure may send us there.
 */
export function redirectOf({ status, headers }: Answer, from: URL, insecure: boolean): URL | undefined {
  if (!REDIRECTS.has(status)) return undefined;
  const { location } = headers;
  if (location === undefined || !URL.canParse(location, from.href))
    throw new Error(`HTTP ${status} without an address to go to`);
  const to = new URL(location, from);
  if (to.protocol !== "https:" && !(insecure && to.protocol === "http:"))
    throw new Error(`HTTP ${status} leads to ${to.protocol}//${to.host}, which is not encrypted`);
  // A login in the address would be sent as one.
  to.username = "";
  to.password = "";
  return to;
}
