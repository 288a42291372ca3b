package duck

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/util"

	"github.com/weir-lake/weir/compute/duck/internal/wire"
	"github.com/weir-lake/weir/internal/errkind"
)

const (
	// batchRowsMax and batchBytesMax cut long input batches, so that a credit stands for a
	// bounded amount of memory and several threads of the worker find work.
	batchRowsMax  = 32 << 10
	batchBytesMax = 8 << 20
	// creditsMax bounds what a worker may ask ahead.
	creditsMax = 16
)

// pump sends one pass over an input to the worker, one batch per credit.
type pump struct {
	ctx     context.Context
	stop    context.CancelFunc
	w       *wire.Writer
	stream  uint32
	in      ArrowInput
	columns []int
	credits chan struct{}

	mu  sync.Mutex
	err error // of the input; guarded by mu
}

func newPump(ctx context.Context, w *wire.Writer, stream uint32, in ArrowInput, columns []int) *pump {
	p := &pump{w: w, stream: stream, in: in, columns: columns, credits: make(chan struct{}, creditsMax)}
	p.ctx, p.stop = context.WithCancel(ctx)
	return p
}

// credit allows one more batch. More than creditsMax unused ones are a broken
// peer's and are dropped, which stops that peer only.
func (p *pump) credit() {
	select {
	case p.credits <- struct{}{}:
	default:
	}
}

func (p *pump) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *pump) run() {
	defer p.stop()
	err := p.send()
	if err == nil || p.ctx.Err() != nil {
		return // complete, or nobody wants it any more
	}
	p.mu.Lock()
	p.err = err
	p.mu.Unlock()
	// A write error means that the worker has gone, which its end will tell.
	_ = p.w.WriteJSON(wire.Fault, p.stream, wire.FailedMsg{Kind: errkind.Of(err), Text: err.Error()})
}

var errUnwanted = errors.New("duck: the worker closed the input")

func (p *pump) await() error {
	select {
	case <-p.credits:
		return nil
	case <-p.ctx.Done():
		return errUnwanted
	}
}

func (p *pump) send() error {
	want, err := p.schema()
	if err != nil {
		return err
	}
	reader, err := p.in.Open(p.ctx, p.columns)
	if err != nil {
		return fmt.Errorf("open query input: %w", err)
	}
	defer reader.Release()
	pieces := &wire.Pieces{W: p.w, Kind: wire.Data, Stream: p.stream}
	out := ipc.NewWriter(pieces, ipc.WithSchema(want))
	for {
		if err := p.await(); err != nil {
			return err
		}
		if !reader.Next() {
			break
		}
		if err := p.sendBatch(out, pieces, want, reader.RecordBatch()); err != nil {
			return err
		}
	}
	if err := reader.Err(); err != nil {
		return fmt.Errorf("read query input: %w", err)
	}
	if err := errors.Join(out.Close(), pieces.Flush()); err != nil {
		return fmt.Errorf("send query input: %w", err)
	}
	return p.w.Write(wire.End, p.stream, nil)
}

// sendBatch uses the credit already taken for the first cut and awaits one for each other.
func (p *pump) sendBatch(out *ipc.Writer, pieces *wire.Pieces, want *arrow.Schema, b arrow.RecordBatch) error {
	if err := sameColumns(want, b.Schema()); err != nil {
		return err
	}
	cutRows := rowsPerCut(b)
	for from := int64(0); from == 0 || from < b.NumRows(); from += cutRows {
		if from > 0 {
			if err := p.await(); err != nil {
				return err
			}
		}
		cut := array.NewRecordBatch(want, b.Columns(), b.NumRows())
		part := cut.NewSlice(from, min(from+cutRows, b.NumRows()))
		cut.Release()
		err := out.Write(part)
		part.Release()
		if err == nil {
			err = pieces.Flush()
		}
		if err != nil {
			return fmt.Errorf("send query input: %w", err)
		}
	}
	return nil
}

// rowsPerCut is how many rows of b make a cut of the wanted size, if all are alike.
func rowsPerCut(b arrow.RecordBatch) int64 {
	if b.NumRows() == 0 {
		return batchRowsMax
	}
	rowBytes := max(1, util.TotalRecordSize(b)/b.NumRows())
	return max(1, min(batchRowsMax, batchBytesMax/rowBytes))
}

// schema is that of the asked columns.
func (p *pump) schema() (*arrow.Schema, error) {
	fields := make([]arrow.Field, len(p.columns))
	for i, c := range p.columns {
		if c < 0 || c >= p.in.Schema.NumFields() {
			return nil, errkind.Errorf(errkind.Bug, "duck: worker asks for column %d of %d", c, p.in.Schema.NumFields())
		}
		fields[i] = p.in.Schema.Field(c)
	}
	return arrow.NewSchema(fields, nil), nil
}

// sameColumns refuses a reader that does not keep its input's promise: DuckDB would
// read the buffers with the wrong type.
func sameColumns(want, got *arrow.Schema) error {
	if want.NumFields() != got.NumFields() {
		return errkind.Errorf(errkind.Bug, "duck: query input has %d columns, %d were asked for", got.NumFields(), want.NumFields())
	}
	for i, f := range want.Fields() {
		if !arrow.TypeEqual(f.Type, got.Field(i).Type) {
			return errkind.Errorf(errkind.Bug, "duck: column %s of a query input is %s, announced as %s", f.Name, got.Field(i).Type, f.Type)
		}
	}
	return nil
}
