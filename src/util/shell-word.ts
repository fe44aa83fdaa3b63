/** One word for a POSIX shell, whatever it holds: nothing is special between single quotes but the quote itself. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
