/** Shorter lines of a longer secret would mask half of every text. */
const SHORTEST_LINE = 6;

/** What a whole output is searched for: a line of a key, and none that other texts have as well. */
const SOLID_LINE = /^\S{24,}$/;
/** Every piece of an output is searched for each. */
const MOST_LINES = 100;

/**
 * How values show up in the few lines of a message: as they are, line by line, escaped, and encoded, as in a header or an
 * address.
 */
export function spellings(secrets: readonly string[]): string[] {
  return spelt(secrets, (line) => line.length >= SHORTEST_LINE);
}

/** The same for outputs and files of any length, which may well have a secret's shorter lines for other reasons. */
export function solidSpellings(secrets: readonly string[]): string[] {
  return spelt(secrets, (line) => SOLID_LINE.test(line), MOST_LINES);
}

function spelt(secrets: readonly string[], isTelling: (line: string) => boolean, most = Infinity): string[] {
  const all = secrets.flatMap((secret) => {
    if (secret === "") return [];
    const lines = secret.split(/\r?\n/).filter(isTelling).slice(0, most);
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
