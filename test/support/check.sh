#!/usr/bin/env bash
# `npm test`: every part runs, also after one failed, and the end names each with its result.
set -uo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/node_modules/.bin:$PATH"

results=()
failed=0

part() { # NAME COMMAND...
  local name="$1" started=$SECONDS result=ok
  shift
  printf '\n== %s\n' "$name"
  "$@" </dev/null || result=FAILED
  [ "$result" = ok ] || failed=1
  results+=("$(printf '%-8s %-12s %4d s' "$result" "$name" "$((SECONDS - started))")")
}

# The published formats must be what the generator writes today.
schemas_up_to_date() {
  local before status=0
  before="$(mktemp -d)"
  cp schemas/*.json schemas/*.d.ts "$before/" 2>/dev/null
  if node dist/schemas/generate.js; then
    local after
    after="$(mktemp -d)"
    cp schemas/*.json schemas/*.d.ts "$after/" 2>/dev/null
    if ! diff -r "$before" "$after"; then
      echo "schemas/ was out of date and is regenerated now: review and commit it." >&2
      status=1
    fi
    rm -rf "$after"
  else
    status=1
  fi
  rm -rf "$before"
  return "$status"
}

part build npm run --silent build
part types npm run --silent types
part lint npm run --silent lint
part format npm run --silent format:check
part knip npm run --silent knip
part publint npm run --silent publint
part schemas schemas_up_to_date
part tests vitest run

printf '\n== summary\n'
printf '%s\n' "${results[@]}"
if [ "$failed" -ne 0 ]; then
  echo "npm test: FAILED"
  exit 1
fi
echo "npm test: passed"
