/** Shorter lines of a longer secret would mask half of every text. */
const SHORTEST_LINE = 6;

/**
 * How values show up in what programs print: as they are, line by line, escaped, and encoded, as in a header or an
 * address.
 */
export function spellings(secrets: readonly string[]): string[] {
  const all = secrets.flatMap((secret) => {
    if (secret === "") return [];
    const lines = secret.split(/\r?\n/).filter((line) => line.length >= SHORTEST_LINE);
    const encoded =
      secret.length < SHORTEST_LINE
        ? []
        : [
            JSON.stringify(secret).slice(1, -1),
            encodeURIComponent(Buffer.from(secret).toString()),
            Buffer.from(secret).toString("base64"),
            Buffer.from(secret).toString("base64url"),
          ];
    return [secret, ...lines, ...encoded];
  });
  return [...new Set(all)];
}
