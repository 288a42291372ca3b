# weir: `make run` runs the demo, `make test` passes every test, `make check` is the inner loop.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
GO := go
export GOFLAGS := -buildvcs=false
TAGS := -tags duckdb_arrow
CACHE := .cache
BIN := $(CACHE)/bin/weir
UI := web/console/ui
UI_FILES := $(shell find $(UI) -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -name '*.gen.ts' 2>/dev/null)
GO_FILES := $(shell find cmd storage table compute olap lineage web internal examples -name '*.go' -not -name '*_test.go' 2>/dev/null)

.DELETE_ON_ERROR:
.PHONY: run build check test soak fuzz bench fmt clean

run: build
	@exec $(BIN) quickstart --warehouse $(CACHE)/quickstart $(ARGS)

build: $(BIN)

$(CACHE)/need-run: scripts/need.sh
	@scripts/need.sh run
	@mkdir -p $(CACHE) && touch $@

$(UI)/node_modules/.package-lock.json: $(CACHE)/need-run $(UI)/package-lock.json
	@echo "fetching the console's libraries"
	@cd $(UI) && npm ci --cache $(CURDIR)/$(CACHE)/npm --loglevel error && touch $(CURDIR)/$@

$(UI)/dist/index.html: $(UI)/node_modules/.package-lock.json web/api/openapi.json $(UI_FILES)
	@echo "building the console"
	@cd $(UI) && npm run --silent build >$(CURDIR)/$(CACHE)/console.log 2>&1 || { cat $(CURDIR)/$(CACHE)/console.log >&2; exit 1; }

$(BIN): $(CACHE)/need-run go.mod go.sum $(GO_FILES) $(UI)/dist/index.html $(shell find web examples -path $(UI) -prune -o -type f -not -name '*.go' -print 2>/dev/null)
	@echo "building weir (the first build compiles and links DuckDB: a few minutes)"
	@mkdir -p $(CACHE)/bin && $(GO) build $(TAGS) -o $@ ./cmd/weir

check: $(CACHE)/need-run
	@scripts/check.sh

test: $(CACHE)/need-run
	@scripts/test.sh

# The long runs; scripts/soak.sh says what may be set.
soak: $(CACHE)/need-run
	@scripts/soak.sh

# make fuzz S=60 T=table/schema: so many seconds each target whose folder and name match.
fuzz: $(CACHE)/need-run
	@scripts/fuzz.sh $(or $(S),4) $(or $(T),.)

bench: build
	@$(GO) run $(TAGS) ./bench $(ARGS)

fmt:
	@gofmt -w $$(git ls-files '*.go')

clean:
	rm -rf $(CACHE)
