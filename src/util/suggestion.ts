import { distance } from "fastest-levenshtein";

/** Longer words are never typos of a key, and the distance costs their product. */
const LONGEST_WORD = 64;
const MOST_CANDIDATES = 1_000;

/** The candidate a person most likely meant by `word`; undefined when nothing is near. */
export function nearestWord(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length === 0 || word.length > LONGEST_WORD) return undefined;
  const wanted = fold(word);
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  let seen = 0;
  for (const candidate of candidates) {
    if (seen++ === MOST_CANDIDATES) break;
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const steps = typos(wanted, fold(candidate));
    if (steps < bestDistance) {
      best = candidate;
      bestDistance = steps;
    }
  }
  return best;
}

/** Up to `limit` candidates that differ in at most `most` letters, the nearest first. */
export function nearestWords(
  word: string,
  candidates: Iterable<string>,
  { limit, most }: { readonly limit: number; readonly most: number },
): readonly string[] {
  if (word.length === 0 || word.length > LONGEST_WORD) return [];
  return [...candidates]
    .slice(0, MOST_CANDIDATES)
    .map((candidate) => ({ candidate, steps: typos(word, candidate) }))
    .filter(({ steps }) => steps <= most)
    .toSorted((a, b) => a.steps - b.steps)
    .slice(0, limit)
    .map(({ candidate }) => candidate);
}

/** `a, b and 3 more`: names in their given order, cut after `limit`. */
export function listWords(words: Iterable<string>, limit = 16): string {
  const all = [...words];
  const shown = all.slice(0, limit).join(", ");
  return all.length > limit ? `${shown} and ${all.length - limit} more` : shown;
}

/** Two letters in the wrong order are one typing error, not two. */
function typos(a: string, b: string): number {
  const steps = distance(a, b);
  return steps === 2 && sortLetters(a) === sortLetters(b) ? 1 : steps;
}

function sortLetters(text: string): string {
  return text.split("").toSorted().join("");
}

/** `maxAge`, `max-age` and `max_age` are one word to a person. */
function fold(word: string): string {
  return word.toLowerCase().replace(/[-_ ]/g, "");
}
