/** Stands for each secret in texts and logs. */
const MASK = "***";
const MASK_BYTES = Buffer.from(MASK);

interface Span {
  readonly from: number;
  readonly to: number;
}

/** Every character of every occurrence is masked, so that of secrets which overlap in a text no part is left. */
export function maskSecrets(text: string, secrets: readonly string[]): string {
  const spans = secrets.flatMap((secret) => occurrences(text, secret)).toSorted((a, b) => a.from - b.from);
  let masked = "";
  let shown = 0;
  for (const { from, to } of spans) {
    // One that begins inside the last masks no more than its own rest.
    if (from >= shown) masked += `${text.slice(shown, from)}${MASK}`;
    shown = Math.max(shown, to);
  }
  return masked + text.slice(shown);
}

function occurrences<T extends string | Buffer>(text: T, secret: T): Span[] {
  const found: Span[] = [];
  if (secret.length === 0) return found;
  const next = (after: number): number =>
    typeof text === "string" ? text.indexOf(String(secret), after) : text.indexOf(secret, after);
  for (let from = next(0); from >= 0; from = next(from + 1)) found.push({ from, to: from + secret.length });
  return found;
}

/** A secret's bytes, and for each prefix the length of its longest border: its own beginning that it also ends in. */
interface Needle {
  readonly bytes: Buffer;
  readonly borders: Uint32Array;
}

/**
 * Masks secrets in bytes that come piece by piece, as `maskSecrets` would in the whole. What could be the beginning of a
 * secret is held back until more comes; everything else is handed on at once and unchanged.
 */
export class StreamMask {
  readonly #needles: readonly Needle[];
  #held = Buffer.alloc(0);
  /** How much of what is held stands already behind a mask. */
  #covered = 0;

  constructor(secrets: readonly string[]) {
    // A terminal writes a line's end as two characters.
    const forms = secrets.flatMap((each) => [each, each.replaceAll(/\r?\n/g, "\r\n")]);
    this.#needles = [...new Set(forms)].filter((each) => each !== "").map(needle);
  }

  push(chunk: Buffer): Buffer {
    if (this.#needles.length === 0) return chunk;
    const data = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const waiting = Math.max(...this.#needles.map((each) => openEnd(data, each)));
    return this.#emit(data, data.length - waiting);
  }

  /** What was held back: it has become no secret. */
  end(): Buffer {
    return this.#emit(this.#held, this.#held.length);
  }

  #emit(data: Buffer, safe: number): Buffer {
    const spans = this.#needles
      .flatMap(({ bytes }) => occurrences(data, bytes))
      .filter(({ from }) => from < safe)
      .toSorted((a, b) => a.from - b.from);
    const parts: Buffer[] = [];
    let shown = this.#covered;
    for (const { from, to } of spans) {
      if (from >= shown) parts.push(data.subarray(shown, from), MASK_BYTES);
      shown = Math.max(shown, to);
    }
    if (shown < safe) parts.push(data.subarray(shown, safe));
    this.#covered = Math.max(0, shown - safe);
    // A copy: the few bytes held must not keep a whole piece alive.
    this.#held = Buffer.from(data.subarray(safe));
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
  }
}

function needle(secret: string): Needle {
  const bytes = Buffer.from(secret);
  const borders = new Uint32Array(bytes.length + 1);
  for (let index = 1, length = 0; index < bytes.length; index += 1) {
    while (length > 0 && bytes[index] !== bytes[length]) length = borders[length] ?? 0;
    if (bytes[index] === bytes[length]) length += 1;
    borders[index + 1] = length;
  }
  return { bytes, borders };
}

/** How many of the last bytes are a beginning of the secret, but not the whole. */
function openEnd(data: Buffer, { bytes, borders }: Needle): number {
  let length = 0;
  for (let index = Math.max(0, data.length - bytes.length + 1); index < data.length; index += 1) {
    while (length > 0 && data[index] !== bytes[length]) length = borders[length] ?? 0;
    if (data[index] === bytes[length]) length += 1;
  }
  return length;
}
