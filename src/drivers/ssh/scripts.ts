/**
 * What runs on the host, in POSIX sh: constant texts, to which all data comes as arguments or on the input.
 *
 *     ~/.sandkeep/roots/<key>                       one line: a folder that sandboxes are kept in
 *     ~/.sandkeep/dormant/<fleet>/<address>.json
 *     <root>/<fleet>/names/<name>                   a hard link to objects/<id>/id; making it is the name's mutex
 *     <root>/<fleet>/objects/<id>/                  id manifest.json labels.json home/ tmp/ workspace
 *     <root>/<fleet>/workspaces/<key>/workspace/    canonical; `.seed-<id>` until its seed is complete
 *     <root>/<fleet>/workspaces/<key>/key           one line: its key, the mark that the workspace is ours
 */

import { END_SLICE, FIND_SLICES } from "./limit-scripts.ts";

/** Exit codes by which a script says what is the matter. */
export const ANSWER = {
  notFound: 44,
  conflict: 45,
  inUse: 46,
  cannotWrite: 47,
  cannotRead: 48,
  leadsOut: 49,
  full: 50,
} as const;

/**
 * `find_object` sets o to the object's folder and d to its fleet's. `at_home` real folder, fleet: whether it lies where
 * this fleet's workspaces do. `free_name` frees a name whose sandbox somebody deleted by hand: one at a time, each looking
 * again once it is alone, and only where nothing at all lies in the sandbox's place. `in_use` real folder, fleet, id: whether another object of any root works in it.
 */
const FIND = `
find_object() {
  for f in "$HOME"/.sandkeep/roots/*; do
    if [ -f "$f" ] && [ ! -L "$f" ]; then IFS= read -r root <"$f" || continue; else continue; fi
    for o in "$root"/*/objects/"$1"; do
      if [ -d "$o" ] && [ ! -L "$o" ]; then d=\${o%/objects/*}; return 0; fi
    done
  done
  return ${String(ANSWER.notFound)}
}
holds() { [ -f "$1" ] && [ ! -L "$1" ] && IFS= read -r held <"$1" && [ "$held" = "$2" ]; }
free_name() {
  if [ ! -f "$1" ] || [ -L "$1" ] || ! IFS= read -r dead <"$1"; then return; fi
  case $dead in *[!0-9a-f]*) return;; esac
  if [ "\${#dead}" != 16 ] || [ -e "$d/objects/$dead" ] || [ -L "$d/objects/$dead" ]; then return; fi
  mkdir "$d/objects/.trash-name-$dead" 2>/dev/null || return 0
  if holds "$1" "$dead"; then rm -f "$1"; fi
  rmdir "$d/objects/.trash-name-$dead"
}
drop_names() {
  for each in "$d"/names/*; do
    if [ "\${each##*/}" != "$2" ] && holds "$each" "$1"; then rm -f "$each"; fi
  done
}
at_home() {
  for f in "$HOME"/.sandkeep/roots/*; do
    if [ -f "$f" ] && [ ! -L "$f" ]; then IFS= read -r each <"$f" || continue; else continue; fi
    if cd -P "$each/$2/workspaces" 2>/dev/null && [ "$PWD" = "\${1%/*}" ]; then cd /; return 0; fi
  done
  cd /; return 1
}
in_use() {
  for f in "$HOME"/.sandkeep/roots/*; do
    IFS= read -r each 2>/dev/null <"$f" || continue
    for other in "$each/$2"/objects/*/workspace; do
      case $other in */objects/"$3"/workspace) continue;; esac
      if [ -L "$other" ] && cd -P "$other" 2>/dev/null && [ "$PWD" = "$1" ]; then cd /; return 0; fi
    done
  done
  cd /; return 1
}
delete() { [ ! -d "$1" ] || chmod -R u+rwx "$1" 2>/dev/null; rm -rf "$1"; }
`;

