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

func TestSinkConformance(t *testing.T) {
	b := start(t)
	n := 0
	connectortest.Sink(t, connectortest.SinkSpec{New: func(t *testing.T) connectortest.Outside {
		n++
		topic := b.topic(t, fmt.Sprint("out-", n), 2)
		tb := b.sinkTable(topic, map[string]string{
			"key.format": "json", "key.fields": "id", "sink.transactional-id-prefix": b.prefix + topic, "sink.progress-topic": b.prefix + "progress",
		})
		return connectortest.Outside{
			Open: func(t *testing.T) connector.Sink {
				s, err := Factory().OpenSink(t.Context(), connector.Context{Table: tb, Options: tb.Options, JobID: "job-1"})
				if err != nil {
					t.Fatal(err)
				}
				return s
			},
			Chunk: func(t *testing.T, from, n int) connector.Chunk { return chunk(t, tb, from, n) },
			Rows: func(t *testing.T) []string {
				src := opened(t, tb, true)
				return connectortest.Read(t, src, nil, poll(t, src, nil, 1000))
			},
		}
	}})
}

// After an error it is not known whether the transaction was committed: the sink stays shut.
func TestSinkStaysShutAfterAnError(t *testing.T) {
	b := start(t)
	tb := b.sinkTable(b.topic(t, "shut", 1), nil)
	old := b.sink(t, tb)
	b.sink(t, tb) // takes the transactional id
	rows := []connector.Chunk{chunk(t, tb, 0, 1)}
	first := old.Write(t.Context(), connector.Progress{Epoch: 1, Term: 1}, rows)
	if !errkind.Is(first, errkind.Conflict) || !strings.Contains(first.Error(), "taken over") {
		t.Errorf("the replaced owner: %v", first)
	}
	if err := old.Write(t.Context(), connector.Progress{Epoch: 2, Term: 9}, rows); err != first {
		t.Errorf("written again: %v", err)
	}
	if _, err := old.Progress(t.Context()); err != first {
		t.Errorf("progress after an error: %v", err)
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
