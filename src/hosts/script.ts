/**
 * What runs on a host to see how it is and what lies there, in POSIX sh with what every Linux has. Constant texts: all data
 * comes as arguments. The answer is records that end in NUL, with a tab between fields; only the last field of a record
 * may hold anything but NUL, so that no name can pose as a record.
 */

/** Shared by the look and the removal, so that both mean the same by *in use* and *changed*. */
const FACTS = `
LC_ALL=C; export LC_ALL
t=$(printf '\\t')
p() { printf '%s' "$1"; shift; for f do printf '\\t%s' "$f"; done; printf '\\0'; }
bounded() { if command -v timeout >/dev/null 2>&1; then timeout 20 "$@"; else "$@"; fi; }
identity() { stat -c '%d:%i' -- "$1" 2>/dev/null; }
newest() { find "$1" -xdev -maxdepth 2 -exec stat -c %Y -- {} + 2>/dev/null | sort -rn | head -n 1; }
uses() {
  { ls -ld /proc/[0-9]*/cwd /proc/[0-9]*/root; ls -l /proc/[0-9]*/fd; } 2>/dev/null |
    sed -n 's/.* -> //p' | grep -F -- "$1/" | sort -u | head -n 4000
  ls -ld /proc/[0-9]*/ns/mnt 2>/dev/null | awk '!seen[$NF]++ { sub("ns/mnt", "mountinfo", $(NF - 2)); print $(NF - 2) }' |
    xargs cat 2>/dev/null | awk '{ print $4 }' | grep -F -- "/\${1##*/}/" | sort -u | head -n 4000
}
mounts() { awk '{ print $5 }' /proc/self/mountinfo 2>/dev/null | grep -F -- "$1/" | sort -u | head -n 4000; }
`;

/**
 * Arguments, in any order: `disk:WHAT=PATH`, `root:PATH`, `engine:NAME=ENDPOINT` (empty for its usual one),
 * `format:TEMPLATE` before the engines.
 */
