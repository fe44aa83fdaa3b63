/**
 * What runs on the host for a command that outlives its connection, in POSIX sh: constant texts, to which all data comes
 * as arguments or on the input. Its folder, which only the account may read:
 *
 *     in out err            fifos: the command's own streams
 *     o.<n> e.<n>           what it wrote, from its byte n on; gone once acked
 *     o.acked e.acked       how much of it has arrived with us
 *     o.ok e.ok             gone when something could not be kept
 *     o.end e.end           the stream ended after its last part
 *     in.count              how much input the command has been given
 *     in.closed             it has all of it: nobody waits at `close` any more, and none may wait for somebody there
 *     attached              sshd's process for the connection, and which of ours it is
 */
import { READ } from "./program.ts";

/** Exit codes by which they say what is the matter. */
export const KEPT = { gone: 44, cannotWrite: 47, notKept: 51, inputLost: 52, noSetsid: 53 } as const;

/** Seconds that a command is kept for somebody to come back. */
const AWAY_S = 300;
/** Bytes of each stream that wait to be fetched; the command itself waits then. */
export const MOST_WAITING = 8 * 1024 * 1024;

const ACKED = `
acked() {
  for f in "$1".[0-9]*; do
    [ -f "$f" ] || continue
    at=\${f##*.}; n=$(wc -c <"$f")
    [ $((at + n)) -gt "$2" ] || rm -f "$f"
  done
  echo "$2" >"$1.to" && mv -f "$1.to" "$1.acked"
}
`;

/** `$1` folder, `$2` and `$3` how much of each stream has arrived. */
export const ACK = `${ACKED}
cd "$1" 2>/dev/null || exit 0
acked o "$2"; acked e "$3"
exit 0
`;

/** `$1` folder. What still runs there is ended by its own watch. */
export const CLEAN = `
mv "$1" "$1.gone" 2>/dev/null || exit 0
rm -rf "$1.gone" || { sleep 1; rm -rf "$1.gone"; }
`;

/**
 * Keeps a stream: what one read gives is one part, however small. Whoever wrote it waits when too much is waiting.
 * Signals that the command sends to its group end none of this.
 */
const KEEP = `
pump() {
  trap '' HUP INT QUIT TERM PIPE
  x=0
  while :; do
    while IFS= read -r sent <"$1.acked" && [ $((x - sent)) -ge ${String(MOST_WAITING)} ]; do sleep 0.2; done
    dd bs=65536 count=1 of="$1.part" && n=$(wc -c <"$1.part") || break
    if [ "$n" -eq 0 ]; then : >"$1.end" && return; break; fi
    mv "$1.part" "$1.$x" || break
    x=$((x + n))
  done
  rm -f "$1.ok"
}
born() { awk '{ print $22 }' "/proc/$1/stat" 2>/dev/null; }
watch() {
  trap '' HUP INT QUIT TERM PIPE
  was=$(born $$); away=0
  while sleep 2; do
    [ -d "$r" ] || break
    if IFS=' ' read -r a x <"$r/attached" && { kill -0 "$a" || [ -e "/proc/$a" ]; }; then away=0; else away=$((away + 2)); fi
    [ "$away" -lt ${String(AWAY_S)} ] || break
  done
  kill -s KILL $h $p $q
  [ "$(born $$)" != "$was" ] || kill -s KILL $$
  rm -rf "$r"
}
begin() {
  command -v setsid >/dev/null || exit ${String(KEPT.noSetsid)}
  umask 077
  mkdir -p "\${r%/*}" 2>/dev/null && mkdir "$r.new" && cd "$r.new" && mkfifo in out err close || exit ${String(KEPT.cannotWrite)}
  echo 0 >in.count && echo 0 >o.acked && echo 0 >e.acked && : >o.ok && : >e.ok && mv "$r.new" "$r" && cd "$r" || exit ${String(KEPT.cannotWrite)}
}
`;

