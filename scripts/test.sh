#!/usr/bin/env bash
# Every test. Prepares the peers (real S3 server, Java Paimon, pypaimon, Kafka, PostgreSQL) pinned
# in .cache/; runs what can run; names last what it did not run, and then exits 1.
set -u
cd "$(dirname "$0")/.."
skipped=()
while read -r line; do skipped+=("${line#missing }"); done < <(scripts/need.sh test | grep '^missing ')
peer() { # peer NAME COMMAND...
  local name=$1; shift
  echo "preparing $name"
  "$@" >".cache/peer-$name.log" 2>&1 || { tail -5 ".cache/peer-$name.log" >&2; skipped+=("$name"); }
}
mkdir -p .cache
peer versitygw scripts/tools.sh versitygw
for p in java pypaimon schemathesis kafka openlineage; do peer "$p" scripts/peers.sh "$p"; done
peer console make -s web/console/ui/dist/index.html
[ ${#skipped[@]} -eq 0 ] && export WEIR_REQUIRE_PEERS=1

failed=0
step() { echo "== $1"; shift; local t=$SECONDS; "$@" || failed=1; echo "   $((SECONDS - t)) s"; }
unformatted() { local u; u=$(gofmt -l $(git ls-files '*.go')); [ -z "$u" ] || { echo "not gofmt'ed: $u"; return 1; }; }
lint() { scripts/tools.sh staticcheck && .cache/bin/staticcheck -tags duckdb_arrow ./...; }
console() { (cd web/console/ui && npm run -s check && npm test -s); }
step "format" unformatted
step "console: types and unit tests" console
step "vet" go vet -tags duckdb_arrow ./...
step "staticcheck" lint
step "table and storage without cgo" env CGO_ENABLED=0 go build ./storage/... ./table/...
# Two lanes, as the tests of the program start processes and wait for them: they take as long as all others together.
# The race detector runs the short form: the same code paths, fewer rounds of them. Nothing is left out.
others=$(go list -tags duckdb_arrow ./... | grep -v '/weir/cmd/')
lane() { # lane NAME PACKAGES...
  local name=$1; shift
  step "tests of $name" go test -tags duckdb_arrow -p 1 -timeout 40m "$@"
  step "race detector on $name" go test -tags duckdb_arrow -race -short -p 1 -timeout 40m "$@"
}
(lane "the program" ./cmd/...; exit $failed) >.cache/test-program.log 2>&1 &
program=$!
# shellcheck disable=SC2086 # a list of packages
lane "the packages" $others
step "fuzz" scripts/fuzz.sh 3
wait $program || failed=1
cat .cache/test-program.log
if [ ${#skipped[@]} -gt 0 ]; then
  printf 'not run, because it could not be prepared: %s\n' "${skipped[@]}"
  exit 1
fi
exit $failed
