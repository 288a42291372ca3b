package olap

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// fetch says which stored columns a scan needs and how its own come from them.
type fetch struct {
	table *plan.Table
	need  []int    // indexes into the table's columns, ascending; at least one
	cols  []outCol // of the scan
}

// outCol is a fetched column, or one computed from fetched ones.
type outCol struct {
	fetched  int       // place in need; -1: computed
	computed expr.Expr // over need
	uses     []int     // places in need that it is made of
}

// fetchOf works out what a scan needs.
func fetchOf(sc *plan.Scan) (*fetch, error) {
	cols := sc.Table.Columns
	var used []int
	for _, c := range sc.Out {
		if e := cols[c].Computed; e != nil {
			used = expr.Columns(used, e)
		} else {
			used = append(used, c)
		}
	}
	slices.Sort(used)
	f := &fetch{table: sc.Table, need: slices.Compact(used)}
	if len(f.need) == 0 { // something to count rows by
		i := slices.IndexFunc(cols, func(c plan.TableColumn) bool { return c.Computed == nil })
		if i < 0 {
			return nil, errkind.Errorf(errkind.Invalid, "table %s.%s has computed columns only", sc.Table.Database, sc.Table.Name)
		}
		f.need = []int{i}
	}
	for _, c := range sc.Out {
		if cols[c].Computed == nil {
			i, _ := slices.BinarySearch(f.need, c)
			f.cols = append(f.cols, outCol{fetched: i, uses: []int{i}})
			continue
		}
		o := outCol{fetched: -1}
		o.computed = plan.MapColumns(cols[c].Computed, func(col *expr.Column) expr.Expr {
			i, _ := slices.BinarySearch(f.need, col.Index)
			return &expr.Column{Index: i, Name: col.Name, T: col.T}
		})
		o.uses = expr.Columns(nil, o.computed)
		f.cols = append(f.cols, o)
	}
	return f, nil
}

// plain reports whether the scan's columns are exactly stored ones, in the order of need.
func (f *fetch) plain() bool {
	for i, c := range f.cols {
		if c.fetched != i {
			return false
		}
	}
	return true
}

// names are the names of the needed columns.
func (f *fetch) names() []string {
	out := make([]string, len(f.need))
	for i, c := range f.need {
		out[i] = f.table.Columns[c].Name
	}
	return out
}

// source is one pass over stored rows. next gives io.EOF at the end; its batches are the caller's.
type source struct {
	next  func() (arrow.RecordBatch, error)
	close func()
}

// arrow makes a scan's input from passes over its stored columns; open starts one that returns the columns
// at the given places of fetch.need.
func (x *resolver) arrow(sc *plan.Scan, f *fetch, rows int64, open func(ctx context.Context, need []int) (source, error)) (*duck.ArrowInput, error) {
	cols, outs := sc.Columns(), f.cols
	if len(cols) == 0 { // the worker counts the rows of one column
		cols, outs = []plan.Column{sc.Table.Columns[f.need[0]].Column}, []outCol{{fetched: 0, uses: []int{0}}}
	}
	fields := make([]schema.Field, len(cols))
	for i, c := range cols {
		fields[i] = schema.Field{ID: i, Name: c.Name, Type: c.Type}
	}
	all, err := schema.ArrowSchema(fields)
	if err != nil {
		return nil, err
	}
	return &duck.ArrowInput{Schema: all, Rows: rows, Open: func(ctx context.Context, columns []int) (array.RecordReader, error) {
		m := newMapping(all, outs, columns)
		src, err := open(ctx, m.need)
		if err != nil {
			return nil, err
		}
		return newReader(m.schema, source{close: src.close, next: func() (arrow.RecordBatch, error) {
			b, err := src.next()
			if err != nil {
				return nil, err
			}
			defer b.Release()
			return m.apply(b, &x.env)
		}}), nil
	}}, nil
}

