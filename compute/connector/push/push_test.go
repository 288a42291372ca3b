package push

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/connectortest"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

var fields = []connector.Field{{Name: "id", Type: schema.TBigInt}, {Name: "s", Type: schema.TString}}

func records(t testing.TB, b *Buffer, from, n int) arrow.RecordBatch {
	t.Helper()
	rb := array.NewRecordBuilder(memory.DefaultAllocator, b.Schema())
	defer rb.Release()
	for i := range n {
		rb.Field(0).(*array.Int64Builder).Append(int64(from + i))
		rb.Field(1).(*array.StringBuilder).Append(fmt.Sprint("row ", from+i))
	}
	return rb.NewRecordBatch()
}

func buffer(t testing.TB, opts Options) *Buffer {
	t.Helper()
	if opts.Incarnation == "" {
		opts.Incarnation = "t1"
	}
	b, err := NewBuffer(fields, opts)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func push(t testing.TB, b *Buffer, from, n int, kinds []int8) *Ticket {
	t.Helper()
	r := records(t, b, from, n)
	defer r.Release()
	tk, err := b.Push(r, kinds)
	if err != nil {
		t.Fatal(err)
	}
	return tk
}

func TestConformance(t *testing.T) {
	connectortest.Source(t, connectortest.SourceSpec{
		Rows: 60, Unbounded: true,
		Open: func(t *testing.T) connector.Source {
			b := buffer(t, Options{})
			for i := range 30 {
				push(t, b, 2*i, 2, []int8{connector.Insert, connector.Delete})
			}
			return b
		},
	})
}

func TestTicketIsDoneOnlyWhenItsRowsAreCommitted(t *testing.T) {
	b := buffer(t, Options{})
	first, second := push(t, b, 0, 3, nil), push(t, b, 3, 2, nil)
	<-b.Wake()
	to, _, err := b.Poll(t.Context(), nil, 1)
	if err != nil || to[split] != "t1/3" {
		t.Fatalf("poll: %v %v; a request is not cut", to, err)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if err := first.Wait(done); !errors.Is(err, context.Canceled) {
		t.Fatalf("acknowledged before the commit: %v", err)
	}
	if err := b.Commit(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	if err := first.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(done); !errors.Is(err, context.Canceled) {
		t.Fatalf("the second request is not committed: %v", err)
	}
	if n := b.Waiting(); n != 2 {
		t.Errorf("%d rows wait, want 2", n)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(t.Context()); !errors.Is(err, ErrNotCommitted) {
		t.Errorf("closed: %v", err)
	}
	r := records(t, b, 0, 1)
	defer r.Release()
	if _, err := b.Push(r, nil); !errors.Is(err, ErrNotCommitted) {
		t.Errorf("push after close: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestAnotherIncarnationReadsAsEmpty(t *testing.T) {
	b := buffer(t, Options{Incarnation: "t2"})
	old := connector.Offsets{split: "t1/40"}
	if to, _, err := b.Poll(t.Context(), old, 10); err != nil || !connectortest.Equal(to, old) {
		t.Fatalf("poll of an empty buffer: %v %v", to, err)
	}
	push(t, b, 0, 5, nil)
	to, _, err := b.Poll(t.Context(), old, 10)
	if err != nil || to[split] != "t2/5" {
		t.Fatalf("poll: %v %v", to, err)
	}
	if rows := connectortest.Read(t, b, old, to); len(rows) != 5 {
		t.Errorf("%d rows, want 5", len(rows))
	}
	if rows := connectortest.Read(t, b, connector.Offsets{split: "t1/30"}, old); len(rows) != 0 {
		t.Errorf("rows of the earlier incarnation: %v", rows)
	}
	if _, _, err := b.Poll(t.Context(), connector.Offsets{split: "nonsense"}, 1); !errkind.Is(err, errkind.Corrupt) {
		t.Errorf("bad position: %v", err)
	}
}

func TestLimits(t *testing.T) {
	b := buffer(t, Options{MaxRows: 10})
	push(t, b, 0, 8, nil)
	r := records(t, b, 0, 3)
	defer r.Release()
	if _, err := b.Push(r, nil); !errors.Is(err, ErrFull) || b.Waiting() != 8 {
		t.Errorf("over the limit: %v, %d rows wait", err, b.Waiting())
	}
	big := records(t, b, 0, 11)
	defer big.Release()
	if _, err := b.Push(big, nil); !errkind.Is(err, errkind.Invalid) || !strings.Contains(err.Error(), "smaller batches") {
		t.Errorf("larger than the buffer: %v", err)
	}
	small := buffer(t, Options{MaxBytes: 1})
	if _, err := small.Push(r, nil); !errkind.Is(err, errkind.Invalid) {
		t.Errorf("bytes: %v", err)
	}
	if _, err := b.Push(r, []int8{0}); err == nil {
		t.Error("one kind for three rows was taken")
	}
	other, err := NewBuffer(fields[:1], Options{Incarnation: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Push(r, nil); err == nil {
		t.Error("a record of another schema was taken")
	}
}

// Many senders and one job: every row is read once, in an order that keeps requests whole.
func TestConcurrentPushes(t *testing.T) {
	b := buffer(t, Options{MaxRows: 1 << 20})
	const senders, each, rows = 8, 50, 3
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				if err := push(t, b, (s*each+i)*rows, rows, nil).Wait(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen := map[string]bool{}
	var from connector.Offsets
	for len(seen) < senders*each*rows {
		<-b.Wake()
		for {
			to, _, err := b.Poll(t.Context(), from, 10)
			if err != nil {
				t.Fatal(err)
			}
			if connectortest.Equal(from, to) {
				break
			}
			for _, r := range connectortest.Read(t, b, from, to) {
				if seen[r] {
					t.Fatalf("read twice: %s", r)
				}
				seen[r] = true
			}
			if err := b.Commit(t.Context(), to); err != nil {
				t.Fatal(err)
			}
			from = to
		}
	}
	wg.Wait()
	if b.Waiting() != 0 {
		t.Errorf("%d rows wait after all were committed", b.Waiting())
	}
}
