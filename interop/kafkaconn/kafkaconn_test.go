package kafkaconn_test

import (
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/connectortest"
	"github.com/weir-lake/weir/compute/connector/kafka"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/interop/peer"
	"github.com/weir-lake/weir/table/schema"
)

const rows = 250

func table(addr, topic string) *plan.Table {
	return &plan.Table{
		Name: "events",
		Columns: []plan.TableColumn{
			{Column: plan.Column{Name: "id", Type: schema.TBigInt.WithNotNull(true)}},
			{Column: plan.Column{Name: "text", Type: schema.TString}},
		},
		Options: map[string]string{
			"connector": "kafka", "topic": topic, "properties.bootstrap.servers": addr, "format": "json",
			"key.format": "json", "key.fields": "id", "scan.startup.mode": "earliest-offset",
		},
	}
}

func sink(t *testing.T, tb *plan.Table) connector.Sink {
	t.Helper()
	s, err := kafka.Factory().OpenSink(t.Context(), connector.Context{Table: tb, Options: tb.Options, JobID: "job-" + tb.Options["topic"]})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func source(t *testing.T, tb *plan.Table) connector.Source {
	t.Helper()
	s, err := kafka.Factory().OpenSource(t.Context(), connector.Context{Table: tb, Options: tb.Options, Bounded: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func chunk(t *testing.T, from, n int) connector.Chunk {
	t.Helper()
	s, err := connector.ArrowSchema(connector.SinkFields(table("", "")))
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for i := from; i < from+n; i++ {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprint("row ", i))
	}
	return connector.Chunk{Rows: b.NewRecordBatch()}
}

// Both suites on one broker; the source's reads what a sink wrote in ten transactions, of
// which every third ends with an owner that goes away.
func TestRealBroker(t *testing.T) {
	addr := peer.Kafka(t).Addr
	topics := 0
	t.Run("Sink", func(t *testing.T) {
		connectortest.Sink(t, connectortest.SinkSpec{New: func(*testing.T) connectortest.Outside {
			topics++
			tb := table(addr, fmt.Sprint("sink-", topics))
			return connectortest.Outside{
				Open:  func(t *testing.T) connector.Sink { return sink(t, tb) },
				Chunk: chunk,
				Rows: func(t *testing.T) []string {
					s := source(t, tb)
					defer s.Close()
					to, _, err := s.Poll(t.Context(), nil, 1<<20)
					if errkind.Is(err, errkind.NotFound) {
						return nil // no row was written, so the topic was not made
					}
					if err != nil {
						t.Fatal(err)
					}
					return connectortest.Read(t, s, nil, to)
				},
			}
		}})
	})
	t.Run("Source", func(t *testing.T) {
		tb := table(addr, "events")
		owner, term := sink(t, tb), int64(1)
		for epoch := range int64(10) {
			if err := owner.Write(t.Context(), connector.Progress{Epoch: epoch + 1, Term: term}, []connector.Chunk{chunk(t, 25*int(epoch), 25)}); err != nil {
				t.Fatal(err)
			}
			if epoch%3 == 2 {
				_ = owner.Close()
				owner, term = sink(t, tb), term+1
			}
		}
		_ = owner.Close()
		connectortest.Source(t, connectortest.SourceSpec{Rows: rows, Open: func(t *testing.T) connector.Source { return source(t, tb) }})
	})
}