// mapping makes some of a scan's columns from the stored ones they need.
type mapping struct {
	schema *arrow.Schema
	need   []int    // places in fetch.need
	outs   []outCol // over need
}

func newMapping(all *arrow.Schema, outs []outCol, columns []int) mapping {
	var m mapping
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = all.Field(c)
		m.need = append(m.need, outs[c].uses...)
	}
	slices.Sort(m.need)
	m.need = slices.Compact(m.need)
	if len(m.need) == 0 { // constants only: rows still have to be counted
		m.need = []int{0}
	}
	for _, c := range columns {
		o := outs[c]
		if o.computed == nil {
			o.fetched, _ = slices.BinarySearch(m.need, o.fetched)
		} else {
			o.computed = plan.MapColumns(o.computed, func(col *expr.Column) expr.Expr {
				i, _ := slices.BinarySearch(m.need, col.Index)
				return &expr.Column{Index: i, Name: col.Name, T: col.T}
			})
		}
		m.outs = append(m.outs, o)
	}
	m.schema = arrow.NewSchema(fields, nil)
	return m
}

func (m *mapping) apply(b arrow.RecordBatch, env *expr.Env) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, len(m.outs))
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i, o := range m.outs {
		if o.computed == nil {
			cols[i] = b.Column(o.fetched)
			cols[i].Retain()
			continue
		}
		var err error
		if cols[i], err = expr.Eval(o.computed, b, env); err != nil {
			return nil, fmt.Errorf("computed column %s: %w", m.schema.Field(i).Name, err)
		}
	}
	return array.NewRecordBatch(m.schema, cols, b.NumRows()), nil
}

// pull turns a reader that calls back into one that is asked. The reader runs one batch ahead.
func pull(ctx context.Context, read func(ctx context.Context, fn func(arrow.RecordBatch) error) error) source {
	ctx, stop := context.WithCancel(ctx)
	batches, ended := make(chan arrow.RecordBatch), make(chan error, 1)
	go func() {
		defer close(batches)
		ended <- read(ctx, func(b arrow.RecordBatch) error {
			select {
			case batches <- b:
				return nil
			case <-ctx.Done():
				b.Release()
				return ctx.Err()
			}
		})
	}()
	return source{
		next: func() (arrow.RecordBatch, error) {
			if b, ok := <-batches; ok {
				return b, nil
			}
			if err := <-ended; err != nil {
				return nil, err
			}
			ended <- nil // asked again, it is still the end
			return nil, io.EOF
		},
		close: func() {
			stop()
			for b := range batches {
				b.Release()
			}
		},
	}
}

// reader is a source as Arrow's reader.
type reader struct {
	schema *arrow.Schema
	src    source
	cur    arrow.RecordBatch
	err    error
	refs   atomic.Int64
}

func newReader(s *arrow.Schema, src source) *reader {
	r := &reader{schema: s, src: src}
	r.refs.Store(1)
	return r
}

// Schema implements array.RecordReader.
func (r *reader) Schema() *arrow.Schema { return r.schema }

// RecordBatch implements array.RecordReader.
func (r *reader) RecordBatch() arrow.RecordBatch { return r.cur }

// Record implements array.RecordReader.
func (r *reader) Record() arrow.RecordBatch { return r.cur }

// Err implements array.RecordReader.
func (r *reader) Err() error { return r.err }

// Retain implements array.RecordReader.
func (r *reader) Retain() { r.refs.Add(1) }

// Next implements array.RecordReader.
func (r *reader) Next() bool {
	r.drop()
	if r.err != nil {
		return false
	}
	b, err := r.src.next()
	if err != nil {
		if err != io.EOF {
			r.err = err
		}
		return false
	}
	r.cur = b
	return true
}

func (r *reader) drop() {
	if r.cur != nil {
		r.cur.Release()
		r.cur = nil
	}
}

// Release implements array.RecordReader.
func (r *reader) Release() {
	if r.refs.Add(-1) == 0 {
		r.drop()
		r.src.close()
	}
}