export const LOOK = `${FACTS}
lines() { while IFS= read -r each; do p "$1" "$each"; done; }
disk() {
  at=$2
  case $at in "~") at=$HOME;; "~/"*) at=$HOME/\${at#"~/"};; esac
  while [ ! -e "$at" ] && [ "$at" != / ] && [ "$at" != . ]; do at=$(dirname -- "$at"); done
  p disk "$1" "$(bounded df -Pk -- "$at" 2>/dev/null | tail -n 1)"
  p inodes "$1" "$(bounded df -Pi -- "$at" 2>/dev/null | tail -n 1)"
}
ask() { n=$1; u=$2; shift 2
  case $n in
    podman) if [ -n "$u" ]; then bounded podman --url "$u" "$@"; else bounded podman "$@"; fi;;
    *) if [ -n "$u" ]; then bounded docker -H "$u" "$@"; else bounded docker "$@"; fi;;
  esac
}
engine() {
  if ! command -v "$1" >/dev/null 2>&1; then p engine "$1" absent '' '' ''; return; fi
  case $1 in
    podman) about='{{.Version.Version}}|{{.Store.GraphRoot}}';;
    *) about='{{.ServerVersion}}|{{.DockerRootDir}}'
      api=$(ask "$1" "$2" version 2>&1 | sed -n 's/.*[Mm]aximum supported API version is \\([0-9.]*\\).*/\\1/p' | head -n 1)
      if [ -n "$api" ]; then DOCKER_API_VERSION=$api; export DOCKER_API_VERSION; fi;;
  esac
  said=$(ask "$1" "$2" info --format "$about" 2>/dev/null); code=$?
  version=\${said%%"|"*}; store=\${said#*"|"}
  if [ "$code" != 0 ] || [ -z "$version" ]; then
    p engine "$1" unreachable '' '' "$(ask "$1" "$2" info --format '{{.ID}}' 2>&1 | grep . | head -n 1 | head -c 400)"
    return
  fi
  p engine "$1" ready "$version" "$store" ''
  [ -d "$store" ] && disk "$1" "$store"
  ids=$(ask "$1" "$2" ps -aq --no-trunc 2>/dev/null | grep -E '^[0-9a-f]+$' | head -n 1001)
  [ -n "$ids" ] || return
  set -- "$1" "$2" $ids
  if [ $# -gt 1002 ]; then p note 'more than 1000 containers; only the newest are told'; fi
  n=$1; u=$2; shift 2
  ask "$n" "$u" inspect --type container --format "$format" "$@" 2>/dev/null | lines "container$t$n"
}
entry() {
  kind=$1; name=\${2##*/}
  if [ -L "$2" ]; then
    p entry link "$(identity "$2")" "$(stat -c '%u' -- "$2" 2>/dev/null)" '' "$parent" "$name"
    return
  fi
  [ -d "$2" ] || return
  count=$((count + 1))
  if [ "$count" -gt 500 ]; then return; fi
  p entry "$kind" "$(identity "$2")" "$(stat -c '%u' -- "$2" 2>/dev/null)" "$(newest "$2")" "$parent" "$name"
  for f in manifest.json labels.json; do
    if [ -f "$2/$f" ] && [ ! -L "$2/$f" ]; then p "$f" "$(head -c 262144 <"$2/$f" 2>/dev/null | head -n 400)"; fi
  done
}
root() {
  at=$1
  case $at in "~") at=$HOME;; "~/"*) at=$HOME/\${at#"~/"};; esac
  real=$(cd -P -- "$at" 2>/dev/null && pwd -P) || { p root absent "$1"; return; }
  case $seen in *"|$real|"*) return;; esac
  seen="$seen|$real|"
  p root present "$1"; p real "$real"
  disk sandboxes "$real"
  count=0
  for d in "$real"/* "$real"/.sandkeep-reaped-*; do
    if [ -d "$d/objects" ] && [ ! -L "$d" ] && [ ! -L "$d/objects" ]; then
      parent=$d/objects
      for o in "$d"/objects/*; do entry runtime "$o"; done
    else
      parent=$real
      entry directory "$d"
    fi
  done
  if [ "$count" -gt 500 ]; then p note "more than 500 folders below $real; only the first are told"; fi
  uses "$real" | lines use
  mounts "$real" | lines mount
}
p v 1
p kernel "$(uname -srm)"
p node "$(uname -n)"
p uid "$(id -u)"
if read -r load </proc/loadavg; then p load "$load"; fi
if read -r up </proc/uptime; then p uptime "$up"; fi
p cpus "$(getconf _NPROCESSORS_ONLN 2>/dev/null || grep -c '^processor' /proc/cpuinfo)"
while read -r key value unit; do
  case $key in MemTotal:|MemAvailable:|SwapTotal:|SwapFree:) p memory "$key" "$value";; esac
done </proc/meminfo
processes() { set -- /proc/[0-9]*; p processes "$#"; }
processes
disk root /
seen=
for arg do
  case $arg in
    format:*) format=\${arg#*:};;
    disk:*) rest=\${arg#*:}; disk "\${rest%%=*}" "\${rest#*=}";;
    engine:*) rest=\${arg#*:}; engine "\${rest%%=*}" "\${rest#*=}";;
    root:*) root "\${arg#*:}";;
  esac
done
for f in "$HOME"/.sandkeep/roots/*; do
  if [ -f "$f" ] && [ ! -L "$f" ] && IFS= read -r known <"$f"; then
    case $known in /?*) root "$known";; esac
  fi
done
p end
exit 0
`;

/**
 * `$1` real path of the folder above, `$2` name, `$3` its identity, `$4` its latest change, `$5` a name to move it to first,
 * `$6` nothing in it, however deep, may be younger (seconds since the epoch; empty for any age). The look tells only what lies near the top.
 * Says `removed`, `gone`, `changed` and how, or `kept` and why; nothing is removed that is not the very folder that was listed.
 */
