package format

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"github.com/weir-lake/weir/internal/errkind"
)

func scalarSchema() *arrow.Schema {
	types := []arrow.DataType{
		arrow.PrimitiveTypes.Int64, arrow.FixedWidthTypes.Boolean, arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16,
		arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64,
		&arrow.Decimal128Type{Precision: 9, Scale: 2}, &arrow.Decimal128Type{Precision: 18, Scale: 3}, &arrow.Decimal128Type{Precision: 38, Scale: 4},
		arrow.BinaryTypes.String, arrow.BinaryTypes.Binary, arrow.FixedWidthTypes.Date32, arrow.FixedWidthTypes.Time32ms,
		&arrow.TimestampType{Unit: arrow.Millisecond}, &arrow.TimestampType{Unit: arrow.Microsecond}, &arrow.TimestampType{Unit: arrow.Nanosecond},
		&arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"},
	}
	fields := make([]arrow.Field, len(types))
	for i, t := range types {
		fields[i] = arrow.Field{Name: fmt.Sprintf("c%d", i), Type: t, Nullable: i > 0, Metadata: FieldMeta(i)}
	}
	return arrow.NewSchema(fields, nil)
}

// scalarBatch has rows from..from+n-1; every seventh cell is null.
func scalarBatch(sc *arrow.Schema, from, n int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	for row := from; row < from+n; row++ {
		for i, fb := range b.Fields() {
			if i > 0 && (row+i)%7 == 0 {
				fb.AppendNull()
				continue
			}
			appendInt(fb, row)
		}
	}
	return b.NewRecordBatch()
}

func appendInt(fb array.Builder, v int) {
	switch b := fb.(type) {
	case *array.Int64Builder:
		b.Append(int64(v))
	case *array.BooleanBuilder:
		b.Append(v%2 == 0)
	case *array.Int8Builder:
		b.Append(int8(v))
	case *array.Int16Builder:
		b.Append(int16(v))
	case *array.Int32Builder:
		b.Append(int32(v))
	case *array.Float32Builder:
		b.Append(float32(v) / 2)
	case *array.Float64Builder:
		b.Append(float64(v) / 2)
	case *array.Decimal128Builder:
		b.Append(decimal128.FromI64(int64(-v)))
	case *array.StringBuilder:
		b.Append(fmt.Sprintf("s%06d", v))
	case *array.BinaryBuilder:
		b.Append([]byte{byte(v), 0, 1})
	case *array.Date32Builder:
		b.Append(arrow.Date32(v - 1000))
	case *array.Time32Builder:
		b.Append(arrow.Time32(v))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(int64(v) * 1234567))
	default:
		panic(fmt.Sprintf("%T", fb))
	}
}

func writeFile(t testing.TB, sc *arrow.Schema, opts Options, recs ...arrow.RecordBatch) ([]byte, *Writer) {
	t.Helper()
	var buf bytes.Buffer
	w, err := NewWriter(&buf, sc, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), w
}