/**
 * Reads the first line of each file into `line`, its path into `part[1]` to `part[n]`. A file that somebody removes meanwhile
 * is passed over: given as input, it would end awk, and all files after it would look as if they were not there.
 */
const firstLines = (print: string): string =>
  `awk 'BEGIN { for (i = 1; i < ARGC; i++) { if ((getline line <ARGV[i]) > 0) { n = split(ARGV[i], part, "/"); ${print} }; close(ARGV[i]) } }'`;

/** `$1` fleet or `*`, `$2` object id or empty. One round trip whatever there is. */
export const OBSERVE = `${FIND_SLICES}
look() {
  d=$1
  for o in "$d"/objects/*; do
    id=\${o##*/}
    if [ -n "$2" ] && [ "$id" != "$2" ]; then continue; fi
    case $id in *[!0-9a-f]*) continue;; esac
    if [ ! -d "$o" ] || [ -L "$o" ]; then
      if [ -e "$o" ] || [ -L "$o" ]; then printf 'X %s\\n' "$id"; fi
      continue
    fi
    home=-; work=-
    if [ -d "$o/home" ] && [ ! -L "$o/home" ]; then home=home; fi
    if [ -L "$o/workspace" ]; then
      if [ -d "$o/workspace" ]; then work=link; else work=gone; fi
    elif [ -d "$o/workspace" ]; then work=own; fi
    printf 'O %s %s %s\\n' "$id" "$home" "$work"
    tell_limits "$id"
  done
  for n in "$d"/names/*; do
    name=\${n##*/}
    case $name in *[!A-Za-z0-9._-]*) continue;; esac
    if [ -e "$n" ] || [ -L "$n" ]; then printf 'N %s\\n' "$name"; fi
  done
  find "$d"/names/* -prune -type f -size -2 -exec ${firstLines('if (line ~ /^[0-9a-f]+$/) print "I", part[n], substr(line, 1, 16)')} {} + 2>/dev/null
  find "$d"/objects/\${2:-*}/manifest.json "$d"/objects/\${2:-*}/labels.json -prune -type f -size -2049 \\
    -exec ${firstLines('print "M", part[n - 1], part[n], line')} {} + 2>/dev/null
}
for f in "$HOME"/.sandkeep/roots/*; do
  if [ -f "$f" ] && [ ! -L "$f" ]; then IFS= read -r root <"$f" || continue; else continue; fi
  if [ "$1" = "*" ]; then
    for d in "$root"/*/; do [ -d "$d/objects/$2" ] && look "\${d%/}" "$2"; done
    continue
  fi
  d=$root/$1
  [ -e "$d" ] || [ -L "$d" ] || continue
  if [ ! -r "$d/names/." ] || [ ! -x "$d/objects/." ]; then exit ${String(ANSWER.cannotRead)}; fi
  look "$d" "$2"
done
if [ "$1" != "*" ]; then
  find "$HOME/.sandkeep/dormant/$1"/*.json -prune -type f -size -20 -exec ${firstLines('print "K", line')} {} + 2>/dev/null
fi
echo END
`;

