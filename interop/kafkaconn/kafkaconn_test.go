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
	"github.com/weir-lake/weir/interop/peer"
	"github.com/weir-lake/weir/table/schema"
)

const rows = 250

func table(addr string) *plan.Table {
	return &plan.Table{
		Name: "events",
		Columns: []plan.TableColumn{
			{Column: plan.Column{Name: "id", Type: schema.TBigInt.WithNotNull(true)}},
			{Column: plan.Column{Name: "text", Type: schema.TString}},
		},
		Options: map[string]string{
			"connector": "kafka", "topic": "events", "properties.bootstrap.servers": addr, "format": "json",
			"key.format": "json", "key.fields": "id", "scan.startup.mode": "earliest-offset",
		},
	}
}

func sink(t *testing.T, tb *plan.Table) connector.Sink {
	t.Helper()
	s, err := kafka.Factory().OpenSink(t.Context(), connector.Context{Table: tb, Options: tb.Options, JobID: "job"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func chunk(t *testing.T, from, n int) connector.Chunk {
	t.Helper()
	s, err := connector.ArrowSchema(connector.SinkFields(table("")))
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

// Ten epochs by two owners, the first of which goes on after it was replaced: the topic
// holds every row once, and a source passes the suite over its transactions.
func TestRealBroker(t *testing.T) {
	tb := table(peer.Kafka(t).Addr)
	owner, term := sink(t, tb), int64(1)
	for epoch := range int64(10) {
		at := connector.Progress{Epoch: epoch + 1, Term: term}
		if epoch == 5 {
			replaced := owner
			owner, term = sink(t, tb), 2
			if p, err := owner.Progress(t.Context()); err != nil || p.Epoch != 5 {
				t.Fatalf("the new owner finds %v, %v", p, err)
			}
			if err := replaced.Write(t.Context(), at, []connector.Chunk{chunk(t, 125, 25)}); err == nil {
				t.Fatal("the replaced owner wrote")
			}
			at.Term = term
		}
		if err := owner.Write(t.Context(), at, []connector.Chunk{chunk(t, 25*int(epoch), 25)}); err != nil {
			t.Fatal(err)
		}
	}
	connectortest.Source(t, connectortest.SourceSpec{Rows: rows, Open: func(t *testing.T) connector.Source {
		s, err := kafka.Factory().OpenSource(t.Context(), connector.Context{Table: tb, Options: tb.Options, Bounded: true})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}})
}