func open(t testing.TB, data []byte) *File {
	t.Helper()
	f, err := Open("t.parquet", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRoundTripOfScalarTypes(t *testing.T) {
	for _, codec := range []string{"none", "snappy", "gzip", "lz4", "zstd"} {
		sc := scalarSchema()
		rec := scalarBatch(sc, 0, 3000)
		data, w := writeFile(t, sc, Options{Compression: codec, RowGroupRows: 1000}, rec)
		if w.Rows() != 3000 || w.Bytes() != int64(len(data)) {
			t.Fatalf("%s: writer counts %d rows, %d bytes; file has %d bytes", codec, w.Rows(), w.Bytes(), len(data))
		}
		f := open(t, data)
		if codec == "gzip" || codec == "lz4" {
			f.stream = 0 // as files of many megabytes are read
		}
		got, err := f.ReadAll(context.Background(), ReadOptions{BatchRows: 700})
		if err != nil {
			t.Fatal(err)
		}
		for i := range sc.NumFields() {
			if !array.Equal(rec.Column(i), got.Column(i)) {
				t.Errorf("%s: column %s differs\nwrote %v\nread  %v", codec, sc.Field(i), rec.Column(i), got.Column(i))
			}
			if id, ok := FieldID(got.Schema().Field(i)); !ok || id != i {
				t.Errorf("%s: column %d has field id %d", codec, i, id)
			}
		}
	}
}

func TestPhysicalTypesArePaimons(t *testing.T) {
	sc := scalarSchema()
	data, _ := writeFile(t, sc, Options{}, scalarBatch(sc, 0, 10))
	pq, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"INT64", "BOOLEAN", "INT32 INT(8,true)", "INT32 INT(16,true)", "INT32 INT(32,true)", "FLOAT", "DOUBLE", "INT32 DECIMAL(9,2)", "INT64 DECIMAL(18,3)",
		"FIXED_LEN_BYTE_ARRAY(16) DECIMAL(38,4)", "BYTE_ARRAY STRING", "BYTE_ARRAY", "INT32 DATE", "INT32 TIME(isAdjustedToUTC=true,unit=MILLIS)",
		"INT64 TIMESTAMP(isAdjustedToUTC=false,unit=MILLIS)", "INT64 TIMESTAMP(isAdjustedToUTC=false,unit=MICROS)", "INT96", "INT64 TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)"}
	for i, c := range pq.Root().Columns() {
		got := c.Type().Kind().String()
		if c.Type().Kind() == parquet.FixedLenByteArray {
			got += fmt.Sprintf("(%d)", c.Type().Length())
		}
		if lt := c.Type().LogicalType(); lt != nil && lt.String() != "" {
			got += " " + lt.String()
		}
		if !strings.HasPrefix(got, strings.Fields(want[i])[0]) {
			t.Errorf("column %d is %s, want %s", i, got, want[i])
		}
		t.Log(i, got)
	}
	if pq.Root().Name() != "paimon_schema" {
		t.Errorf("message is named %q", pq.Root().Name())
	}
}

func TestStats(t *testing.T) {
	sc := scalarSchema()
	_, w := writeFile(t, sc, Options{}, scalarBatch(sc, 10, 90), scalarBatch(sc, 201, 1))
	st := w.Stats()
	if st[0].Min != int64(10) || st[0].Max != int64(201) || st[0].NullCount != 0 {
		t.Errorf("int64: %+v", st[0])
	}
	if st[10].Min != "s000010" || st[10].Max != "s000201" || st[10].NullCount == 0 {
		t.Errorf("string: %+v", st[10])
	}
	if st[7].Min != decimal128.FromI64(-201) {
		t.Errorf("decimal: %+v", st[7])
	}
	fsc := arrow.NewSchema([]arrow.Field{{Name: "f", Type: arrow.PrimitiveTypes.Float64, Nullable: true}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, fsc)
	b.Field(0).(*array.Float64Builder).AppendValues([]float64{1, math.NaN()}, nil)
	if _, w := writeFile(t, fsc, Options{}, b.NewRecordBatch()); w.Stats()[0].Min != nil {
		t.Error("bounds survive a NaN")
	}
}

func TestProjectionAndRanges(t *testing.T) {
	sc := scalarSchema()
	const n = 20000
	rec := scalarBatch(sc, 0, n)
	for _, opts := range []Options{{RowGroupRows: 6000, PageBytes: 4 << 10}, {NoDictionary: true, PageBytes: 4 << 10}} {
		data, _ := writeFile(t, sc, opts, rec)
		f := open(t, data)
		ranges := Ranges{{5, 6}, {100, 2500}, {5990, 6010}, {6011, 6012}, {12345, 17001}, {n - 1, n}}
		got, err := f.ReadAll(context.Background(), ReadOptions{Fields: []int{0, 10, 16}, Ranges: ranges, BatchRows: 512})
		if err != nil {
			t.Fatal(err)
		}
		if got.NumRows() != ranges.Rows() || got.NumCols() != 3 {
			t.Fatalf("%d rows, %d columns", got.NumRows(), got.NumCols())
		}
		at := 0
		for _, r := range ranges {
			for i, col := range []int{0, 10, 16} {
				if !array.SliceEqual(rec.Column(col), r.From, r.To, got.Column(i), int64(at), int64(at)+r.To-r.From) {
					t.Errorf("range %v of column %d differs", r, col)
				}
			}
			at += int(r.To - r.From)
		}
	}
}

func TestPruneFindsPages(t *testing.T) {
	sc := scalarSchema()
	rec := scalarBatch(sc, 0, 50000)
	data, _ := writeFile(t, sc, Options{RowGroupRows: 20000, PageBytes: 4 << 10, BloomColumns: []string{"c10"}}, rec)
	f := open(t, data)
	ft, err := f.Footer()
	if err != nil {
		t.Fatal(err)
	}
	col := func(i int) Column { return Column{ID: i} }
	for _, tc := range []struct {
		name    string
		filter  Filter
		must    []int64
		maxRows int64
	}{
		{"all", nil, []int64{0, 49999}, 50000},
		{"eq", Filter{{col(0), Eq, []any{int64(31234)}}}, []int64{31234}, 5000},
		{"eq string by bloom and pages", Filter{{col(10), Eq, []any{"s031234"}}}, []int64{31234}, 5000},
		{"absent string", Filter{{col(10), Eq, []any{"s031234x"}}}, nil, 0},
		{"in", Filter{{col(0), In, []any{int64(3), int64(49998)}}}, []int64{3, 49998}, 10000},
		{"range", Filter{{col(0), Ge, []any{int64(40000)}}, {col(0), Lt, []any{int64(40100)}}}, []int64{40000, 40099}, 5000},
		{"beyond", Filter{{col(0), Gt, []any{int64(49999)}}}, nil, 0},
		{"null of a not null column", Filter{{col(0), IsNull, nil}}, nil, 0},
		{"decimal", Filter{{col(9), Eq, []any{decimal128.FromI64(-31234)}}}, []int64{31234}, 8000},
		{"unknown column", Filter{{col(99), Eq, []any{int64(1)}}}, []int64{0, 49999}, 50000},
		{"int96 is never pruned", Filter{{col(16), Eq, []any{int64(1)}}}, []int64{0}, 50000},
	} {
		got, err := ft.Prune(tc.filter)
		if err != nil {
			t.Fatal(err)
		}
		if got.Rows() > tc.maxRows {
			t.Errorf("%s: keeps %d rows, at most %d", tc.name, got.Rows(), tc.maxRows)
		}
		for _, row := range tc.must {
			if len(got.Intersect(Ranges{{row, row + 1}})) == 0 {
				t.Errorf("%s: loses row %d: %v", tc.name, row, got)
			}
		}
	}
	if gs, err := ft.RowGroups(); err != nil || len(gs) != 3 || gs[0].Rows != 20000 || gs[0].Pages < 2 {
		t.Errorf("row groups %+v, %v", gs, err)
	}
}

func TestCorruptFilesAreNamed(t *testing.T) {
	sc := scalarSchema()
	data, _ := writeFile(t, sc, Options{}, scalarBatch(sc, 0, 500))
	try := func(name string, b []byte) {
		f, err := Open("bad.parquet", bytes.NewReader(b), int64(len(b)))
		if err == nil {
			_, err = f.ReadAll(context.Background(), ReadOptions{})
		}
		if errkind.Of(err) != errkind.Corrupt || !strings.Contains(err.Error(), "bad.parquet") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, n := range []int{0, 4, 11, 100, len(data) / 2, len(data) - 1} {
		try(fmt.Sprintf("truncated at %d", n), data[:n])
	}
	huge := bytes.Clone(data)
	copy(huge[len(huge)-8:], []byte{0xff, 0xff, 0xff, 0x7f})
	try("footer length", huge)
	page := bytes.Clone(data)
	for i := 4; i < 400; i++ {
		page[i] ^= 0x5a
	}
	try("pages", page)
}

func TestReadsOtherWritersFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.parquet")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := open(t, data).ReadAll(context.Background(), ReadOptions{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if rec.NumRows() == 0 {
			t.Errorf("%s: no rows", name)
		}
	}
}

func FuzzOpen(f *testing.F) {
	sc := scalarSchema()
	data, _ := writeFile(f, sc, Options{PageBytes: 512}, scalarBatch(sc, 0, 50))
	f.Add(data)
	f.Add(data[:len(data)-9])
	f.Add([]byte("PAR1\x00\x00\x00\x00PAR1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Open("fuzz", bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if ft, err := file.Footer(); err == nil {
			_, _ = ft.Prune(Filter{{Column{ID: 0, Name: "c0"}, Eq, []any{int64(3)}}})
		}
		if rec, err := file.ReadAll(context.Background(), ReadOptions{}); err == nil {
			rec.Release()
		}
	})
}
