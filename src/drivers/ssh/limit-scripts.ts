/**
 * How a runtime is kept within limits on a host, in POSIX sh: its commands run in scopes of one slice of the account's own
 * systemd, and the slice has the limits. What counts is what its control group says, never what systemd was told.
 *
 *     ~/.sandkeep/limits    there once a slice was made: without it nobody is asked for any
 */
import { shellWord } from "../../util/shell-word.ts";

/** The account's own systemd is found by this alone. */
const MANAGER = `
u=$(id -u)
XDG_RUNTIME_DIR=/run/user/$u; export XDG_RUNTIME_DIR
`;

/** `x` becomes the one line of a file, or `none`. */
const SEEN = `
seen() { x=none; if [ -r "$1" ]; then IFS= read -r x <"$1" || x=none; fi; }
`;

/**
 * `holds` folder of a control group, memory in bytes, CPU time in microseconds of each 100 ms, processes; each may be
 * `infinity`. Memory is counted in pages, so that a little less is right.
 */
const HOLDS = `${SEEN}number() { case $1 in ''|*[!0-9]*) return 1;; esac; }
free() { case $x in max|'max '*|none) ;; *) return 1;; esac; }
holds() {
  seen "$1/memory.max"; why="memory.max is $x, not $2"
  if [ "$2" = infinity ]; then free || return 1
  else
    number "$x" && [ "$x" -le "$2" ] && [ "$x" -gt $(($2 - 65536)) ] || return 1
    seen "$1/memory.swap.max"; why="memory.swap.max is $x, not 0"
    case $x in 0|none) ;; *) return 1;; esac
  fi
  seen "$1/cpu.max"; why="cpu.max is $x, not $3 of 100000"
  if [ "$3" = infinity ]; then free || return 1
  else
    number "\${x% *}" && number "\${x#* }" || return 1
    d=$((\${x% *} * 100000 - $3 * \${x#* }))
    [ "\${d#-}" -le "\${x#* }" ] || return 1
  fi
  seen "$1/pids.max"; why="pids.max is $x, not $4"
  if [ "$4" = infinity ]; then free; else [ "$x" = "$4" ]; fi
}
`;

/** Says what limits take and this host has; it only looks. */
export const LOOK_LIMITS = `${MANAGER}${HOLDS}
command -v systemd-run >/dev/null && command -v systemctl >/dev/null && echo systemd-run
[ -f /sys/fs/cgroup/cgroup.controllers ] && echo cgroup2
if g=$(systemctl --user show -p ControlGroup --value 2>/dev/null) && [ -n "$g" ]; then
  echo manager
  seen "/sys/fs/cgroup$g/cgroup.controllers"
  for each in $x; do echo "$each"; done
fi
[ "$(loginctl show-user "$u" -p Linger --value 2>/dev/null)" = yes ] && echo linger
exit 0
`;

/** `g` becomes the control group of the slice `$slice`. */
const FIND_SLICE = `
find_slice() { g=$(systemctl --user show -p ControlGroup --value "$slice" 2>/dev/null) && [ -n "$g" ]; }
`;

/**
 * `$1` slice, `$2` to `$4` as `holds` takes them, `$5` CPU time in percent or empty. Makes the slice so where it is not,
 * reads it back, and says how many processes in it were killed for want of memory so far.
 */
export const SET_LIMITS = `${MANAGER}${HOLDS}${FIND_SLICE}
slice=$1
if ! { find_slice && holds "/sys/fs/cgroup$g" "$2" "$3" "$4"; }; then
  mkdir -p "$HOME/.sandkeep" && : >"$HOME/.sandkeep/limits" || exit 1
  swap=infinity; [ "$2" = infinity ] || swap=0
  systemctl --user set-property --runtime "$slice" "MemoryMax=$2" "MemorySwapMax=$swap" "CPUQuota=$5" "TasksMax=$4" </dev/null >&2 &&
    systemctl --user start "$slice" </dev/null >&2 || exit 1
  find_slice || { echo "$slice has no control group" >&2; exit 1; }
  holds "/sys/fs/cgroup$g" "$2" "$3" "$4" || { echo "$why" >&2; exit 1; }
fi
killed=0
if [ -r "/sys/fs/cgroup$g/memory.events" ]; then
  while read -r name count; do [ "$name" != oom_kill ] || killed=$count; done <"/sys/fs/cgroup$g/memory.events"
fi
echo "killed $killed"
`;

/** `$1` slice. What runs in it goes on without limits; where there is none, nothing happens. */
export const LIFT_LIMITS = `${MANAGER}${FIND_SLICE}
slice=$1
if [ -e "$HOME/.sandkeep/limits" ] && find_slice; then
  systemctl --user set-property --runtime "$slice" MemoryMax=infinity MemorySwapMax=infinity CPUQuota= TasksMax=infinity </dev/null >&2 || exit 1
fi
exit 0
`;

/** `$1` id. Ends what runs in its slice, and forgets that. */
export const END_SLICE = `
if [ -e "$HOME/.sandkeep/limits" ]; then
  ( ${MANAGER}
    systemctl --user stop "sandkeep-$1.slice"; systemctl --user revert "sandkeep-$1.slice" ) </dev/null >/dev/null 2>&1
fi
`;

/** In the scope, before the command: `$1` slice, `$2` to `$4` as `holds` takes them, then the command. */
const PROVE = `${HOLDS}
g=
while IFS=: read -r n c p; do if [ "$n$c" = 0 ]; then g=$p; fi; done </proc/self/cgroup
g=\${g%/*}; why="it is in $g, not in $1"
[ "\${g##*/}" = "$1" ] && holds "/sys/fs/cgroup$g" "$2" "$3" "$4" || { echo "sandkeep-limits: $why" >&2; exit 125; }
shift 4
exec "$@"
`;

/**
 * As `PROVE`. The scope's first process becomes the command, so that its parent, group, terminal and exit are its own. What
 * the scope's other processes do when one is killed for want of memory is theirs to decide.
 */
export const ENTER_SLICE = `${MANAGER}
slice=$1 memory=$2 time=$3 pids=$4
shift 4
set -- --slice="$slice" -- env -i HOME="$HOME" PATH="$PATH" /bin/sh -c ${shellWord(PROVE)} sandkeep "$slice" "$memory" "$time" "$pids" "$@"
v=$(systemd-run --version </dev/null); v=\${v#systemd }; v=\${v%%[!0-9]*}
[ "\${v:-0}" -lt 252 ] || set -- -p OOMPolicy=continue "$@"
exec systemd-run --user --scope --quiet --collect --no-ask-password "$@"
`;

/** Sets s to where the slices of runtimes are, or to nothing. */
export const FIND_SLICES = `
s=
if [ -e "$HOME/.sandkeep/limits" ]; then
  g=$(XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl --user show -p ControlGroup --value sandkeep.slice 2>/dev/null) && [ -n "$g" ] && s=/sys/fs/cgroup$g
fi
${SEEN}tell_limits() {
  at=$s/sandkeep-$1.slice
  if [ -z "$s" ] || [ ! -d "$at" ]; then return; fi
  seen "$at/memory.max"; memory=$x
  seen "$at/pids.max"; pids=$x
  seen "$at/cpu.max"; printf 'S %s %s %s %s\\n' "$1" "$memory" "$pids" "$x"
}
`;
