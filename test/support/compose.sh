#!/usr/bin/env bash
# Prints the path of a Docker Compose v2 for `npm run bench`, the reference it is measured beside: the machine's own, or
# Debian's newer package, unpacked (it is one self-contained binary) into a cache. Nothing of the system is changed: apt
# works with sources, lists and archives of its own.
set -euo pipefail

readonly SUITE=trixie
readonly PLUGIN=usr/libexec/docker/cli-plugins/docker-compose
readonly CACHE="${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/sandkeep-bench/compose-$SUITE"
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

is_v2() { "$1" version 2>/dev/null | grep -q 'version v\?[2-9]'; }

for found in "/$PLUGIN" /usr/lib/docker/cli-plugins/docker-compose "$HOME/.docker/cli-plugins/docker-compose" "$CACHE/$PLUGIN"; do
  if [ -x "$found" ] && is_v2 "$found"; then
    printf '%s\n' "$found"
    exit 0
  fi
done

command -v apt-get >/dev/null || { echo "compose: no apt-get here: install Docker Compose v2 yourself" >&2; exit 1; }
mkdir -p "$CACHE"
exec 9>"$CACHE/lock"
flock -w 600 9 || { echo "compose: another download does not end" >&2; exit 1; }

# The mirror this machine already uses.
mirror="$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -v '^#' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' ' || true)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{state/lists/partial,cache/archives/partial,deb}
: >"$work/status"
printf 'deb [signed-by=%s] %s %s main\n' "$KEYRING" "${mirror:-http://deb.debian.org/debian}" "$SUITE" >"$work/sources.list"
apt_get() {
  apt-get -q -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State="$work/state" -o Dir::State::Status="$work/status" -o Dir::Cache="$work/cache" \
    -o Acquire::Retries=3 -o APT::Sandbox::User= -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false "$@" </dev/null >&2 9>&-
}
apt_get update
(cd "$work/deb" && apt_get download docker-compose)
dpkg-deb -x "$work"/deb/docker-compose_*.deb "$CACHE"
is_v2 "$CACHE/$PLUGIN" || { echo "compose: what was unpacked does not run" >&2; exit 1; }
printf '%s\n' "$CACHE/$PLUGIN"
