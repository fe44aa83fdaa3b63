/** One word for a POSIX shell, whatever it holds: nothing is special between single quotes but the quote itself. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Variables that a shell does not let go of: some shell refuses to have them set. */
export const KEPT_BY_SHELLS: readonly string[] = [
  "UID",
  "EUID",
  "PPID",
  "SHELLOPTS",
  "BASHOPTS",
  "BASH_VERSINFO",
];