export const REMOVE_DIRECTORY = `${FACTS}
parent=$1 name=$2 is=$3 last=$4 aside=$5 cutoff=$6
changed() { p changed "$1"; exit 0; }
kept() { p kept "$1"; exit 0; }
case $name in ''|.|..|*/*) changed 'its name is no plain name';; esac
case $aside in ''|.|..|*/*) changed 'its name is no plain name';; esac
[ "$(cd -P -- "$parent" 2>/dev/null && pwd -P)" = "$parent" ] || changed 'the folder above is reached through a link, or gone'
d=$parent/$name
if [ -L "$d" ]; then changed 'it is a symbolic link now'; fi
if [ ! -e "$d" ]; then p gone; exit 0; fi
[ -d "$d" ] || changed 'it is no folder any more'
[ "$(identity "$d")" = "$is" ] || changed 'it is another folder now'
[ "$(newest "$d")" = "$last" ] || changed 'something in it changed'
if mounts "$parent" | grep -qE -- "^$d(/|$)"; then changed 'something is mounted there'; fi
if uses "$parent" | grep -qE -- "(^|/)$name(/|$)"; then changed 'a process uses it'; fi
for f in "$HOME"/.sandkeep/roots/*; do
  if [ -f "$f" ] && IFS= read -r known <"$f"; then
    case $(cd -P -- "$known" 2>/dev/null && pwd -P)/ in "$d"/*) kept 'sandboxes of a fleet are kept in it';; esac
  fi
done
[ -z "$(find "$d" -xdev -maxdepth 4 -type d -name workspaces 2>/dev/null | head -n 1)" ] ||
  kept 'it holds a folder of workspaces'
deep=
[ -z "$cutoff" ] || deep=$({ find "$d" -xdev -exec stat -c %Y -- {} + 2>/dev/null || echo unread; } |
  awk -v cutoff="$cutoff" '$1 == "unread" { print "unread"; exit } $1 + 0 > cutoff + 0 { print "young"; exit }')
case $deep in
  '') ;;
  young) kept 'something deep in it is younger than what was asked for';;
  *) kept 'not all of it can be looked at';;
esac
mv -- "$d" "$parent/$aside" 2>/dev/null || { p failed 'it could not be moved aside'; exit 0; }
if [ "$(identity "$parent/$aside")" != "$is" ]; then mv -- "$parent/$aside" "$d"; changed 'it is another folder now'; fi
said=$(rm -rf -- "$parent/$aside" 2>&1) || { p failed "$(printf %s "$said" | head -c 400)"; exit 0; }
p removed
`;

/** `$1` engine, `$2` endpoint, `$3` id, `$4` template, `$5` what it must say. */
export const REMOVE_CONTAINER = `${FACTS}
case $1 in podman) flag=--url;; *) flag=-H;; esac
ask() { if [ -n "$endpoint" ]; then bounded "$cli" "$flag" "$endpoint" "$@"; else bounded "$cli" "$@"; fi; }
cli=$1 endpoint=$2
if [ "$1" = docker ]; then
  api=$(ask version 2>&1 | sed -n 's/.*[Mm]aximum supported API version is \\([0-9.]*\\).*/\\1/p' | head -n 1)
  if [ -n "$api" ]; then DOCKER_API_VERSION=$api; export DOCKER_API_VERSION; fi
fi
said=$(ask inspect --type container --format "$4" "$3" 2>&1) || {
  case $said in *[Nn]o\\ such*) p gone;; *) p failed "$(printf %s "$said" | head -c 400)";; esac
  exit 0
}
[ "$said" = "$5" ] || { p changed 'it is not as it was listed'; exit 0; }
said=$(ask rm -f -v "$3" 2>&1) || { p failed "$(printf %s "$said" | head -c 400)"; exit 0; }
p removed
`;
