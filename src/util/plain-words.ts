/** What node says of a connection that ended too early. */
const WORDS: Readonly<Record<string, string>> = {
  aborted: "the answer was cut off",
  "socket hang up": "the connection was closed before an answer came",
};

/** An error's message in words that a person can take up. */
export function plainWords(message: string): string {
  return WORDS[message] ?? message;
}
