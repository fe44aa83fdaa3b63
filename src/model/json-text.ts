/** Deeper than anything that sandkeep writes. What compares or checks a value does so by calling itself, so a text of nothing but brackets would end it. */
const MOST_DEPTH = 64;

/** A text that others may have written, as JSON; undefined for what is none, or nests deeper than anything of ours. */
export function parseJson(text: string): unknown {
  if (isDeep(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}

function isDeep(text: string): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (quoted) {
      if (char === "\\") at += 1;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === "[" || char === "{") {
      depth += 1;
      if (depth > MOST_DEPTH) return true;
    } else if (char === "]" || char === "}") depth -= 1;
  }
  return false;
}