/** Sends a stream from a byte on, until it ends or somebody else is attached. */
const SEND = `
mine() { IFS=' ' read -r each who <attached && [ "$who" = "$me" ] && { kill -0 $PPID || [ -e "/proc/$PPID" ]; }; }
send() {
  x=$2; pause=0.05
  for f in "$1".[0-9]*; do
    [ -f "$f" ] || continue
    at=\${f##*.}; n=$(wc -c <"$f")
    if [ "$at" -lt "$x" ] && [ $((at + n)) -gt "$x" ]; then
      tail -c "+$((x - at + 1))" "$f" || exit 1
      x=$((at + n)); break
    fi
  done
  while mine; do
    if [ -e "$1.end" ]; then last=1; else last=; fi
    if [ -f "$1.$x" ]; then
      n=$(wc -c <"$1.$x"); cat "$1.$x" || exit 1
      x=$((x + n)); pause=0.05
    elif [ -n "$last" ]; then exit 0
    elif [ ! -e "$1.ok" ]; then exit ${String(KEPT.notKept)}
    else sleep $pause; pause=0.2; fi
  done
  exit 1
}
`;

/**
 * Gives the command its input, each byte once, however often it is sent: frames of a line, \`i\` with where it begins and
 * how long it is, or \`e\`, and then the bytes. One at a time does so.
 */
const RELAY = `
relay() {
  until mkdir in.busy 2>/dev/null; do mine || exit; sleep 0.1; done
  trap 'rmdir in.busy' EXIT
  exec 5<>in
  IFS= read -r count <in.count || exit
  while IFS=' ' read -r kind at n; do
    if [ "$kind" = e ]; then
      [ "$at" -eq "$count" ] || break
      exec 5>&-; [ -e in.closed ] || : >close; exit
    fi
    if [ "$at" -gt "$count" ]; then rm -f o.ok e.ok; : >in.lost; exit; fi
    while [ "$n" -gt 0 ]; do
      most=$n; [ "$most" -le 65536 ] || most=65536
      if [ "$at" -lt "$count" ]; then
        [ "$most" -le $((count - at)) ] || most=$((count - at))
        to=/dev/null
      else to=/dev/fd/5; fi
      got=$(LC_ALL=C dd bs="$most" count=1 2>&1 >"$to" | sed -n 's/^\\([0-9]*\\) bytes.*/\\1/p')
      [ "\${got:-0}" -gt 0 ] || exit
      at=$((at + got)); n=$((n - got))
      if [ "$to" != /dev/null ]; then count=$at; echo "$count" >in.new && mv -f in.new in.count || exit; fi
    done
  done
}
`;

/**
 * \`$1\` folder, \`$2\` which one of ours, \`$3\` and \`$4\` how much of each stream has arrived, \`$5\` whether it may begin.
 * Braces where a function is sent to the background: dash keeps the streams that it had, to give them back after it, and
 * with them the connection's.
 */
export const ATTACH = `${ACKED}${KEEP}${SEND}${RELAY}
r=$1 me=$2 begins=
if [ -n "$5" ] && [ ! -d "$r" ]; then begin; begins=1; fi
cd "$r" 2>/dev/null || exit ${String(KEPT.gone)}
acked o "$3"; acked e "$4"
echo "$PPID $me" >"attached.$me" && mv -f "attached.$me" attached || exit ${String(KEPT.cannotWrite)}
exec 3<&0
{ relay; } <&3 >/dev/null 2>&1 & relays=$!
send o "$3" 3<&- 2>/dev/null & a=$!
send e "$4" 3<&- >&2 2>/dev/null & b=$!
exec 3<&-
if [ -n "$begins" ]; then
  { pump o; } <out >/dev/null 2>&1 & p=$!
  { pump e; } <err >/dev/null 2>&1 & q=$!
  { trap '' HUP INT QUIT TERM; exec 4<>in; IFS= read -r x <close; : >in.closed; } >/dev/null 2>&1 & h=$!
  { watch; } >/dev/null 2>&1 & w=$!
  setsid /bin/sh -c '${READ}' <in >out 2>err
fi
s=0
wait $a || s=$?
wait $b || s=$?
# Where the connection was cut, it has to count what it still gives.
[ $s -ne 0 ] || kill $relays 2>/dev/null
[ ! -e in.lost ] || s=${String(KEPT.inputLost)}
exit $s
`;
