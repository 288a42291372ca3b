//go:build duckdb_arrow && cgo

package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	ddb "github.com/duckdb/duckdb-go-bindings"

	"github.com/weir-lake/weir/compute/duck/internal/wire"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

func TestErrorsOfDuckDB(t *testing.T) {
	for _, c := range []struct {
		kind ddb.ErrorType
		msg  string
		want string
		as   errkind.Kind
	}{
		{ddb.ErrorTypeConversion, "Conversion Error: Could not convert string 'x' to INT64\n\nLINE 1: SELECT CAST(\n   ^", "DuckDB: Could not convert string 'x' to INT64", errkind.Invalid},
		{ddb.ErrorTypeOutOfMemory, "Out of Memory Error: failed to allocate data\n\nPossible solutions:\n* pray", "DuckDB: out of memory: failed to allocate data; ask for less or give query workers more memory", errkind.Exhausted},
		{ddb.ErrorTypeErrorIO, "IO Error: No files found", "DuckDB: No files found", errkind.Corrupt},
		{ddb.ErrorTypeInterrupt, "INTERRUPT Error: Interrupted!", "DuckDB: Interrupted!", errkind.Canceled},
		{ddb.ErrorTypeInternal, "something else", "DuckDB: something else", errkind.Bug},
		{ddb.ErrorTypeInvalidInput, "a very long sentence that ends in Error: kept", "DuckDB: a very long sentence that ends in Error: kept", errkind.Invalid},
	} {
		if err := errorOf(c.kind, c.msg); err.Error() != c.want || errkind.Of(err) != c.as {
			t.Errorf("%q became %s %q", c.msg, errkind.Of(err), err)
		}
	}
	if err := prepareError("Out of Range Error: x"); errkind.Of(err) != errkind.Invalid {
		t.Errorf("got %s", errkind.Of(err))
	}
	if err := prepareError("Binder Error: x"); errkind.Of(err) != errkind.Bug {
		t.Errorf("got %s", errkind.Of(err))
	}
}

