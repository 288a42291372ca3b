# weir: `make run` runs the demo, `make test` passes every test, `make check` is the inner loop.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
GO := go
export GOFLAGS := -buildvcs=false
TAGS := -tags duckdb_arrow
CACHE := .cache
BIN := $(CACHE)/bin/weir
GO_FILES := $(shell find cmd storage table compute olap lineage web internal examples -name '*.go' -not -name '*_test.go' 2>/dev/null)

.PHONY: run build check test bench fmt clean

run: build
	@exec $(BIN) quickstart --warehouse $(CACHE)/quickstart $(ARGS)

build: $(BIN)

$(CACHE)/need-run: scripts/need.sh
	@scripts/need.sh run
	@mkdir -p $(CACHE) && touch $@

$(BIN): $(CACHE)/need-run go.mod go.sum $(GO_FILES) $(shell find web examples -type f -not -name '*.go' 2>/dev/null)
	@echo "building weir (the first build compiles and links DuckDB: a few minutes)"
	@mkdir -p $(CACHE)/bin && $(GO) build $(TAGS) -o $@ ./cmd/weir

check: $(CACHE)/need-run
	@scripts/check.sh

test: $(CACHE)/need-run
	@scripts/test.sh

bench: build
	@$(GO) run $(TAGS) ./bench $(ARGS)

fmt:
	@gofmt -w $$(git ls-files '*.go')

clean:
	rm -rf $(CACHE)