/** `$1` root, `$2` its key, `$3` fleet, `$4` id, `$5` name, `$6` workspace or empty, `$7` manifest, `$8` labels, `$9` most. */
export const CREATE = `${FIND}
umask 077
fail() { delete "$o"; [ "$seed" = 0 ] || delete "$w"; exit "$1"; }
root=$1
case $root in "~") root=$HOME;; "~/"*) root=$HOME/\${root#"~/"};; esac
seed=0; d=$root/$3; o=$d/objects/.new-$4
mkdir -p "$HOME/.sandkeep/roots" "$d/names" "$d/objects" "$d/workspaces" || exit ${String(ANSWER.cannotWrite)}
reg=$HOME/.sandkeep/roots/$2
if [ ! -f "$reg" ]; then printf '%s\\n' "$root" >"$reg.$4" && mv -f "$reg.$4" "$reg" || exit ${String(ANSWER.cannotWrite)}; fi
find "$d"/objects/.new-* "$d"/objects/.trash-* "$d"/workspaces/.trash-* -prune -mtime +0 2>/dev/null | while IFS= read -r old; do delete "$old"; done
free_name "$d/names/$5"
if [ -e "$d/names/$5" ] || [ -L "$d/names/$5" ]; then exit ${String(ANSWER.conflict)}; fi
if [ "$9" -gt 0 ]; then
  count=0; base=\${5%.new}
  for f in "$HOME"/.sandkeep/roots/*; do
    case \${f##*/} in *.*) continue;; esac
    IFS= read -r each <"$f" || continue
    for n in "$each"/*/names/*; do
      [ -f "$n" ] || continue
      # What is being replaced counts once, and not against what replaces it.
      case $n in */"$3/names/$base"|*/"$3/names/$base.old") continue;; *.new|*.old) [ ! -f "\${n%.*}" ] || continue;; esac
      count=$((count + 1))
    done
  done
  if [ "$count" -ge "$9" ]; then exit ${String(ANSWER.full)}; fi
fi
mkdir "$o" "$o/home" "$o/tmp" || fail ${String(ANSWER.cannotWrite)}
printf '%s\\n' "$4" >"$o/id" && printf '%s\\n' "$8" >"$o/labels.json" && printf '%s\\n' "$7" >"$o/manifest.json" || fail ${String(ANSWER.cannotWrite)}
if [ -z "$6" ]; then mkdir "$o/workspace" || fail ${String(ANSWER.cannotWrite)}
else
  w=
  for f in "$HOME"/.sandkeep/roots/*; do
    IFS= read -r each <"$f" || continue
    if [ -d "$each/$3/workspaces/$6/workspace" ] && [ ! -L "$each/$3/workspaces/$6" ]; then w=$each/$3/workspaces/$6; fi
  done
  if [ -n "$w" ]; then [ -e "$w/key" ] || printf '%s\\n' "$6" >"$w/key"
  else
    seed=1; w=$d/workspaces/.seed-$4
    mkdir "$w" "$w/workspace" && printf '%s\\n' "$6" >"$w/key" || fail ${String(ANSWER.cannotWrite)}
  fi
  ln -s "$w/workspace" "$o/workspace" || fail ${String(ANSWER.cannotWrite)}
fi
mv "$o" "$d/objects/$4" || fail ${String(ANSWER.cannotWrite)}
o=$d/objects/$4
ln "$o/id" "$d/names/$5" 2>/dev/null || fail ${String(ANSWER.conflict)}
echo "seed $seed"
echo END
`;

/** `$1` id. Its workspace, seeded to the end, takes its place in one step. */
export const SEAL = `${FIND}
find_object "$1" || exit
[ -L "$o/workspace" ] && cd -P "$o/workspace" || exit 0
w=\${PWD%/workspace}
case \${w##*/} in .seed-*) ;; *) exit 0;; esac
IFS= read -r key <"$w/key" || exit ${String(ANSWER.cannotRead)}
case $key in ''|.*|*/*) exit ${String(ANSWER.cannotRead)};; esac
cd /
place=\${w%/*}/$key
if [ -e "$place" ] || [ -L "$place" ]; then exit ${String(ANSWER.conflict)}; fi
mv "$w" "$place" || exit ${String(ANSWER.cannotWrite)}
rm -f "$o/workspace" && ln -s "$place/workspace" "$o/workspace" || exit ${String(ANSWER.cannotWrite)}
`;

/** `$1` id, `$2` new name. The new name is there before the old one goes. */
export const RENAME = `${FIND}
find_object "$1" || exit
if ! holds "$d/names/$2" "$1"; then
  free_name "$d/names/$2"
  if [ -e "$d/names/$2" ] || [ -L "$d/names/$2" ]; then exit ${String(ANSWER.conflict)}; fi
  ln "$o/id" "$d/names/$2" 2>/dev/null || exit ${String(ANSWER.conflict)}
fi
drop_names "$1" "$2"
`;

