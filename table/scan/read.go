package scan

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/table/schema"
)

// Rows streams the rows of a plan. It is not safe for concurrent use; ctx bounds all of it.
type Rows struct {
	ctx    context.Context
	p      *Plan
	schema *arrow.Schema
	splits []Split
	cur    batches
}

// batches is a source of batches: a file or a merge.
type batches interface {
	next() (arrow.RecordBatch, error)
	release()
}

// Read starts reading the plan's rows. The caller releases the result.
func (p *Plan) Read(ctx context.Context) (*Rows, error) {
	sc, err := schema.ArrowSchema(p.Fields)
	if err != nil {
		return nil, err
	}
	return &Rows{ctx: ctx, p: p, schema: sc, splits: p.Splits}, nil
}

// Each calls fn with every batch of the plan's rows. A batch is valid during the call; an error of fn ends the reading.
func (p *Plan) Each(ctx context.Context, fn func(rec arrow.RecordBatch) error) error {
	rows, err := p.Read(ctx)
	if err != nil {
		return err
	}
	defer rows.Release()
	for {
		rec, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = fn(rec)
			rec.Release()
		}
		if err != nil {
			return err
		}
	}
}

// Schema of the batches.
func (r *Rows) Schema() *arrow.Schema { return r.schema }

// Next returns the next batch, which the caller releases, or io.EOF.
func (r *Rows) Next() (arrow.RecordBatch, error) {
	for {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		if r.cur == nil {
			if len(r.splits) == 0 {
				return nil, io.EOF
			}
			cur, err := r.p.x.openSplit(r.ctx, r.p, r.splits[0])
			if err != nil {
				return nil, fmt.Errorf("read snapshot %d: %w", r.p.Snapshot.ID, err)
			}
			r.cur, r.splits = cur, r.splits[1:]
		}
		rec, err := r.cur.next()
		if err == nil {
			return narrow(rec, r.schema), nil
		}
		if !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read snapshot %d: %w", r.p.Snapshot.ID, err)
		}
		r.cur.release()
		r.cur = nil
	}
}

// Release ends reading.
func (r *Rows) Release() {
	if r.cur != nil {
		r.cur.release()
		r.cur = nil
	}
	r.splits = nil
}

// narrow drops the columns after those of sc, which only merging needed. It takes rec over.
func narrow(rec arrow.RecordBatch, sc *arrow.Schema) arrow.RecordBatch {
	n := sc.NumFields()
	if int(rec.NumCols()) == n {
		return rec
	}
	defer rec.Release()
	return array.NewRecordBatch(sc, rec.Columns()[:n], rec.NumRows())
}

// openSplit reads the files one after the other when they hold each key once, else merges them.
func (x *Scanner) openSplit(ctx context.Context, p *Plan, s Split) (batches, error) {
	fields, prune := p.Fields, p.req.Filter
	if s.Raw || !x.schema.HasPrimaryKey() {
		return &plainFiles{fileRun{ctx: ctx, x: x, files: s.Files, fields: fields, prune: prune}}, nil
	}
	merging, err := MergeFields(x.schema, fields)
	if err != nil {
		return nil, err
	}
	m, err := x.merger(ctx, s.Files, merging, keyFilter(x.schema, prune))
	if err != nil {
		return nil, err
	}
	return merged{m}, nil
}

// plainFiles reads files one after the other.
type plainFiles struct{ fileRun }

func (f *plainFiles) next() (arrow.RecordBatch, error) { return f.Next() }
func (f *plainFiles) release()                         { f.Release() }

type merged struct {
	m interface {
		Next() (arrow.RecordBatch, error)
		Release()
	}
}

func (m merged) next() (arrow.RecordBatch, error) { return m.m.Next() }
func (m merged) release()                         { m.m.Release() }
