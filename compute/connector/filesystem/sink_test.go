package filesystem

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/connectortest"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

func sinkOf(t *testing.T, dir, format string) *sink {
	t.Helper()
	opts := map[string]string{"path": dir, "format": format}
	s, err := Factory().OpenSink(t.Context(), connector.Context{Table: table(opts), Options: opts, JobID: "job-1"})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*sink)
}

func chunk(t *testing.T, from, n int, kinds ...int8) connector.Chunk {
	t.Helper()
	s, err := connector.ArrowSchema(connector.Fields(table(nil)))
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for i := from; i < from+n; i++ {
		b.Field(0).(*array.Int32Builder).Append(int32(i))
		b.Field(1).(*array.StringBuilder).Append(`a,"b"`)
		b.Field(2).(*array.TimestampBuilder).Append(arrow.Timestamp(i))
	}
	return connector.Chunk{Rows: b.NewRecordBatch(), Kinds: kinds}
}

func TestSinkConformance(t *testing.T) {
	for _, format := range []string{"json", "csv", "parquet", "debezium-json"} {
		t.Run(format, func(t *testing.T) {
			connectortest.Sink(t, connectortest.SinkSpec{New: func(t *testing.T) connectortest.Outside {
				dir := t.TempDir() + "/out"
				return connectortest.Outside{
					Open:  func(t *testing.T) connector.Sink { return sinkOf(t, dir, format) },
					Chunk: func(t *testing.T, from, n int) connector.Chunk { return chunk(t, from, n) },
					Rows: func(t *testing.T) []string {
						if visible(t, dir) == 0 {
							return nil
						}
						return all(t, opened(t, table(map[string]string{"path": dir, "format": format}), connector.Context{}))
					},
				}
			}})
		})
	}
}

func put(t *testing.T, s *sink, epoch, term int64, rows ...connector.Chunk) {
	t.Helper()
	if err := s.Write(t.Context(), connector.Progress{Epoch: epoch, Term: term}, rows); err != nil {
		t.Fatal(err)
	}
}

func visible(t *testing.T, dir string) int {
	t.Helper()
	files, err := filepath.Glob(dir + "/part-*")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// What a sink writes, a source of the same table reads back.
func TestSinkRoundTrip(t *testing.T) {
	for _, format := range []string{"json", "csv", "parquet", "debezium-json"} {
		dir := t.TempDir() + "/out"
		s := sinkOf(t, dir, format)
		put(t, s, 3, 1, chunk(t, 0, 5), chunk(t, 5, 5))
		put(t, s, 3, 1, chunk(t, 0, 5)) // known already
		put(t, s, 4, 1)                 // no rows: no file
		put(t, s, 9, 1, chunk(t, 10, 2))
		if n := visible(t, dir); n != 2 {
			t.Errorf("%s: %d files, want 2", format, n)
		}
		again := sinkOf(t, dir, format)
		if p, err := again.Progress(t.Context()); err != nil || p != (connector.Progress{Epoch: 9, Term: 1}) {
			t.Errorf("%s: progress after a restart: %v %v", format, p, err)
		}
		rows := all(t, opened(t, table(map[string]string{"path": dir, "format": format}), connector.Context{}))
		if len(rows) != 12 || !strings.HasPrefix(rows[11], `+I 11|a,"b"|1970-01-01T00:00:00.011`) {
			t.Errorf("%s: %d rows: %q", format, len(rows), rows)
		}
	}
}

func TestSinkRefusesWhatItCannotHold(t *testing.T) {
	for _, format := range []string{"json", "csv", "parquet"} {
		dir := t.TempDir()
		s := sinkOf(t, dir, format)
		err := s.Write(t.Context(), connector.Progress{Epoch: 1}, []connector.Chunk{chunk(t, 0, 2, connector.Insert, connector.Delete)})
		if !errkind.Is(err, errkind.Invalid) || !strings.Contains(err.Error(), "-D") || visible(t, dir) != 0 {
			t.Errorf("%s: a deletion: %v, %d files", format, err, visible(t, dir))
		}
	}
	for _, opts := range []map[string]string{
		{"path": "x/*.json", "format": "json"}, {"path": "x", "format": "json", "source.monitor-interval": "1 s"}, {"path": "x", "format": "json", "replay.time": "at"},
	} {
		if _, err := Factory().OpenSink(t.Context(), connector.Context{Table: table(opts), Options: opts, JobID: "j"}); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%v: %v", opts, err)
		}
	}
}

// dieAfter fails every call after n, as a process that was killed does.
type dieAfter struct {
	objstore.Store
	n int
}

var errDied = errors.New("died")

func (d *dieAfter) step() error {
	if d.n--; d.n < 0 {
		return errDied
	}
	return nil
}

func (d *dieAfter) Put(ctx context.Context, key string, data []byte) error {
	if err := d.step(); err != nil {
		return err
	}
	return d.Store.Put(ctx, key, data)
}

func (d *dieAfter) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	if err := d.step(); err != nil {
		return err
	}
	return d.Store.PutIfAbsent(ctx, key, data)
}

func (d *dieAfter) Delete(ctx context.Context, key string) error {
	if err := d.step(); err != nil {
		return err
	}
	return d.Store.Delete(ctx, key)
}

func TestSinkSurvivesDyingAtEveryStep(t *testing.T) {
	for n := range 5 {
		dir := t.TempDir()
		s := sinkOf(t, dir, "json")
		put(t, s, 1, 1, chunk(t, 0, 2))
		s.store = &dieAfter{s.store, n}
		err := s.Write(t.Context(), connector.Progress{Epoch: 2, Term: 1}, []connector.Chunk{chunk(t, 2, 3)})
		if (err == nil) != (n == 4) || err != nil && !errors.Is(err, errDied) {
			t.Fatalf("step %d: %v", n, err)
		}
		again := sinkOf(t, dir, "json")
		p, err := again.Progress(t.Context())
		if err != nil || (p.Epoch == 2) != (n >= 2) {
			t.Fatalf("step %d: progress %v %v", n, p, err)
		}
		put(t, again, 2, 2, chunk(t, 2, 3)) // does nothing if it is held
		put(t, again, 3, 2, chunk(t, 5, 1))
		if rows := all(t, opened(t, table(map[string]string{"path": dir, "format": "json"}), connector.Context{})); len(rows) != 6 {
			t.Errorf("step %d: %d rows, want 6", n, len(rows))
		}
	}
}

func TestBrokenManifestIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		`{`: "unexpected end", `{"version":9,"number":1}`: "newer than this program's", `{"version":1,"number":7,"epoch":1}`: "says it is number 7", `{"version":1}`: "out of range",
	} {
		dir := t.TempDir()
		put(t, sinkOf(t, dir, "json"), 1, 1, chunk(t, 0, 1))
		names, _ := filepath.Glob(dir + "/.weir/job-1/*.json")
		if err := os.WriteFile(names[0], []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		opts := map[string]string{"path": dir, "format": "json"}
		_, err := Factory().OpenSink(t.Context(), connector.Context{Table: table(opts), Options: opts, JobID: "job-1"})
		if !errkind.Is(err, errkind.Corrupt) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), names[0]) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"version":1,"number":1,"epoch":3,"term":1,"rows":2,"staged":"a","name":"b"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := parseManifest(data); err == nil && (m.Number < 1 || m.Version != manifestVersion) {
			t.Fatalf("accepted %+v", m)
		}
	})
}
