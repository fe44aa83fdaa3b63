#!/usr/bin/env bash
# Unpacks Docker's client for BuildKit workers to DIR: no package of Debian 12 has one that is new enough, and that of the
# next release runs by itself. Nothing is installed, and what apt knows of this machine stays as it is. Idempotent.
set -euo pipefail

readonly DIR=/usr/local/lib/sandkeep-test/buildx
readonly PROGRAM="$DIR/docker-buildx"
readonly LEAST=0.13
readonly SUITES=(trixie sid)

say() { printf 'provision: %s\n' "$*" >&2; }

is_new_enough() { # PROGRAM
  local found
  found="$("$1" version 2>/dev/null | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)"
  [ -n "$found" ] && dpkg --compare-versions "$found" ge "$LEAST"
}

is_there() { [ -x "$PROGRAM" ] && is_new_enough "$PROGRAM"; }

# Where this machine's own packages come from.
mirror() {
  local found
  found="$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -E '/debian/?$' | head -n 1 || true)"
  printf '%s\n' "${found:-http://deb.debian.org/debian}"
}

work=""
trap '[ -z "$work" ] || rm -rf "$work"' EXIT

unpack() { # SUITE
  work="$(mktemp -d)"
  local own=(-o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root
    -o Acquire::Languages=none -o Acquire::Retries=3)
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/deb" "$DIR"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$(mirror)" "$1" >"$work/sources.list"
  local program="$work/files/usr/libexec/docker/cli-plugins/docker-buildx"
  # By a rename in the end: a test of another run may be using what is there.
  apt-get "${own[@]}" update -q </dev/null >&2 &&
    (cd "$work/deb" && apt-get "${own[@]}" download -q docker-buildx </dev/null >&2) &&
    dpkg -x "$work"/deb/docker-buildx_*.deb "$work/files" &&
    is_new_enough "$program" &&
    cp "$program" "$PROGRAM.new" && mv "$PROGRAM.new" "$PROGRAM"
}

is_there && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  say "no docker-buildx: put one of at least $LEAST into $DIR yourself."
  exit 0
fi
exec 9>/tmp/sandkeep-provision-buildx.lock
if command -v flock >/dev/null; then
  flock -w 600 9 || exit 0
  is_there && exit 0
fi
for suite in "${SUITES[@]}"; do
  say "unpacking docker-buildx of $suite"
  if unpack "$suite"; then exit 0; fi
  rm -rf "$work"
done
say "docker-buildx cannot be had: the tests of BuildKit workers are skipped, with the reason; in CI they fail."
