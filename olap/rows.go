package olap

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
)

// rows is a running query's result. It gives everything back at its end.
type rows struct {
	s     *Service
	rec   *record
	ctx   context.Context // of the query
	cols  []plan.Column
	cut   *session.Cut
	res   *duck.Result
	lost  func(context.Context) error
	done  []func() // what to give back, last first
	exact bool     // the rows are not for a person: no limits
	ended bool
}

func (r *rows) onClose(fn func()) { r.done = append(r.done, fn) }

// free gives back what the query holds.
func (r *rows) free() {
	for i := len(r.done) - 1; i >= 0; i-- {
		r.done[i]()
	}
	r.done = nil
}

// Columns implements session.Rows.
func (r *rows) Columns() []plan.Column { return r.cols }

// Cut implements session.Rows.
func (r *rows) Cut() *session.Cut { return r.cut }

// QueryID names the query for Cancel.
func (r *rows) QueryID() string { return r.rec.info.ID }

// About tells who answers, and what a change would cost the query as a stream.
func (r *rows) About() (engine, class string) { return r.rec.info.Engine, r.rec.info.Class }

// Next implements session.Rows. ctx ends only this wait's query as a whole: a result half read is of no use.
func (r *rows) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if r.ended {
		return nil, io.EOF
	}
	stop := context.AfterFunc(ctx, func() { r.rec.cancel(context.Cause(ctx)) })
	defer stop()
	b, err := r.res.Next()
	if errors.Is(err, io.EOF) {
		r.end(nil)
		return nil, io.EOF
	}
	if err != nil {
		err = ended(r.ctx, err)
		if !errkind.Is(err, errkind.Canceled) {
			if gone := r.lost(r.ctx); gone != nil {
				err = gone
			}
		}
		r.end(err)
		return nil, err
	}
	n, bytes := r.s.queries.count(r.rec, b.NumRows(), sizeOf(b))
	if err := r.over(n, bytes); err != nil {
		b.Release()
		r.end(err)
		return nil, err
	}
	return b, nil
}

// over says that a result is too large. What goes into a table, or is compared with one, may have any size.
func (r *rows) over(n, bytes int64) error {
	o := &r.s.opts
	switch {
	case r.exact:
		return nil
	case o.RowsMax > 0 && n > o.RowsMax:
		return errOver("rows", o.RowsMax)
	case bytes > o.BytesMax:
		return errOver("bytes", o.BytesMax)
	}
	return nil
}

func sizeOf(b arrow.RecordBatch) int64 {
	var n int64
	for _, c := range b.Columns() {
		n += int64(c.Data().SizeInBytes())
	}
	return n
}

var errUnread = errkind.New(errkind.Canceled, "query: its rows were not read to the end")

// Close implements session.Rows; it may be called more than once.
func (r *rows) Close() error {
	r.end(errUnread)
	return nil
}

func (r *rows) end(err error) {
	if r.ended {
		return
	}
	r.ended = true
	_ = r.res.Close() // what it could report was reported by Next
	r.free()
	r.s.queries.end(r.rec, err)
}
