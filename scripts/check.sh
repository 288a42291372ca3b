#!/usr/bin/env bash
# The inner loop: formatting, vet, staticcheck, the import rules and the short tests of every package.
set -eu
unformatted=$(gofmt -l $(git ls-files '*.go'))
[ -z "$unformatted" ] || { echo "error: not gofmt'ed: $unformatted: run make fmt" >&2; exit 1; }
go vet -tags duckdb_arrow ./...
scripts/tools.sh staticcheck
.cache/bin/staticcheck -tags duckdb_arrow ./... # what is on and why: staticcheck.conf
CGO_ENABLED=0 go build ./storage/... ./table/...
go test -tags duckdb_arrow -short ./...
