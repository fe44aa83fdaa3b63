/**
 * How a container's main program gets its secrets: a shell of ours holds its place and waits, and a command inside puts
 * them, from its stdin, into memory that only the container sees. The shell takes them into its environment, empties the
 * file and becomes the program. No argv, label, layer or engine record ever holds a value.
 */
const PLACE = "/run/sandkeep";
/** `$0` of the shell that waits; the program that it becomes has another. */
export const WAITS = "sandkeep-waits";
/** The last line of what is handed over: without it the rest is lost. */
export const END = "#sandkeep-end";

/** Options of the tmpfs; nobody else's looks like this. Everyone may write: files are the container's own user's. */
const TMPFS = "rw,noexec,nosuid,nodev,size=16m,mode=1777";

/** Five minutes; then it gives up with 75, and the next apply starts it again. */
const WAIT = `
trap 'exit 143' TERM INT
sandkeep_tries=0
until [ -e ${PLACE}/ready ]; do
  sandkeep_tries=$((sandkeep_tries + 1))
  [ $sandkeep_tries -gt 3000 ] && exit 75
  sleep 0.1 2>/dev/null || sleep 1
done
. ${PLACE}/secrets
: > ${PLACE}/secrets
: > ${PLACE}/taken
trap - TERM INT
unset sandkeep_tries
exec "$@"
`;

export const HAND_OVER = `
[ -e ${PLACE}/taken ] && exit 0
umask 077
last=
while IFS= read -r line; do printf '%s\\n' "$line"; last=$line; done > ${PLACE}/secrets
[ "$last" = '${END}' ] || exit 74
: > ${PLACE}/ready
tries=0
until [ -e ${PLACE}/taken ]; do
  tries=$((tries + 1))
  [ $tries -gt 100 ] && exit 75
  sleep 0.1 2>/dev/null || sleep 1
done
exit 0
`;

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
