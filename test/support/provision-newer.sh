#!/usr/bin/env bash
# Unpacks what no package of Debian 12 has new enough, and what of the next release runs by itself: Docker's client for
# BuildKit workers, and a Docker Engine beside the machine's own. Nothing is installed, and what apt knows of this machine
# stays as it is. Idempotent.
set -euo pipefail

readonly ROOT=/usr/local/lib/sandkeep-test
readonly SUITES=(trixie sid)

# folder and program below ROOT | Debian package | path in it | words that make it tell its version | least version
readonly PROGRAMS=(
  "buildx/docker-buildx|docker-buildx|usr/libexec/docker/cli-plugins/docker-buildx|version|0.13"
  "engine/dockerd|docker.io|usr/sbin/dockerd|--version|26.0"
)

say() { printf 'provision: %s\n' "$*" >&2; }

is_new_enough() { # PROGRAM WORDS LEAST
  local found
  found="$("$1" "$2" 2>/dev/null | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)"
  [ -n "$found" ] && dpkg --compare-versions "$found" ge "$3"
}

missing() {
  local each target package path words least
  for each in "${PROGRAMS[@]}"; do
    IFS='|' read -r target package path words least <<<"$each"
    { [ -x "$ROOT/$target" ] && is_new_enough "$ROOT/$target" "$words" "$least"; } || printf '%s\n' "$each"
  done
}

# Where this machine's own packages come from.
mirror() {
  local found
  found="$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -E '/debian/?$' | head -n 1 || true)"
  printf '%s\n' "${found:-http://deb.debian.org/debian}"
}

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

read_suite() { # SUITE
  own=(-o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root
    -o Acquire::Languages=none -o Acquire::Retries=3)
  rm -rf "${work:?}"/*
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/deb"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$(mirror)" "$1" >"$work/sources.list"
  apt-get "${own[@]}" update -q </dev/null >&2
}

unpack() { # PROGRAM, as above
  local target package path words least
  IFS='|' read -r target package path words least <<<"$1"
  mkdir -p "$ROOT/${target%/*}"
  # By a rename in the end: a test of another run may be using what is there.
  (cd "$work/deb" && apt-get "${own[@]}" download -q "$package" </dev/null >&2) &&
    dpkg -x "$work/deb/${package}"_*.deb "$work/$package" &&
    is_new_enough "$work/$package/$path" "$words" "$least" &&
    cp "$work/$package/$path" "$ROOT/$target.new" && mv "$ROOT/$target.new" "$ROOT/$target"
}

[ -n "$(missing)" ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  say "put into $ROOT yourself what is missing: $(missing | cut -d'|' -f1 | tr '\n' ' ')"
  exit 0
fi
exec 9>/tmp/sandkeep-provision-newer.lock
if command -v flock >/dev/null; then
  flock -w 600 9 || exit 0
fi
own=()
for suite in "${SUITES[@]}"; do
  mapfile -t left < <(missing)
  [ "${#left[@]}" -gt 0 ] || exit 0
  say "unpacking of $suite: $(printf '%s\n' "${left[@]}" | cut -d'|' -f2 | tr '\n' ' ')"
  read_suite "$suite" || continue
  for each in "${left[@]}"; do
    unpack "$each" || say "not to be had of $suite: $(cut -d'|' -f2 <<<"$each")"
  done
done
[ -z "$(missing)" ] || say "the tests that need $(missing | cut -d'|' -f1 | tr '\n' ' ')are skipped, with the reason; in CI they fail."
