package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/catalog"
)

// completionTablesMax bounds the tables whose columns are told; an editor is of no help with more.
const completionTablesMax = 2000

// Completion is what an editor offers.
type Completion struct {
	Databases  []string             `json:"databases" nullable:"false"`
	Tables     []CompletionTable    `json:"tables" nullable:"false"`
	Functions  []CompletionFunction `json:"functions" nullable:"false"`
	Keywords   []string             `json:"keywords" nullable:"false"`
	Variables  []CompletionVariable `json:"variables" nullable:"false" doc:"that SET knows"`
	Procedures []string             `json:"procedures" nullable:"false" doc:"for CALL sys.NAME(..)"`
	// Truncated says that there are more tables.
	Truncated bool `json:"truncated,omitempty"`
}

// CompletionTable is a table or view with its columns.
type CompletionTable struct {
	Database string   `json:"database"`
	Name     string   `json:"name"`
	Columns  []Column `json:"columns" nullable:"false"`
}

// CompletionFunction is a function.
type CompletionFunction struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind" enum:"scalar,aggregate,table"`
	Signature string   `json:"signature" doc:"in the notation of the documentation of functions"`
	Summary   string   `json:"summary"`
	Aliases   []string `json:"aliases,omitempty"`
}

// CompletionVariable is a variable of a session.
type CompletionVariable struct {
	Name    string `json:"name"`
	Summary string `json:"summary"`
}

// tableFunctions stand in FROM; the grammar knows them, not the table of functions.
var tableFunctions = []CompletionFunction{
	{Name: "CUMULATE", Kind: "table", Signature: "TABLE(CUMULATE(TABLE t, DESCRIPTOR(time), INTERVAL step, INTERVAL size))", Summary: "windows that grow by a step up to a size"},
	{Name: "HOP", Kind: "table", Signature: "TABLE(HOP(TABLE t, DESCRIPTOR(time), INTERVAL slide, INTERVAL size))", Summary: "windows of a size that begin every so often"},
	{Name: "SESSION", Kind: "table", Signature: "TABLE(SESSION(TABLE t PARTITION BY key, DESCRIPTOR(time), INTERVAL gap))", Summary: "windows that end when nothing comes for a while"},
	{Name: "TUMBLE", Kind: "table", Signature: "TABLE(TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL size))", Summary: "windows of a size, one after the other"},
	{Name: "UNNEST", Kind: "table", Signature: "UNNEST(COLLECTION) [WITH ORDINALITY]", Summary: "the values of an array, map or multiset as rows"},
}

var sessionVariables = []CompletionVariable{
	{session.VarRuntimeMode, "auto, batch or streaming: whether statements keep going"},
	{session.VarPipelineName, "name of the next job"},
	{session.VarZone, "time zone of the session, such as Europe/Berlin; default UTC"},
	{session.VarConsistency, "cut: all tables at one epoch; latest: each at its newest"},
	{session.VarEpochRows, "end an epoch after so many source rows"},
}

type completionOutput struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         Completion
}

func (a *API) completionRoutes(h huma.API) {
	op := a.op(h, http.MethodGet, "/v1/catalog/completion", "complete", "What an editor of SQL can offer")
	op.Description = "With If-None-Match the answer is 304 while nothing has changed."
	op.Responses["304"] = &huma.Response{Description: "Nothing has changed."}
	huma.Register(h, op, func(ctx context.Context, in *struct {
		Match string `header:"If-None-Match"`
	},
	) (*completionOutput, error) {
		c, err := a.completion(ctx)
		if err != nil {
			return nil, problem(err)
		}
		data, err := json.Marshal(c)
		if err != nil {
			return nil, problem(fmt.Errorf("encode completion: %w", err))
		}
		sum := sha256.Sum256(data)
		tag := `"` + hex.EncodeToString(sum[:8]) + `"`
		if slices.Contains(strings.Split(strings.ReplaceAll(in.Match, " ", ""), ","), tag) {
			return nil, huma.ErrorWithHeaders(huma.Status304NotModified(), http.Header{"ETag": {tag}})
		}
		return &completionOutput{tag, "no-cache", c}, nil
	})
}

func (a *API) completion(ctx context.Context) (Completion, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errTimeout)
	defer cancel()
	out := Completion{Tables: []CompletionTable{}, Functions: functions(), Keywords: sql.Keywords(), Variables: sessionVariables, Procedures: []string{}}
	for name := range a.opts.Services.Procedures {
		out.Procedures = append(out.Procedures, name)
	}
	slices.Sort(out.Procedures)
	var err error
	if out.Databases, err = a.opts.Services.Catalog.Databases(ctx); err != nil {
		return out, err
	}
	if !slices.Contains(out.Databases, catalog.SystemDatabase) {
		out.Databases = append(out.Databases, catalog.SystemDatabase)
	}
	s := a.fresh(ctx)
	for _, db := range out.Databases {
		names, err := s.Relations(ctx, db)
		if err != nil {
			return out, err
		}
		for _, n := range names {
			if out.Truncated = len(out.Tables) == completionTablesMax; out.Truncated {
				return out, nil
			}
			t := CompletionTable{Database: db, Name: n, Columns: []Column{}}
			cols, err := s.Columns(ctx, db, n)
			if errkind.Is(err, errkind.NotFound) {
				continue // dropped meanwhile
			}
			// A table or view that is broken keeps its name: the statement will say what is wrong.
			for _, c := range cols {
				t.Columns = append(t.Columns, Column{c.Name, c.Type.WithNotNull(false).String()})
			}
			out.Tables = append(out.Tables, t)
		}
	}
	return out, nil
}

// operators are called by signs and words between their arguments, not by name.
var operators = []string{"AND", "CASE", "IN", "IS_DISTINCT_FROM", "IS_FALSE", "IS_NOT_DISTINCT_FROM", "IS_NOT_FALSE", "IS_NOT_NULL", "IS_NOT_TRUE",
	"IS_NULL", "IS_TRUE", "ITEM", "LIKE", "NEG", "NOT", "OR", "OVERLAPS", "SIMILAR_TO", "SINGLE_VALUE", "SUM0"}

func functions() []CompletionFunction {
	var out []CompletionFunction
	for _, n := range expr.Functions() {
		if slices.Contains(operators, n) {
			continue
		}
		f := CompletionFunction{Name: n, Kind: "scalar", Signature: expr.Signatures(n), Summary: expr.Summary(n)}
		for _, alias := range expr.Aliases(n) {
			if unicode.IsLetter(rune(alias[0])) {
				f.Aliases = append(f.Aliases, alias)
			}
		}
		out = append(out, f)
	}
	for _, n := range expr.Aggregates() {
		if !slices.Contains(operators, n) {
			out = append(out, CompletionFunction{Name: n, Kind: "aggregate", Signature: expr.AggregateForm(n), Summary: expr.Summary(n)})
		}
	}
	return append(out, tableFunctions...)
}
