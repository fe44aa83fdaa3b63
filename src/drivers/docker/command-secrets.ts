import { shellWord } from "../../util/shell-word.ts";

/**
 * How secrets get into a container past its engine, which would keep a container's environment and may keep or log that
 * of a command: no argv, label, layer or engine record ever holds a value. For the main program a shell of ours holds its
 * place and waits, and a command inside puts them, from its stdin, into memory that only the container sees. The shell
 * takes them into its environment, empties the file and becomes the program. Another command's shell takes them from its
 * own stdin, or behind a terminal, which would show them, from such a file.
 */
const PLACE = "/run/sandkeep";
/** Begins the script of the shell that waits, where no shortened listing hides it; the program it becomes has another. */
export const WAITS = "sandkeep-waits";
/** The last line of what is handed over: without it the rest is lost. */
export const END = "#sandkeep-end";

/** Options of the tmpfs; nobody else's looks like this. Everyone may write: files are the container's own user's. */
const TMPFS = "rw,noexec,nosuid,nodev,size=16m,mode=1777";

/** Five minutes; then it gives up with 75, and the next apply starts it again. */
const WAIT = `: ${WAITS}
trap 'exit 143' TERM INT
sandkeep_tenths=0
until [ -e ${PLACE}/ready ]; do
  [ $sandkeep_tenths -ge 3000 ] && exit 75
  if sleep 0.1 2>/dev/null; then sandkeep_tenths=$((sandkeep_tenths + 1))
  else sleep 1; sandkeep_tenths=$((sandkeep_tenths + 10)); fi
done
unset sandkeep_tenths
. ${PLACE}/secrets
: > ${PLACE}/secrets
: > ${PLACE}/taken
trap - TERM INT
exec "$@"
`;

/** Puts what comes on stdin into a file. No line is an argument: not every shell prints by itself. */
const receive = (path: string): string => `
  last=
  cat > ${path} || exit 73
  while IFS= read -r line; do last=$line; done < ${path}
  [ "$last" = '${END}' ] || exit 74`;

/** Of several at once the first hands over, and the others wait for what becomes of it. */
export const HAND_OVER = `
[ -e ${PLACE}/taken ] && exit 0
umask 077
if mkdir ${PLACE}/lock 2>/dev/null; then
  trap 'exit 74' HUP INT TERM
  trap '[ -e ${PLACE}/ready ] || { rm -f ${PLACE}/arriving; rmdir ${PLACE}/lock; }' EXIT${receive(`${PLACE}/arriving`)}
  mv ${PLACE}/arriving ${PLACE}/secrets || exit 74
  : > ${PLACE}/ready
fi
tenths=0
until [ -e ${PLACE}/taken ]; do
  [ $tenths -ge 100 ] && exit 75
  if sleep 0.1 2>/dev/null; then tenths=$((tenths + 1))
  else sleep 1; tenths=$((tenths + 10)); fi
done
exit 0
`;

/** Leaves an environment in the file that is named, for one command to take. */
export const LEAVE = `
umask 077
trap 'exit 74' HUP INT TERM
trap '[ "$last" = "${END}" ] || rm -f -- "$1"' EXIT${receive('"$1"')}
`;

/**
 * Takes its environment from its stdin, or from a file that it removes, and becomes the command. A secret may have the
 * name of one of these variables. A secret is one line, so that none is taken for the end, and a shell reads each in one
 * go, and nothing beyond: what follows is the command's own.
 */
const take = (from: { readonly file: boolean; readonly stdin: boolean }): string => `
sandkeep_all=
while IFS= read -r sandkeep_line && [ "$sandkeep_line" != '${END}' ]; do
  sandkeep_all="$sandkeep_all$sandkeep_line;"
done${from.file ? ' < "$1"; : > "$1"; rm -f -- "$1"; shift' : ""}
[ "$sandkeep_line" = '${END}' ] || { echo 'sandkeep: the secrets did not arrive whole' >&2; exit 74; }
sandkeep_take() { eval "unset sandkeep_all sandkeep_line;$2"; }
sandkeep_take '
' "$sandkeep_all" || exit 74
exec "$@"${from.stdin ? "" : " < /dev/null"}
`;

/** A command that takes its environment from what comes before its own stdin, if it has one. */
export function takingFromStdin(argv: readonly string[], stdin: boolean): readonly string[] {
  return ["/bin/sh", "-c", take({ file: false, stdin }), "sh", ...argv];
}

/** A command that takes its environment from a file which was left for it. */
export function takingFromFile(argv: readonly string[], path: string): readonly string[] {
  return ["/bin/sh", "-c", take({ file: true, stdin: true }), "sh", path, ...argv];
}

/** What `takingFromStdin` and `takingFromFile` take in. */
export function taken(secrets: Readonly<Record<string, string>>): string {
  return exportsOf(secrets, `'"$1"'`);
}

/** For a shell to take in, with the line that says that all of it arrived. */
export function exportsOf(secrets: Readonly<Record<string, string>>, newline = "\n"): string {
  const lines = Object.entries(secrets).map(
    ([name, value]) => `export ${name}=${shellWord(value).replaceAll("\n", newline)}\n`,
  );
  return `${lines.join("")}${END}\n`;
}

/** Entrypoint that waits for secrets and becomes the program. */
export function waitingFor(command: readonly string[]): {
  entrypoint: readonly string[];
  cmd: readonly string[];
} {
  return { entrypoint: ["sh", "-c", WAIT, WAITS], cmd: command };
}

/** The program's own argv, behind the shell that waits. */
export function withoutWaiting(argv: readonly string[]): readonly string[] {
  return argv[0] === "sh" && argv[3] === WAITS ? argv.slice(4) : argv;
}

export function secretsTmpfs(): Readonly<Record<string, string>> {
  return { [PLACE]: TMPFS };
}

export function isSecretsTmpfs(path: string, options: string): boolean {
  return path === PLACE && options === TMPFS;
}
