package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // plain DuckDB, for the reference alone

	"github.com/weir-lake/weir/compute/session"
	weirsql "github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/examples/flights"
)

// reference computes the demo's tables in plain DuckDB from the Parquet files at cuts of event time.
type reference struct {
	db       *sql.DB
	data     string
	prepared bool
}

func openReference(t *testing.T, data string) *reference {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1) // variables and temporary tables belong to a connection
	return &reference{db: db, data: data}
}

// at sets the cut. The first time it reads the files.
func (r *reference) at(t *testing.T, until string) {
	t.Helper()
	script := []string{fmt.Sprintf("SET VARIABLE until = TIMESTAMP '%s'", until)}
	if !r.prepared {
		text, err := fs.ReadFile(flights.Files, "reference/prepare.sql")
		if err != nil {
			t.Fatal(err)
		}
		script = append(script, "SET TimeZone = 'UTC'", fmt.Sprintf("SET VARIABLE data = '%s'", r.data), string(text))
		r.prepared = true
	}
	for _, s := range script {
		if _, err := r.db.Exec(s); err != nil {
			t.Fatalf("%v\n%s", err, s)
		}
	}
}

// rows are a table's rows as text, sorted, each column by the same text as weir's.
func (r *reference) rows(t *testing.T, table string) []string {
	t.Helper()
	text, err := fs.ReadFile(flights.Files, "reference/"+table+".sql")
	if err != nil {
		t.Fatal(err)
	}
	return r.query(t, string(text))
}

// query gives the rows of a query as rows does.
func (r *reference) query(t *testing.T, text string) []string {
	t.Helper()
	rows, err := r.db.Query(text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		cells := make([]any, len(cols))
		for i := range cells {
			cells[i] = new(any)
		}
		if err := rows.Scan(cells...); err != nil {
			t.Fatal(err)
		}
		parts := make([]string, len(cols))
		for i, c := range cells {
			parts[i] = cols[i] + "=" + plainText(*c.(*any))
		}
		out = append(out, strings.Join(parts, " "))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// plainText writes a value with times to the millisecond and floats to nine digits, the one tolerance there is.
func plainText(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05.000")
	case float64:
		return fmt.Sprintf("%.9g", v)
	default:
		return fmt.Sprint(v)
	}
}

// weirRows are the same of a table of the warehouse, through a query at the cut.
func weirRows(t *testing.T, e *engine, table string) []string {
	t.Helper()
	text := "SELECT * FROM " + table
	st, err := weirsql.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	res, err := session.New(e.svc, session.Options{}).Execute(t.Context(), text, st, session.Params{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	script := &localScript{out: newPrinter(&b, "jsonl")}
	cols := res.Rows.Columns()
	if err := script.rows(t.Context(), res.Rows); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		if line == "" {
			continue
		}
		out = append(out, jsonText(t, line, cols))
	}
	slices.Sort(out)
	return out
}

// sameRows compares two sorted lists and shows the first differences.
func sameRows(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	t.Errorf("%s: %d rows, want %d", what, len(got), len(want))
	shown := 0
	for i, j := 0, 0; (i < len(got) || j < len(want)) && shown < 6; {
		switch {
		case j == len(want) || i < len(got) && got[i] < want[j]:
			t.Errorf("  unexpected %s", got[i])
			i, shown = i+1, shown+1
		case i == len(got) || got[i] > want[j]:
			t.Errorf("  missing    %s", want[j])
			j, shown = j+1, shown+1
		default:
			i, j = i+1, j+1
		}
	}
}

// compare holds every table of the demo against the reference at the cut.
func (r *reference) compare(t *testing.T, e *engine, until string) {
	t.Helper()
	r.at(t, until)
	for _, table := range flights.Tables() {
		sameRows(t, fmt.Sprintf("%s until %s", table, until), weirRows(t, e, table), r.rows(t, table))
	}
	if e.back.Started() {
		caughtUp(t, e, 2*time.Minute)
		sameRows(t, flights.Backfill+" until "+until, weirRows(t, e, flights.Backfill), r.rows(t, flights.Backfill))
	}
}

// The replay of the whole year, stopped at cuts spread over it, holds at each of them what plain DuckDB computes
// from the files.
func TestReplayEqualsDuckDBAtEveryCut(t *testing.T) {
	warehouse, data := t.TempDir(), t.TempDir()
	ref := openReference(t, filepath.ToSlash(filepath.Join(data, "flights")))
	cuts, days, end := 20, 363, yearEnd
	if testing.Short() {
		cuts, days, end = 2, 18, "2013-01-22 00:00:00"
	}
	start := time.Date(2013, 1, 3, 7, 13, 0, 0, time.UTC)
	step := time.Duration(days) * 24 * time.Hour / time.Duration(cuts)
	e := testEngine(t, warehouse)
	if err := e.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.back.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range cuts + 1 {
		until := start.Add(time.Duration(i) * step).Format("2006-01-02 15:04:05")
		if i == cuts {
			until = end
		}
		d := &demo{engine: e, data: data, speed: "max", until: until}
		if err := d.setPace(t.Context()); err != nil {
			t.Fatal(err)
		}
		// The finished replay goes on: there is more of it now.
		if err := d.run(t.Context(), func(string, ...any) {}); err != nil {
			t.Fatal(err)
		}
		settle(t, e, 5*time.Minute)
		ref.compare(t, e, until)
		if t.Failed() {
			return
		}
	}
	ticks, snapshots := e.ranTicks(t)
	t.Logf("the backfill ran %d ticks in %d snapshots", ticks, snapshots)
	if ticks < days-3 || ticks > days+3 {
		t.Errorf("%d ticks were run in %d days", ticks, days)
	}
}
