/**
 * What looks at a canonical workspace and changes it, in POSIX sh, where it is kept: constant texts that are started in the
 * workspace's folder, to which paths come on the input only. A change is first whole in a folder inside, `whole`
 * is renamed to `ready`, and from then on it is carried out to its end, by whoever comes next if need be.
 *
 *     .sandkeep-sync/   absent  signed  signs  plain  new/<path>  delete  folders  closed  modes  ready
 */
import { SYNC_FOLDER } from "./open-workspace.ts";

/** Exit codes by which a script says what is the matter. */
export const SYNC_ANSWER = {
  noRoom: 61,
  cut: 62,
  inTheWay: 63,
  cannotRead: 64,
  noTools: 65,
  busy: 66,
  changed: 67,
  lost: 68,
} as const;

const CARRY_OUT = `
export LC_ALL=C
S=./${SYNC_FOLDER}
merge() (
  at=$1; set --
  for each in "$S/new$at"/* "$S/new$at"/.[!.]* "$S/new$at"/..?*; do
    if [ ! -e "$each" ] && [ ! -L "$each" ]; then continue; fi
    name=\${each##*/}
    if [ -d "$each" ] && [ ! -L "$each" ] && [ -d ".$at/$name" ] && [ ! -L ".$at/$name" ]; then
      merge "$at/$name" || exit 1
    else set -- "$@" "$each"; fi
    if [ "$#" -ge 200 ]; then mv -f "$@" ".$at/" || exit 1; set --; fi
  done
  [ "$#" -eq 0 ] || mv -f "$@" ".$at/"
)
carry_out() {
  [ ! -s "$S/closed" ] || xargs -0 chmod u+rwx <"$S/closed" 2>/dev/null
  [ ! -s "$S/delete" ] || xargs -0 rm -f <"$S/delete" || return 1
  [ ! -s "$S/folders" ] || xargs -0 rmdir <"$S/folders" 2>/dev/null
  merge "" || return 1
  [ ! -s "$S/modes" ] || xargs -0 -n 2 chmod <"$S/modes" 2>/dev/null
  rm -rf "$S"
}
recover() {
  [ -e "$S" ] || [ -L "$S" ] || return 0
  if [ -L "$S" ] || [ ! -d "$S" ]; then rm -f "$S"; return 0; fi
  if [ -e "$S/ready" ]; then carry_out || exit ${String(SYNC_ANSWER.inTheWay)}; else rm -rf "$S"; fi
}
`;

/**
 * Finishes what is half done, then tells all there is: `L` and for each entry its kind, permission bits, size, sign, path
 * and link target, or, where find cannot say that, `T` and everything as a tar archive.
 */
export const LIST = `${CARRY_OUT}
recover
if find . -prune -printf '' 2>/dev/null && sha256sum -z /dev/null >/dev/null 2>&1; then
  echo L
  find . -mindepth 1 -printf '%y\\0%m\\0%s\\0%i:%T@:%C@\\0%P\\0%l\\0' || exit ${String(SYNC_ANSWER.cannotRead)}
  printf 'END\\0'
else
  echo T
  tar -cf - . || exit ${String(SYNC_ANSWER.cannotRead)}
fi
`;

/** Paths, each with a NUL, on the input; their hashes and paths come back the same way. */
export const HASH = `
export LC_ALL=C
xargs -0 sha256sum -z || exit ${String(SYNC_ANSWER.cannotRead)}
`;

/** Paths, each with a NUL, on the input. Where tar takes no such list, everything comes. */
export const READ = `
export LC_ALL=C
if tar --null --hard-dereference -T /dev/null -cf /dev/null 2>/dev/null; then
  tar --null --no-recursion --hard-dereference -T - -cf - || exit ${String(SYNC_ANSWER.cannotRead)}
else tar -cf - . || exit ${String(SYNC_ANSWER.cannotRead)}; fi
`;

/** What a change replaces, deletes or adds is still what it was, or not there, as when it was listed. */
const UNCHANGED = `
unchanged() {
  if [ -s "$S/absent" ]; then
    xargs -0 sh -c 'for each; do if [ -e "$each" ] || [ -L "$each" ]; then exit 1; fi; done' x <"$S/absent" || return 1
  fi
  if [ -s "$S/signed" ]; then
    now=$(xargs -0 sh -c 'find "$@" -prune -printf "%i:%T@:%C@\\0"' x <"$S/signed" 2>/dev/null | sha256sum)
    [ "$now" = "$(cat "$S/signs")  -" ] || return 1
  fi
  if [ -s "$S/plain" ]; then
    command -v sha256sum >/dev/null 2>&1 || exit ${String(SYNC_ANSWER.noTools)}
    xargs -0 -n 20 sh -c 'while [ "$#" -gt 0 ]; do
      case $1 in
        f*) [ -f "$2" ] && [ ! -L "$2" ] && [ "$(sha256sum <"$2")" = "\${1#f}  -" ];;
        d) [ -d "$2" ] && [ ! -L "$2" ];;
        l*) [ -L "$2" ] && [ "$(readlink "$2")" = "\${1#l}" ];;
        *) [ -e "$2" ];;
      esac || exit 1
      shift 2
    done' x <"$S/plain" || return 1
  fi
}
`;

/** `$1` options of tar. The folder above comes on the input, as an archive. */
export const WRITE = `${CARRY_OUT}${UNCHANGED}
rm -rf "$S"
command -v xargs >/dev/null 2>&1 || exit ${String(SYNC_ANSWER.noTools)}
trap 'rm -rf "$S"; exit ${String(SYNC_ANSWER.cut)}' HUP INT TERM
umask 077
if ! tar -xpf - $1; then rm -rf "$S"; exit ${String(SYNC_ANSWER.noRoom)}; fi
if [ ! -e "$S/whole" ]; then rm -rf "$S"; exit ${String(SYNC_ANSWER.cut)}; fi
sync -f . 2>/dev/null
if ! unchanged; then rm -rf "$S"; exit ${String(SYNC_ANSWER.changed)}; fi
trap '' HUP INT TERM
mv "$S/whole" "$S/ready" || { rm -rf "$S"; exit ${String(SYNC_ANSWER.noRoom)}; }
carry_out || exit ${String(SYNC_ANSWER.inTheWay)}
echo DONE
`;

/**
 * `$1` seconds to wait. Alone with the workspace until its input ends: who comes waits until nobody shares the lock any
 * more, and what `WITHIN_HOLD` begins with shares it, so that what goes on after its caller died keeps others out.
 */
export const HOLD = `
command -v flock >/dev/null 2>&1 || exit ${String(SYNC_ANSWER.noTools)}
exec 9<. && flock -w "$1" 9 && flock -s -n 9 || exit ${String(SYNC_ANSWER.busy)}
echo HELD
cat >/dev/null
`;

/** Before a script that must not go on alone: where nobody holds the workspace, its holder is gone. */
export const WITHIN_HOLD = `
exec 9<. || exit ${String(SYNC_ANSWER.busy)}
if flock -n 9; then exit ${String(SYNC_ANSWER.lost)}; fi
flock -s -n 9 || exit ${String(SYNC_ANSWER.lost)}
`;
