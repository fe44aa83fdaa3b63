import { guardCredentials } from "./credentials.ts";

const LINE = /^((?:@(?:cert-authority|revoked)\s+)?\S+\s+[a-z][a-z0-9@.-]*\s+[A-Za-z0-9+/]+=*)(?:\s|$)/;

/** The lines of a known_hosts file as `known_hosts`, without their comments; all of it or nothing. */
export function readKnownHosts(
  text: string,
): { readonly key: string; readonly value: string; readonly note?: string } | { readonly why: string } {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const kept = lines.filter((line) => line !== "" && !line.startsWith("#"));
  const entries = kept.map((line) => LINE.exec(line)?.[1]).filter((entry) => entry !== undefined);
  if (entries.length === 0 || entries.length < kept.length || guardCredentials(entries) !== undefined)
    return { why: "it holds more than lines of known_hosts, so it was not copied" };
  const value = entries.join("\n");
  return {
    key: "known_hosts",
    value,
    ...(value === text.trim() ? {} : { note: "its lines, without their comments" }),
  };
}
