const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const LONGEST_CHARACTER = 4;

/** UTF-8 as text; each byte that is none as `\xNN`. */
export function textOfBytes(bytes: Buffer): string {
  const whole = decode(bytes);
  if (whole !== undefined) return whole;
  let text = "";
  let good = 0;
  let at = 0;
  while (at < bytes.length) {
    const length = characterAt(bytes, at);
    if (length > 0) {
      at += length;
      continue;
    }
    text += decode(bytes.subarray(good, at)) ?? "";
    text += `\\x${bytes.subarray(at, at + 1).toString("hex")}`;
    at += 1;
    good = at;
  }
  return text + (decode(bytes.subarray(good)) ?? "");
}

function decode(bytes: Buffer): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Bytes of the character that begins here; 0 where none does. */
function characterAt(bytes: Buffer, at: number): number {
  if ((bytes[at] ?? 0) < 0x80) return 1;
  for (let length = 2; length <= LONGEST_CHARACTER && at + length <= bytes.length; length += 1) {
    if (decode(bytes.subarray(at, at + length)) !== undefined) return length;
  }
  return 0;
}
