#!/usr/bin/env bash
# Runs each fuzz target (each decoder of bytes that others write has one) for a while, starting from its corpus.
# Usage: scripts/fuzz.sh [SECONDS [PATTERN]]    seconds of each target, 4 by default; only targets that match
# What fails is kept in testdata/fuzz of its package: commit it with the repair.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-4} pattern=${2:-.}
work=$PWD/.cache/fuzz
mkdir -p "$work/corpus" "$work/log"
tags=duckdb_arrow

targets=$(git grep -hEo --untracked '^func Fuzz[A-Za-z0-9_]+\(' -- '*_test.go' | wc -l)
list=$work/targets
: > "$list"
for dir in $(git grep -lE --untracked '^func Fuzz[A-Za-z0-9_]+\(' -- '*_test.go' | xargs -n1 dirname | sort -u); do
  names=$(grep -hEo '^func Fuzz[A-Za-z0-9_]+\(' "$dir"/*_test.go | sed 's/^func //; s/($//')
  matching=$(for n in $names; do echo "$dir $n"; done | grep -E -- "$pattern" || true)
  [ -n "$matching" ] || continue
  # One binary a package, watched by the fuzzer: -fuzz makes go test link it for each target anew.
  go test -tags $tags -c -fuzz=. -o "$work/${dir//\//-}.test" "./$dir"
  echo "$matching" >> "$list"
done
found=$(wc -l < "$list")
[ "$pattern" != . ] || [ "$found" = "$targets" ] || { echo "error: fuzz.sh: $found of $targets targets were found" >&2; exit 1; }

one() { # one DIR NAME
  local log=$work/log/${1//\//-}-$2
  (cd "$1" && "$work/${1//\//-}.test" -test.run '^$' -test.fuzz "^$2\$" -test.fuzztime "${seconds}s" -test.parallel 1 \
    -test.fuzzcachedir "$work/corpus/$1" -test.timeout 1h) > "$log" 2>&1 && return
  # The fuzzer's own end of time, met in the middle of an input, is no finding.
  grep -q '^ *context deadline exceeded$' "$log" && ! grep -qE 'Failing input written|panic:' "$log" && return
  { echo "--- FAIL: $2 in $1"; tail -40 "$log"; } >&2
  return 1
}
export -f one
export work seconds
xargs -P "$(nproc)" -L 1 bash -c 'one "$@"' _ < "$list" || exit 1
echo "$found targets, $seconds s each"
