/** One word for a POSIX shell, whatever it holds: nothing is special between single quotes but the quote itself. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Variables that some shell keeps for itself: it refuses to have them set, or gives them a value of its own. */
export const KEPT_BY_SHELLS: readonly string[] = [
  "_ SHLVL PPID UID EUID GROUPS OPTIND LINENO RANDOM SRANDOM SECONDS EPOCHSECONDS EPOCHREALTIME HISTCMD FUNCNAME DIRSTACK",
  "PIPESTATUS SHELLOPTS BASHOPTS BASHPID BASH BASH_VERSION BASH_VERSINFO BASH_ALIASES BASH_ARGC BASH_ARGV BASH_ARGV0",
  "BASH_CMDS BASH_COMMAND BASH_LINENO BASH_SOURCE BASH_SUBSHELL",
].flatMap((line) => line.split(" "));
