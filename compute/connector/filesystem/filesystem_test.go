package filesystem

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/connectortest"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	storage "github.com/weir-lake/weir/storage/format"
	"github.com/weir-lake/weir/table/schema"
)

func table(opts map[string]string, cols ...plan.TableColumn) *plan.Table {
	if cols == nil {
		cols = []plan.TableColumn{column("id", schema.TInt.WithNotNull(true)), column("s", schema.TString), column("at", schema.TTimestamp(3))}
	}
	return &plan.Table{Name: "t", Columns: cols, Options: opts}
}

func column(name string, t schema.Type) plan.TableColumn {
	return plan.TableColumn{Column: plan.Column{Name: name, Type: t}}
}

func opened(t testing.TB, tb *plan.Table, c connector.Context) connector.Source {
	t.Helper()
	if err := Factory().Validate(tb); err != nil {
		t.Fatal(err)
	}
	c.Table, c.Options = tb, tb.Options
	s, err := openSource(t.Context(), c) // the source itself, whose Poll waits for its answer
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// writeParquet writes n rows from id `from`, columns as of the default table but under other types.
func writeParquet(t testing.TB, path string, from, n int) {
	t.Helper()
	s := arrow.NewSchema([]arrow.Field{
		{Name: "at", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, Nullable: true},
		{Name: "extra", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for i := from; i < from+n; i++ {
		b.Field(0).(*array.TimestampBuilder).Append(arrow.Timestamp(i) * 1_000_000)
		b.Field(1).(*array.Float64Builder).Append(0.5)
		b.Field(2).(*array.Int64Builder).Append(int64(i))
		b.Field(3).(*array.StringBuilder).Append(fmt.Sprint("s", i))
	}
	rec := b.NewRecordBatch()
	defer rec.Release()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := storage.NewWriter(f, s, storage.Options{RowGroupRows: 64})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(rec), w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func jsonLines(from, n int) string {
	var b strings.Builder
	for i := from; i < from+n; i++ {
		fmt.Fprintf(&b, `{"id":%d,"s":"s%d","at":"1970-01-01 00:%02d:%02d"}`+"\n", i, i, i/60%60, i%60)
	}
	return b.String()
}

func TestConformance(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/json/b.json", jsonLines(0, 60)+"\n\n{\"id\":\"bad\"}\r\n"+jsonLines(60, 20))
	write(t, dir+"/json/a.json", strings.TrimSuffix(jsonLines(80, 20), "\n"))
	write(t, dir+"/json/sub/c.json", "")
	write(t, dir+"/json/_hidden.json", "nonsense")
	write(t, dir+"/csv/a.csv", "s,id,at\n"+strings.Repeat("\"two\nlines\",7,1970-01-01 00:00:01\n", 40))
	write(t, dir+"/csv/b.csv", "id,s\n1,x\n,bad\n3,y")
	writeParquet(t, dir+"/parquet/x.parquet", 0, 300)
	writeParquet(t, dir+"/parquet/y.parquet", 300, 40)
	for _, c := range []struct {
		path, format string
		opts         map[string]string
		rows         int
	}{
		{dir + "/json", "json", nil, 101},
		{"file://" + dir + "/json/*.json", "json", nil, 101},
		{dir + "/csv", "csv", map[string]string{"csv.header": "true"}, 43},
		{dir + "/parquet/", "parquet", nil, 340},
		{dir + "/parquet", "parquet", map[string]string{"replay.time": "at", "replay.speed": "max"}, 340},
	} {
		opts := map[string]string{"connector": "filesystem", "path": c.path, "format": c.format}
		for k, v := range c.opts {
			opts[k] = v
		}
		t.Run(c.format+c.opts["replay.time"], func(t *testing.T) {
			connectortest.Source(t, connectortest.SourceSpec{Rows: c.rows, Open: func(t *testing.T) connector.Source {
				return opened(t, table(opts), connector.Context{})
			}})
		})
	}
}

func all(t *testing.T, s connector.Source) []string {
	t.Helper()
	to, end, err := s.Poll(t.Context(), nil, 1<<20)
	if err != nil || !end {
		t.Fatalf("poll: %v %v %v", to, end, err)
	}
	return connectortest.Read(t, s, nil, to)
}

func TestDeadLettersNameFileAndLine(t *testing.T) {
	path := t.TempDir() + "/in.csv"
	write(t, path, "\ufeff1,a,1970-01-01 00:00:00\n\"2\",\"two\nlines\",\n3,c\n4,\"d\",x\n")
	rows := all(t, opened(t, table(map[string]string{"path": path, "format": "csv"}), connector.Context{}))
	want := []string{
		"+I 1|a|1970-01-01T00:00:00", "+I 2|two\nlines|(null)",
		"! file:" + path + " line 4 expected 3 fields, found 2 \"3,c\"",
		"! file:" + path + " line 5 column at (field 3): expected TIMESTAMP(3), found text \"x\"",
	}
	for i, w := range want {
		if i >= len(rows) || !strings.HasPrefix(strings.ReplaceAll(rows[i], ".000", ""), w) {
			t.Errorf("row %d of %d:\n got %q\nwant %q", i, len(rows), rows[min(i, len(rows)-1)], w)
		}
	}
}

func TestAFileGoneOrChangedIsALostPosition(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a.json", jsonLines(0, 10))
	write(t, dir+"/b.json", jsonLines(10, 10))
	tb := table(map[string]string{"path": dir, "format": "json"})
	src := opened(t, tb, connector.Context{})
	to, _, err := src.Poll(t.Context(), nil, 15)
	if err != nil || len(to) != 2 {
		t.Fatalf("%v %v", to, err)
	}
	expect := func(what, name string) {
		t.Helper()
		s := opened(t, tb, connector.Context{})
		_, _, err := s.Poll(t.Context(), to, 5)
		if !errors.Is(err, connector.ErrPositionLost) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: poll says %v", what, err)
		}
		err = s.Read(t.Context(), nil, to, func(connector.Chunk) error { return nil })
		if !errors.Is(err, connector.ErrPositionLost) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: read says %v", what, err)
		}
	}
	write(t, dir+"/a.json", jsonLines(0, 11))
	expect("longer", "a.json")
	write(t, dir+"/a.json", jsonLines(0, 10))
	if err := os.Chtimes(dir+"/a.json", time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	expect("rewritten", "a.json")
	if err := os.Remove(dir + "/a.json"); err != nil {
		t.Fatal(err)
	}
	expect("gone", "a.json")
	src = opened(t, tb, connector.Context{})
	if _, _, err := src.Poll(t.Context(), connector.Offsets{"file:" + dir + "/b.json": "x"}, 5); !errkind.Is(err, errkind.Corrupt) {
		t.Errorf("bad position: %v", err)
	}
}

func TestWatchedDirectoryTakesNewFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a.json", jsonLines(0, 3))
	now := time.Unix(1000, 0)
	tb := table(map[string]string{"path": dir, "format": "json", "source.monitor-interval": "10 s"})
	src := opened(t, tb, connector.Context{Now: func() time.Time { return now }})
	to, end, err := src.Poll(t.Context(), nil, 100)
	if err != nil || end || len(connectortest.Read(t, src, nil, to)) != 3 {
		t.Fatalf("first: %v %v %v", to, end, err)
	}
	write(t, dir+"/b.json", jsonLines(3, 4))
	if again, _, err := src.Poll(t.Context(), to, 100); err != nil || !connectortest.Equal(again, to) {
		t.Fatalf("listed again before the interval: %v %v", again, err)
	}
	now = now.Add(10 * time.Second)
	next, end, err := src.Poll(t.Context(), to, 100)
	if err != nil || end || len(connectortest.Read(t, src, to, next)) != 4 {
		t.Fatalf("after the interval: %v %v %v", next, end, err)
	}
	// The same table in a batch is read once and ends.
	if rows := all(t, opened(t, tb, connector.Context{Bounded: true})); len(rows) != 7 {
		t.Errorf("%d rows in a batch, want 7", len(rows))
	}
}

func TestParquetErrorsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	writeParquet(t, dir+"/ok.parquet", 0, 100)
	whole, err := os.ReadFile(dir + "/ok.parquet")
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/cut/t.parquet", string(whole[:len(whole)/2]))
	write(t, dir+"/tiny/t.parquet", "PAR1")
	for _, c := range []struct {
		path string
		cols []plan.TableColumn
		kind errkind.Kind
		want string
	}{
		{"cut", nil, errkind.Corrupt, "cut/t.parquet"},
		{"tiny", nil, errkind.Corrupt, "tiny/t.parquet"},
		{"missing", nil, errkind.NotFound, "missing"},
		{"ok.parquet", []plan.TableColumn{column("key", schema.TInt.WithNotNull(true))}, errkind.Invalid, "key or NOT NULL column key is not in the file"},
		{"ok.parquet", []plan.TableColumn{column("nothing", schema.TInt)}, errkind.Invalid, "no column of the table is in the file; it has [at extra id s]"},
		{"ok.parquet", []plan.TableColumn{column("s", schema.TInt)}, errkind.Invalid, "column s: the file has utf8, the table INT"},
		{"ok.parquet", []plan.TableColumn{column("id", schema.TTinyInt), column("extra", schema.TInt)}, errkind.Invalid, "column extra, rows 1 to"},
		{"ok.parquet", []plan.TableColumn{column("id", schema.TDecimal(2, 1))}, errkind.Invalid, "column id, rows 1 to"},
	} {
		src := opened(t, table(map[string]string{"path": filepath.Join(dir, c.path), "format": "parquet"}, c.cols...), connector.Context{})
		to, _, err := src.Poll(t.Context(), nil, 1000)
		if err == nil {
			err = src.Read(t.Context(), nil, to, func(connector.Chunk) error { return nil })
		}
		if err == nil || errkind.Of(err) != c.kind || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %v: got %v (%s), want %q (%s)", c.path, c.cols, err, errkind.Of(err), c.want, c.kind)
		}
	}
}

func TestParquetColumnsByNameAndMetadata(t *testing.T) {
	dir := t.TempDir()
	writeParquet(t, dir+"/x.parquet", 5, 2)
	meta := func(name, key string, ty schema.Type) plan.TableColumn {
		c := column(name, ty)
		c.Metadata, c.Virtual = key, true
		return c
	}
	cols := []plan.TableColumn{
		column("s", schema.TString), column("absent", schema.TArray(schema.TInt)), column("id", schema.TTinyInt), meta("f", "file.name", schema.TString),
		column("at", schema.TTimestampLTZ(0)), meta("size", "file.size", schema.TBigInt),
	}
	info, err := os.Stat(dir + "/x.parquet")
	if err != nil {
		t.Fatal(err)
	}
	rows := all(t, opened(t, table(map[string]string{"path": dir, "format": "parquet"}, cols...), connector.Context{}))
	if want := fmt.Sprintf("+I s5|(null)|5|x.parquet|1970-01-01T00:00:05Z|%d", info.Size()); len(rows) != 2 || rows[0] != want {
		t.Errorf("got %q, want %q", rows, want)
	}
	write(t, dir+"/j/x.json", "{\"s\":\"v\"}\n")
	rows = all(t, opened(t, table(map[string]string{"path": dir + "/j", "format": "json"}, cols...), connector.Context{}))
	if len(rows) != 1 || rows[0] != "+I v|(null)|(null)|x.json|(null)|10" {
		t.Errorf("json with metadata: %q", rows)
	}
}

func TestReplayQueryRunsThroughTheSession(t *testing.T) {
	dir := t.TempDir()
	writeParquet(t, dir+"/x.parquet", 0, 30)
	opts := map[string]string{"replay.time": "at", "replay.query": "SELECT id, s, at FROM v"}
	if _, err := Factory().OpenSource(t.Context(), connector.Context{Table: table(opts), Options: opts}); err == nil || !strings.Contains(err.Error(), "replay.query") {
		t.Errorf("without a session: %v", err)
	}
	files := opened(t, table(map[string]string{"path": dir, "format": "parquet"}), connector.Context{}).(*source)
	src := opened(t, table(opts), connector.Context{Bounded: true, RunQuery: func(ctx context.Context, sql string, out []plan.Column) (array.RecordReader, error) {
		if sql != opts["replay.query"] || len(out) != 3 || out[2].Name != "at" {
			return nil, fmt.Errorf("asked for %s giving %v", sql, out)
		}
		return files.all(ctx, connector.Fields(table(opts)))
	}})
	if rows := all(t, src); len(rows) != 30 || rows[29] != "+I 29|s29|1970-01-01T00:00:29" {
		t.Errorf("%d rows: %q", len(rows), rows)
	}
	sink := map[string]string{"replay.time": "at", "replay.query": "SELECT 1"}
	if _, err := Factory().OpenSink(t.Context(), connector.Context{Table: table(sink), Options: sink, JobID: "j"}); err == nil {
		t.Error("a replay was opened for writing")
	}
}

func TestWrongOptions(t *testing.T) {
	for _, c := range []struct {
		opts map[string]string
		want string
	}{
		{map[string]string{"format": "json"}, "option 'path' is missing"},
		{map[string]string{"path": "x"}, "option 'format' is missing"},
		{map[string]string{"path": "x", "format": "orc"}, "'format' = 'orc'"},
		{map[string]string{"path": "s3://b/x", "format": "json"}, "local paths"},
		{map[string]string{"path": "file://host/x", "format": "json"}, "not a path"},
		{map[string]string{"path": "x", "format": "json", "source.monitor-interval": "1 ms"}, "at least 10ms"},
		{map[string]string{"path": "x", "format": "json", "source.monitor-interval": "1 s", "replay.time": "at"}, "fixed set of files"},
		{map[string]string{"path": "x", "format": "json", "csv.header": "true"}, "option 'csv.header' is unknown"},
		{map[string]string{"path": "x", "format": "parquet", "parquet.utc-timezone": "GMT"}, "parquet.utc-timezone"},
	} {
		if err := Factory().Validate(table(c.opts)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %q", c.opts, err, c.want)
		}
	}
	for _, v := range []string{"true", "false"} {
		if err := Factory().Validate(table(map[string]string{"path": "x", "format": "parquet", "parquet.utc-timezone": v})); err != nil {
			t.Errorf("parquet.utc-timezone = %s: %v", v, err)
		}
	}
	bad := column("m", schema.TString)
	bad.Metadata = "file.owner"
	if err := Factory().Validate(table(map[string]string{"path": "x", "format": "parquet"}, bad)); err == nil || !strings.Contains(err.Error(), "file.owner") {
		t.Errorf("metadata key: %v", err)
	}
	p := table(map[string]string{"path": "x", "format": "parquet"})
	p.PartitionKeys = []string{"s"}
	if err := Factory().Validate(p); err == nil || !strings.Contains(err.Error(), "PARTITIONED BY") {
		t.Errorf("partitioned: %v", err)
	}
}

func FuzzPosition(f *testing.F) {
	f.Add("1:2:3:abc")
	f.Add("::::")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePosition("file:x", connector.Position(text))
		if err != nil {
			return
		}
		if again, err := parsePosition("file:x", p.String()); err != nil || again != p {
			t.Fatalf("%q: %v %v", text, again, err)
		}
	})
}
