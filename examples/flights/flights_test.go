package flights_test

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/weir-lake/weir/compute/bind"
	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/filesystem"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/examples/flights"
)

// catalog is a session's catalog in memory.
type catalog map[string]*bind.Relation

func (c catalog) Relation(_ context.Context, _, name string) (*bind.Relation, error) {
	return c[name], nil
}

func (c catalog) Relations(context.Context, string) ([]string, error) {
	var names []string
	for n := range c {
		names = append(names, n)
	}
	return names, nil
}

// run binds a script statement by statement and returns the inserts by table.
func (c catalog) run(t *testing.T, name string, sinks map[string]*plan.Sink) {
	t.Helper()
	text, err := flights.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := sql.Split(string(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, p := range parts {
		st, err := p.Parse()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := c.bind(t.Context(), p, st, sinks); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

func (c catalog) bind(ctx context.Context, p sql.Fragment, st sql.Statement, sinks map[string]*plan.Sink) error {
	switch s := st.(type) {
	case *sql.CreateTable:
		tb, err := bind.Table(ctx, p.Script, s, nil, bind.Options{})
		if err != nil {
			return err
		}
		c[tb.Name] = &bind.Relation{Table: tb}
		if tb.Connector() == "filesystem" {
			return filesystem.Factory().Validate(tb)
		}
	case *sql.CreateView:
		if _, err := bind.Query(ctx, c, p.Script, s.As, bind.Options{}); err != nil {
			return err
		}
		c[s.Name.Last()] = &bind.Relation{View: &bind.View{Database: "default", Text: sql.FormatQuery(s.As)}}
	case *sql.CreateMaterializedTable:
		tb, sink, err := bind.MaterializedTable(ctx, c, p.Script, s, bind.Options{})
		if err != nil {
			return err
		}
		c[tb.Name] = &bind.Relation{Table: tb}
		sinks[tb.Name] = sink
	case *sql.Insert:
		sink, err := bind.Insert(ctx, c, p.Script, s, bind.Options{})
		if err != nil {
			return err
		}
		sinks[sink.Table.Name] = sink
	}
	return nil
}

func bound(t *testing.T) (catalog, map[string]*plan.Sink) {
	t.Helper()
	c, sinks := catalog{}, map[string]*plan.Sink{}
	for _, name := range flights.Scripts() {
		c.run(t, name, sinks)
	}
	return c, sinks
}

// Every statement parses and binds in order, and the five queries run as streams.
func TestScriptsBindAndStream(t *testing.T) {
	_, sinks := bound(t)
	for _, name := range flights.Tables() {
		sink := sinks[name]
		if sink == nil {
			t.Errorf("no statement fills %s", name)
			continue
		}
		if _, err := stream.Compile(plan.Optimize(sink.Input), stream.Options{}); err != nil {
			t.Errorf("%s does not run as a stream: %v", name, err)
		}
		if _, err := fs.Stat(flights.Files, "reference/"+name+".sql"); err != nil {
			t.Errorf("no reference for %s: %v", name, err)
		}
	}
	replay := sinks["flight_events"].Input
	if _, err := bind.Sink(sinks["flight_events"].Table, replay); err != nil {
		t.Error(err)
	}
}

// The statement of the backfill binds over the tables of the streams, and its table is there for it.
func TestSummaryBinds(t *testing.T) {
	c, _ := bound(t)
	text, err := flights.Files.ReadFile(flights.Summary)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := sql.Split(string(text))
	if err != nil || len(parts) != 2 {
		t.Fatalf("%d statements, %v", len(parts), err)
	}
	table, err := parts[0].Parse()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.bind(t.Context(), parts[0], table, nil); err != nil {
		t.Fatal(err)
	}
	call, err := parts[1].Parse()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range call.(*sql.CallProcedure).Args {
		if a.Name.Text != "sql" {
			continue
		}
		text := a.Value.(*sql.Literal).Text
		for _, name := range []string{"${start}", "${end}"} {
			if text = strings.Replace(text, name, "TIMESTAMP '2013-01-02 03:00:00'", 1); strings.Contains(text, name) {
				t.Errorf("%s stands twice", name)
			}
		}
		ins, err := sql.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bind.Insert(t.Context(), c, text, ins.(*sql.Insert), bind.Options{}); err != nil {
			t.Error(err)
		}
		return
	}
	t.Error("the backfill has no statement")
}

// The files hold what the scripts declare: every row can be read, and none is bad.
func TestDataFilesFitTheirTables(t *testing.T) {
	c, _ := bound(t)
	t.Chdir("../..") // the scripts name the files from the project's root
	for name, want := range map[string]int64{"flights_file": 336776, "airports_file": 1458, "airlines_file": 16, "planes_file": 3322, "weather_file": 26115} {
		tb := c[name].Table
		if !strings.HasPrefix(tb.Options["path"], flights.DataDir+"/") {
			t.Errorf("%s reads %s, not below %s", name, tb.Options["path"], flights.DataDir)
		}
		src, err := filesystem.Factory().OpenSource(t.Context(), connector.Context{Table: tb, Options: tb.Options, Bounded: true})
		if err != nil {
			t.Fatal(err)
		}
		to, end, err := src.Poll(t.Context(), nil, 1<<30)
		if err != nil || !end {
			t.Fatalf("%s: %v %v", name, end, err)
		}
		rows := int64(0)
		err = src.Read(t.Context(), nil, to, func(c connector.Chunk) error {
			rows += c.Rows.NumRows() - int64(len(c.Dead))*1e9
			return nil
		})
		if err != nil || rows != want {
			t.Errorf("%s: %d rows, %v; want %d", name, rows, err, want)
		}
	}
}

// The embedded copy is the one on disk, so that the quickstart and the reference read the same.
func TestEmbeddedDataIsWhole(t *testing.T) {
	names, err := fs.Glob(flights.Files, "data/*.parquet")
	if err != nil || len(names) != 5 {
		t.Fatalf("embedded: %v %v", names, err)
	}
	for _, n := range names {
		a, err := flights.Files.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(n); err != nil || string(a) != string(b) {
			t.Errorf("%s: embedded %d bytes, on disk %d, %v", n, len(a), len(b), err)
		}
	}
}