/** `$1` id, `$2` keep or delete. */
export const REMOVE = `${FIND}
find_object "$1" || exit 0
${END_SLICE}
fleet=\${d##*/}; w=; t=
if [ -L "$o/workspace" ] && cd -P "$o/workspace" 2>/dev/null; then
  [ "$PWD" = "\${PWD%/workspace}" ] || w=\${PWD%/workspace}
  cd /
fi
# A command can have led the link anywhere: only what we made where we make it is ours to delete.
if [ -n "$w" ] && at_home "$w" "$fleet"; then
  case \${w##*/} in
    .seed-"$1") t=$w;;
    .*) ;;
    *)
      if [ "$2" = delete ] && holds "$w/key" "\${w##*/}" && ! in_use "$w/workspace" "$fleet" "$1"; then
        t=\${w%/*}/.trash-$1
        mv "$w" "$t" || [ ! -d "$w" ] || exit ${String(ANSWER.cannotWrite)}
      fi;;
  esac
fi
drop_names "$1" ""
if ! mv "$o" "$d/objects/.trash-$1" 2>/dev/null && [ -d "$o" ]; then exit ${String(ANSWER.cannotWrite)}; fi
[ -z "$t" ] || delete "$t"
delete "$d/objects/.trash-$1"
`;

/** `$1` id, `$2` manifest, `$3` labels. */
export const UPDATE = `${FIND}
umask 077
find_object "$1" || exit
mkdir -p "$o/home" "$o/tmp"
printf '%s\\n' "$3" >"$o/.labels" && mv -f "$o/.labels" "$o/labels.json" &&
  printf '%s\\n' "$2" >"$o/.manifest" && mv -f "$o/.manifest" "$o/manifest.json" || exit ${String(ANSWER.cannotWrite)}
`;

/** `$1` fleet, `$2` file, `$3` mark or empty. */
export const MARK = `
umask 077
place=$HOME/.sandkeep/dormant/$1
if [ -z "$3" ]; then rm -f "$place/$2"; exit 0; fi
mkdir -p "$place" && printf '%s\\n' "$3" >"$place/.$2" && mv -f "$place/.$2" "$place/$2" || exit ${String(ANSWER.cannotWrite)}
`;

/** `$1` fleet, `$2` what the workspace's name begins with, `$3` its end or `*`. */
export const FORGET = `${FIND}
for f in "$HOME"/.sandkeep/roots/*; do
  IFS= read -r root <"$f" 2>/dev/null || continue
  for w in "$root/$1"/workspaces/"$2"*; do
    if [ ! -d "$w" ] || [ -L "$w" ]; then continue; fi
    if [ "$3" != "*" ] && [ "\${w##*/}" != "$2$3" ]; then continue; fi
    if cd -P "$w/workspace" 2>/dev/null && in_use "$PWD" "$1" ""; then exit ${String(ANSWER.inUse)}; fi
    t=\${w%/*}/.trash-$$
    cd /
    mv "$w" "$t" || [ ! -d "$w" ] || exit ${String(ANSWER.cannotWrite)}
    delete "$t"
  done
done
exit 0
`;

/** `$1` id, `$2` folder of a command below the workspace, or absolute. Says all that a command needs to know. */
export const OPEN = `${FIND}
find_object "$1" || exit
printf 'U %s\\n' "$(id -un 2>/dev/null || id -u)"
printf 'D %s\\n' "$o"
cd -P "$o/workspace" 2>/dev/null && printf 'W %s\\n' "$PWD"
case $2 in /*) [ -d "$2" ] && echo "C yes";; *) [ -d "./$2" ] && echo "C yes";; esac
command -v bwrap >/dev/null 2>&1 && echo "B yes"
find "$o/manifest.json" -prune -type f -size -2049 -exec awk 'FNR == 1 { print "M", $0 }' {} \\;
echo END
`;
