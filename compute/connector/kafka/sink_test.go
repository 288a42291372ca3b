package kafka

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/connectortest"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
)

func (b *broker) sink(t *testing.T, tb *plan.Table) connector.Sink {
	t.Helper()
	s, err := Factory().OpenSink(t.Context(), connector.Context{Table: tb, Options: tb.Options, JobID: "job-1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func chunk(t *testing.T, tb *plan.Table, from, n int, kinds ...int8) connector.Chunk {
	t.Helper()
	s, err := connector.ArrowSchema(connector.SinkFields(tb))
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for i := from; i < from+n; i++ {
		b.Field(0).(*array.Int32Builder).Append(int32(i))
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprint("v", i))
	}
	return connector.Chunk{Rows: b.NewRecordBatch(), Kinds: kinds}
}

func (b *broker) sinkTable(topic string, opts map[string]string) *plan.Table {
	o := map[string]string{"sink.progress-topic": b.prefix + "progress", "sink.transactional-id-prefix": b.prefix + "weir"}
	for k, v := range opts {
		o[k] = v
	}
	return b.table(topic, o)
}

func TestSinkWritesOncePerEpoch(t *testing.T) {
	b := start(t)
	topic := b.topic(t, "out", 2)
	tb := b.sinkTable(topic, map[string]string{"key.format": "json", "key.fields": "id"})
	s := b.sink(t, tb)
	write := func(s connector.Sink, epoch, term int64, rows ...connector.Chunk) {
		t.Helper()
		if err := s.Write(t.Context(), connector.Progress{Epoch: epoch, Term: term}, rows); err != nil {
			t.Fatal(err)
		}
	}
	write(s, 3, 1, chunk(t, tb, 0, 5), chunk(t, tb, 5, 5))
	write(s, 3, 1, chunk(t, tb, 0, 5)) // known already
	write(s, 4, 1)                     // no rows: no transaction
	again := b.sink(t, tb)             // a new owner knows what is held
	if p, err := again.Progress(t.Context()); err != nil || p != (connector.Progress{Epoch: 3, Term: 1}) {
		t.Errorf("progress after a restart: %v %v", p, err)
	}
	write(again, 3, 2, chunk(t, tb, 90, 1))
	write(again, 5, 2, chunk(t, tb, 10, 2))
	err := s.Write(t.Context(), connector.Progress{Epoch: 6, Term: 1}, []connector.Chunk{chunk(t, tb, 10, 2)})
	if !errkind.Is(err, errkind.Conflict) || !strings.Contains(err.Error(), "taken over") {
		t.Errorf("the replaced owner: %v", err)
	}
	if err2 := s.Write(t.Context(), connector.Progress{Epoch: 7, Term: 1}, []connector.Chunk{chunk(t, tb, 10, 2)}); err2 == nil {
		t.Error("a sink that failed wrote again")
	}
	src := opened(t, tb, true)
	rows := connectortest.Read(t, src, nil, poll(t, src, nil, 1000))
	if len(rows) != 12 {
		t.Errorf("%d rows, want 12: %v", len(rows), rows)
	}
	if s.Guarantee() != connector.ExactlyOnce {
		t.Errorf("guarantee %s", s.Guarantee())
	}
}

func TestSinkRefusesChangesInJSON(t *testing.T) {
	b := start(t)
	topic := b.topic(t, "ch", 1)
	tb := b.sinkTable(topic, nil)
	s := b.sink(t, tb)
	rows := []connector.Chunk{chunk(t, tb, 0, 2, connector.Insert, connector.Delete)}
	if err := s.Write(t.Context(), connector.Progress{Epoch: 1}, rows); !errkind.Is(err, errkind.Invalid) || !strings.Contains(err.Error(), "debezium-json") {
		t.Errorf("a deletion as json: %v", err)
	}
	// The error came before anything was sent, so the sink still works.
	if err := s.Write(t.Context(), connector.Progress{Epoch: 1}, []connector.Chunk{chunk(t, tb, 0, 2)}); err != nil {
		t.Error(err)
	}
	cdc := b.sinkTable(b.topic(t, "cdc-out", 1), map[string]string{"format": "debezium-json", "sink.delivery-guarantee": "at-least-once"})
	w := b.sink(t, cdc)
	if err := w.Write(t.Context(), connector.Progress{Epoch: 1}, rows); err != nil || w.Guarantee() != connector.AtLeastOnce {
		t.Errorf("debezium-json: %v, %s", err, w.Guarantee())
	}
	src := opened(t, cdc, true)
	if got := strings.Join(connectortest.Read(t, src, nil, poll(t, src, nil, 10)), " "); got != "+I 0|v0 -D 1|v1" {
		t.Errorf("read back: %s", got)
	}
}

func TestSinkThatCannotBeOpened(t *testing.T) {
	b := start(t)
	two := b.sinkTable("a;b", nil)
	if _, err := Factory().OpenSink(t.Context(), connector.Context{Table: two, Options: two.Options, JobID: "j"}); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("two topics: %v", err)
	}
}

func FuzzProgress(f *testing.F) {
	f.Add([]byte(`{"version":1,"epoch":5,"term":2}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, value []byte) {
		if p, err := parseProgress(value); err == nil && (p.Epoch < 0 || p.Term < 0) {
			t.Fatalf("accepted %+v", p)
		}
	})
}