func TestErrorThatNamesAFileIsCorrupt(t *testing.T) {
	q := &query{req: wire.RequestMsg{Paths: []string{"/w/a.parquet"}}}
	if err := q.cause(errkind.New(errkind.Invalid, "DuckDB: no magic bytes in '/w/a.parquet'")); errkind.Of(err) != errkind.Corrupt {
		t.Errorf("got %s", errkind.Of(err))
	}
	if err := q.cause(errkind.New(errkind.Invalid, "DuckDB: no number: 'x'")); errkind.Of(err) != errkind.Invalid {
		t.Errorf("got %s", errkind.Of(err))
	}
	q.fail(io.ErrUnexpectedEOF)
	q.fail(io.EOF)
	if err := q.cause(errkind.New(errkind.Invalid, "what DuckDB made of it")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

func TestSharedPaths(t *testing.T) {
	s := &server{setup: wire.SetupMsg{Dirs: []string{"/warehouse/", "/cache"}}}
	for path, want := range map[string]bool{"/warehouse/a": true, "/cache/x/y": true, "/cache": false, "/cachet/x": false, "/other": false} {
		if got := s.shares([]string{path}); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
	if !s.shares(nil) || s.shares([]string{"/cache/a", "/b"}) {
		t.Error("all files must lie below the directories")
	}
}

func arrayOf(t *testing.T, dt arrow.DataType, js string) arrow.Array {
	t.Helper()
	a, _, err := array.FromJSON(memory.DefaultAllocator, dt, strings.NewReader(js))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Conforming changes names, zones and the unit of times, at any depth, and nothing else.
func TestConform(t *testing.T) {
	us := &arrow.TimestampType{Unit: arrow.Microsecond}
	utc := &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	have := arrow.ListOf(arrow.StructOf(arrow.Field{Name: "c0", Type: us, Nullable: true}, arrow.Field{Name: "c1", Type: arrow.FixedWidthTypes.Time64us, Nullable: true}))
	want := arrow.ListOfField(arrow.Field{Name: "element", Type: arrow.StructOf(
		arrow.Field{Name: "at", Type: utc}, arrow.Field{Name: "time", Type: arrow.FixedWidthTypes.Time32ms, Nullable: true})})
	a := arrayOf(t, have, `[null, [], [{"c0": "2024-02-29 01:02:03.000004", "c1": "01:02:03.004"}, {"c0": "1969-12-31", "c1": null}]]`)
	d, err := conform(a.Data(), want)
	if err != nil {
		t.Fatal(err)
	}
	got := array.MakeFromData(d)
	if !arrow.TypeEqual(got.DataType(), want) {
		t.Errorf("type %s", got.DataType())
	}
	text := fmt.Sprint(got)
	if !strings.Contains(text, "3723004") && !strings.Contains(text, "01:02:03.004") {
		t.Errorf("values %s", text)
	}
	if n := array.NewSlice(got, 1, 3).(*array.List).ListValues().Len(); n != 2 {
		t.Errorf("%d elements", n)
	}
	for _, other := range []arrow.DataType{arrow.PrimitiveTypes.Int64, us, arrow.ListOf(us), arrow.StructOf()} {
		if _, err := conform(a.Data(), other); errkind.Of(err) != errkind.Bug {
			t.Errorf("as %s: %v", other, err)
		}
	}
}

func TestLogicalTypesOfAllTypes(t *testing.T) {
	for _, typ := range []schema.Type{
		schema.TBoolean, schema.TTinyInt, schema.TSmallInt, schema.TInt, schema.TBigInt, schema.TFloat, schema.TDouble, schema.TDecimal(38, 18),
		schema.TString, schema.TBytes, schema.TDate, schema.TTime(0), schema.TTimestamp(3), schema.TTimestampLTZ(6), schema.TTimestamp(9), schema.TNull,
		schema.TArray(schema.TMap(schema.TInt, schema.TString)), {Kind: schema.Variant}, {Kind: schema.Multiset, Elem: &schema.TInt},
		{Kind: schema.Row, Fields: []schema.Field{{Name: "a", Type: schema.TInt}}},
	} {
		lt, at, err := bothTypes(typ)
		if err != nil || lt.Ptr == nil {
			t.Errorf("%s (%v): %v", typ, at, err)
		}
		ddb.DestroyLogicalType(&lt)
	}
	if _, err := logicalType(arrow.FixedWidthTypes.Duration_s); errkind.Of(err) != errkind.Bug {
		t.Errorf("a duration: %v", err)
	}
}

func TestDecimalAverages(t *testing.T) {
	sums := arrayOf(t, &arrow.Decimal128Type{Precision: 38, Scale: 2}, `["1.00", "-1.00", "0.05", "2.00", "99999999.00", null]`)
	counts := arrayOf(t, arrow.PrimitiveTypes.Int64, `[3, 3, 2, 0, 1, 1]`)
	s := arrow.NewSchema([]arrow.Field{{Name: "s", Type: sums.DataType()}, {Name: "n", Type: counts.DataType()}}, nil)
	got, err := averageDecimals(array.NewRecordBatch(s, []arrow.Array{sums, counts}, 6), 1, 8, 3)
	if err != nil || fmt.Sprint(got) != "[0.333 -0.333 0.025 (null) (null) (null)]" {
		t.Errorf("got %v, %v", got, err)
	}
	wrong := arrow.NewSchema([]arrow.Field{s.Field(1), s.Field(1)}, nil)
	if _, err := averageDecimals(array.NewRecordBatch(wrong, []arrow.Array{counts, counts}, 6), 1, 8, 3); err == nil {
		t.Error("a BIGINT sum was divided")
	}
}

func TestVariances(t *testing.T) {
	for _, c := range []struct {
		values    []float64
		pop, samp float64
		ok, okS   bool
	}{
		{nil, 0, 0, false, false}, {[]float64{5}, 0, 0, true, false}, {[]float64{1, 2, 3, 4}, 1.25, 5.0 / 3, true, true},
		{[]float64{1e15 + 1, 1e15 + 2, 1e15 + 3}, 2.0 / 3, 1, true, true}, // plain sums of squares would lose it all
		{[]float64{1, math.Inf(1)}, math.NaN(), math.NaN(), true, true},
	} {
		pop, ok := variance(0, false)(c.values)
		samp, okS := variance(1, false)(c.values)
		dev, _ := variance(0, true)(c.values)
		if ok != c.ok || okS != c.okS || !equal(pop, c.pop) || !equal(samp, c.samp) || !equal(dev, math.Sqrt(c.pop)) {
			t.Errorf("%v: %g %t, %g %t", c.values, pop, ok, samp, okS)
		}
	}
}

func equal(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

func TestEnv(t *testing.T) {
	e, err := envOf(wire.Env{Zone: "UTC", Seed: 3})
	if err != nil || e.Zone == nil || e.Seed != 3 {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := envOf(wire.Env{Zone: "Nowhere/Land"}); errkind.Of(err) != errkind.Invalid {
		t.Errorf("got %v", err)
	}
	if _, err := evaluatorOf(wire.UDF{Kind: "dance"}); errkind.Of(err) != errkind.Bug {
		t.Errorf("got %v", err)
	}
	m, err := wire.EncodeExpr(&expr.Call{Fn: "NO_SUCH", T: schema.TInt})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := evaluatorOf(wire.UDF{Kind: wire.ExprUDF, Expr: m}); err == nil {
		t.Error("an unknown function was compiled")
	}
}

// talk runs a worker in this process against a script of frames.
func talk(t *testing.T, frames ...wire.Frame) (wire.Kind, error) {
	t.Helper()
	var in, out bytes.Buffer
	w := wire.NewWriter(&in)
	for _, f := range frames {
		if err := w.Write(f.Kind, f.Stream, f.Payload); err != nil {
			t.Fatal(err)
		}
	}
	err := serve(&in, &out)
	f, readErr := wire.NewReader(&out).Next()
	if readErr != nil {
		return 0, err
	}
	return f.Kind, err
}

func setupFrame(t *testing.T, s wire.SetupMsg) wire.Frame {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return wire.Frame{Kind: wire.Setup, Payload: b}
}

func TestServe(t *testing.T) {
	good := wire.SetupMsg{DuckBytes: 64 << 20, Threads: 1, TempDir: t.TempDir(), TempBytesMax: 1 << 20}
	if first, err := talk(t); first != 0 || err != nil {
		t.Errorf("no frames: %d, %v", first, err)
	}
	if first, err := talk(t, setupFrame(t, good)); first != wire.Ready || err != nil {
		t.Errorf("setup: %d, %v", first, err)
	}
	if _, err := talk(t, wire.Frame{Kind: wire.Cancel}); err == nil {
		t.Error("a cancel came first")
	}
	if _, err := talk(t, wire.Frame{Kind: wire.Setup, Payload: []byte("{")}); errkind.Of(err) != errkind.Corrupt {
		t.Errorf("broken setup: %v", err)
	}
	bad := good
	bad.Threads = -5
	if first, err := talk(t, setupFrame(t, bad)); first != wire.Failed || err == nil {
		t.Errorf("bad threads: %d, %v", first, err)
	}
	// Frames for what is over, or was never there, are no errors.
	if _, err := talk(t, setupFrame(t, good), wire.Frame{Kind: wire.Cancel}, wire.Frame{Kind: wire.Data, Stream: 9}, wire.Frame{Kind: wire.End, Stream: 9}); err != nil {
		t.Errorf("late frames: %v", err)
	}
	if _, err := talk(t, setupFrame(t, good), wire.Frame{Kind: wire.Ready}); err == nil {
		t.Error("a worker's own frame came back")
	}
}

func TestStreamEnds(t *testing.T) {
	s := &server{w: wire.NewWriter(io.Discard)}
	s.mu.streams = make(map[uint32]*stream)
	read := func(st *stream) error {
		_, err := st.next(memory.DefaultAllocator)
		return err
	}
	st := newStream(s, 1)
	st.push([]byte("no arrow stream at all"))
	st.end(io.EOF)
	if err := read(st); err == nil || errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "decode query input") {
		t.Errorf("broken bytes: %v", err)
	}
	st = newStream(s, 2)
	cause := errkind.New(errkind.Corrupt, "the file is cut")
	st.end(cause)
	st.end(errkind.New(errkind.Bug, "later"))
	if err := read(st); !errors.Is(err, cause) {
		t.Errorf("fault: %v", err)
	}
	st = newStream(s, 3)
	st.push([]byte{1})
	st.end(cause)
	st.end(errCanceled)
	if err := read(st); !errors.Is(err, errCanceled) {
		t.Errorf("cancel: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := newStream(s, 4)
	go func() { <-ctx.Done(); waiting.end(errCanceled) }()
	cancel()
	if err := read(waiting); !errors.Is(err, errCanceled) {
		t.Errorf("cancel while waiting: %v", err)
	}
}
