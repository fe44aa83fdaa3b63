/**
 * In: a POSIX shell script, its arguments and variables. Out: the one text that sshd is given, and the line that is sent
 * first on the command's input. Data is never part of what a login shell reads, nor of any argument list: it travels on
 * the input, where no other user of the host can see it. Pure.
 */
import { shellWord } from "../util/shell-word.ts";

export interface Program {
  /** POSIX sh; `$1` and on are `args`. Never made from data. Only one with `onLost` may `exec`. */
  readonly script: string;
  readonly args: readonly string[];
  /** Variables of the script and what it runs; they may be secret. */
  readonly env?: Readonly<Record<string, string>>;
  /** Given for a command that is signalled with its children: what becomes of it when the connection is lost. */
  readonly onLost?: "kill" | "keep";
  /** For such a command: what runs first and becomes a shell somewhere else, by ending in `exec … "$@"`. */
  readonly within?: { readonly script: string; readonly args: readonly string[] };
}

export interface Wrapping {
  /** Lowercase hex; tells lines of ours from what the host says by itself. */
  readonly nonce: string;
  /** Both streams are one. */
  readonly tty: boolean;
}

export const READ = 'IFS= read -r x && eval "$x"';

/**
 * Without quotes inside the quotes, backslashes, newlines or exclamation marks, it means the same to sh, bash, zsh, csh
 * and fish. Of the account's environment only the home and the search path are kept.
 */
export function bootstrap({ nonce, tty }: Wrapping): string {
  const script = tty ? `t=$(stty -g) && stty raw -echo && echo ${nonce} r && ${READ}` : READ;
  return `exec env -i HOME="$HOME" PATH="$PATH" /bin/sh -c '${script}'`;
}

/** One line, newline included, that `bootstrap` reads and becomes; a second one for a shell that runs within. */
export function header(program: Program, wrapping: Wrapping): string {
  const { script, args, env = {}, onLost, within } = program;
  const exports = Object.entries(env).map(([name, value]) => `export ${name}=${lineWord(value)}`);
  const body = [...exports, setting(args), `eval ${lineWord(script)}`].join("; ");
  if (onLost === undefined) return line(plain(body, wrapping));
  const begin = begun(wrapping, "$1", "$2", "$3", "$4");
  if (within === undefined) return line(supervised(`set -- $k; ${begin}; ${body}`, onLost, wrapping));
  // What it becomes is a shell again, which is told what the outer one knows.
  const inner = [...within.args, "/bin/sh", "-c", READ, "sandkeep"];
  const outer = `${setting(inner)}; set -- "$@" $k; eval ${lineWord(within.script)}`;
  return line(supervised(outer, onLost, wrapping)) + line([`${begin}; ${body}`]);
}

function setting(args: readonly string[]): string {
  return args.length === 0 ? "set --" : `set -- ${args.map(lineWord).join(" ")}`;
}

/** The third character of the field separators of a fresh shell is the newline. */
function line(parts: readonly string[]): string {
  return `n=\${IFS#??}; ${parts.join("; ")}\n`;
}

/** A word without a newline of its own. */
function lineWord(text: string): string {
  return shellWord(text).replaceAll("\n", `'"$n"'`);
}

/**
 * Tells that the command begins: the shell's process, the watch's, and the terminal, which is put back into the state it
 * was in before our line was read from it.
 */
function begun(
  { nonce, tty }: Wrapping,
  pid: string,
  watch: string,
  terminal: string,
  state: string,
): string {
  const restore = tty ? `stty ${state}; ` : "";
  return `${restore}printf '%s o %s %s %s\\n' ${nonce} ${pid} ${watch} ${terminal}`;
}

function plain(body: string, wrapping: Wrapping): string[] {
  return [`trap 's=$?; ${ended(wrapping, 2)}' EXIT`, begun(wrapping, "$$", "-", "-", "$t"), body];
}

/**
 * Said at the end of each stream, by the pipe that the command's own output went through: who reads it has read all of
 * that, however slow the way and whatever else still holds the pipe.
 */
function ended({ nonce, tty }: Wrapping, errors: number): string {
  const say = `printf "%s x %s\\n" ${nonce} $s`;
  return tty ? say : `${say}; ${say} >&${String(errors)}`;
}

/** How often a command looks whether anybody still waits for it, in seconds. */
const LOOK_S = 2;
const GRACE_S = 3;

/**
 * The shell outlives the signals that its command is sent, to report how it ended, and says nothing itself. The watch
 * ends the command's whole group once sshd's process for this connection is gone.
 */
function supervised(body: string, onLost: "kill" | "keep", wrapping: Wrapping): string[] {
  const { tty } = wrapping;
  const alive = `{ kill -0 $PPID || [ -e /proc/$PPID ]; }`;
  const watch = `(exec </dev/null >/dev/null 3>&-; trap '' TERM HUP; ${alive} || exit; while sleep ${String(LOOK_S)}; do kill -0 $$ || exit; ${alive} || break; done; kill -s TERM -- -$$; sleep ${String(GRACE_S)}; kill -s KILL -- -$$) & w=$!`;
  return [
    "exec 3>&2 2>/dev/null",
    "trap : HUP INT QUIT TERM USR1 USR2 ALRM",
    onLost === "kill" ? watch : "w=-",
    `k="$$ $w ${tty ? "$(tty || echo -) $t" : "- -"}"`,
    `(exec 2>&3 3>&-; ${body})`,
    "s=$?",
    ...(onLost === "kill" ? ["kill $w"] : []),
    ended(wrapping, 3),
    "exit $s",
  ];
}

/**
 * Ends what a lost connection left, and says with 0 that nothing of it runs any more. `$1` is the shell, `$2` the watch:
 * where that is gone, it has done so, and the number may be somebody else's.
 */
export const END_SCRIPT = `
gone() { n=0; while kill -0 -- "-$1"; do [ "$n" -lt "$2" ] || return 1; n=$((n + 1)); sleep 0.2; done 2>/dev/null; }
if kill -0 "$2" 2>/dev/null; then
  kill -s TERM -- "-$1" 2>/dev/null
  gone "$1" 15 || ! kill -0 "$2" 2>/dev/null || kill -s KILL -- "-$1" 2>/dev/null
fi
gone "$1" 30
`;

/**
 * Signals what runs below a shell of ours, and what shares its session, but neither that shell, which lives on to report,
 * nor its watch. Parents come first, so that a shell sees the signal before it sees its child end. `$1` is the shell,
 * `$2` the signal's name, `$3` the watch.
 */
export const SIGNAL_SCRIPT = `
below() {
  cat /proc/[0-9]*/stat 2>/dev/null | awk -v root="$1" -v watch="$2" '
    { end = 0
      for (at = length($0); at > 0; at--) if (substr($0, at, 1) == ")") { end = at; break }
      if (end == 0 || $1 !~ /^[0-9]+$/) next
      split(substr($0, end + 2), rest, " ")
      if (rest[1] == "Z") next
      runs[$1] = substr($0, index($0, "(") + 1, end - index($0, "(") - 1)
      parent[$1] = rest[2]; session[$1] = rest[4] }
    END {
      for (pid in parent) {
        if (pid == root || pid == watch || parent[pid] == watch || runs[pid] == "bwrap") continue
        mine = (session[pid] == root); depth = 0
        for (up = pid; up > 1 && up in parent && up != root; up = parent[up]) { depth++; if (parent[up] == root) mine = 1 }
        if (mine) print depth, pid
      }
    }' | sort -n | while read -r depth pid; do echo "$pid"; done
}
found=$(below "$1" "$3")
[ -n "$found" ] || { sleep 1; found=$(below "$1" "$3"); }
kill -s "$2" $found 2>/dev/null
exit 0
`;
