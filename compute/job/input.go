package job

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/internal/errkind"
)

// input is one source of a job's dataflow: a scan of a table of the warehouse or of a connector
// table. It turns rows as they come into the scan's columns with weights, and keeps the
// event-time watermark.
type input struct {
	index int // in the dataflow's sources
	scan  *plan.Scan

	// Exactly one of the two is set.
	table *tableReader
	conn  *connInput

	need      []int      // indexes into Table.Columns of the physical columns fetched
	out       []outCol   // of the scan's columns
	watermark expr.Expr  // over the fetched columns; nil: the table declares none
	now       *time.Time // the watermark reached; nil: none yet
}

// outCol is a fetched column or one computed from them.
type outCol struct {
	fetched  int
	computed expr.Expr
}

// connInput is a connector source with its lock: the coordinator polls it while the runner may read.
type connInput struct {
	mu      sync.Mutex
	src     connector.Source
	offsets connector.Offsets // read up to here by the runner
	polled  connector.Offsets // recorded in the log up to here by the coordinator
	replays []string          // sets of rows taken besides, by the runner
	// ended: the runner has taken the source's end; exhausted: the log has recorded it.
	ended, exhausted bool
}

// newInput works out which columns a scan fetches and computes.
func newInput(index int, scan *plan.Scan) (*input, error) {
	in := &input{index: index, scan: scan}
	cols := scan.Table.Columns
	at := map[int]int{} // table column -> fetched position
	fetch := func(c int) {
		if _, ok := at[c]; !ok && cols[c].Computed == nil {
			at[c] = len(in.need)
			in.need = append(in.need, c)
		}
	}
	used := slices.Clone(scan.Out)
	if wm := scan.Table.Watermark; wm != nil {
		used = expr.Columns(used, wm.Expr)
	}
	// Computed columns may build on computed ones; the binder orders them, so one pass each
	// way suffices, but following references is simpler to be sure of.
	for i := 0; i < len(used); i++ {
		if c := cols[used[i]]; c.Computed != nil {
			used = expr.Columns(used, c.Computed)
		}
	}
	slices.Sort(used)
	for _, c := range slices.Compact(used) {
		fetch(c)
	}
	if len(in.need) == 0 { // COUNT(*) fetches something to count
		for c := range cols {
			if cols[c].Computed == nil {
				fetch(c)
				break
			}
		}
	}
	resolve := func(e expr.Expr) (expr.Expr, error) { return overFetched(e, cols, at, 0) }
	for _, c := range scan.Out {
		if p, ok := at[c]; ok {
			in.out = append(in.out, outCol{fetched: p})
			continue
		}
		e, err := resolve(cols[c].Computed)
		if err != nil {
			return nil, err
		}
		in.out = append(in.out, outCol{fetched: -1, computed: e})
	}
	if wm := scan.Table.Watermark; wm != nil {
		e, err := resolve(wm.Expr)
		if err != nil {
			return nil, err
		}
		in.watermark = e
	}
	return in, nil
}

// computedDepthMax bounds computed columns that build on each other; a cycle is refused at CREATE.
const computedDepthMax = 32

// overFetched rewrites an expression over a table's columns to one over the fetched ones.
func overFetched(e expr.Expr, cols []plan.TableColumn, at map[int]int, depth int) (expr.Expr, error) {
	if depth > computedDepthMax {
		return nil, errkind.New(errkind.Invalid, "computed columns refer to each other in a circle")
	}
	var failed error
	out := expr.Rewrite(e, func(x expr.Expr) expr.Expr {
		c, ok := x.(*expr.Column)
		if !ok {
			return x
		}
		if p, ok := at[c.Index]; ok {
			return &expr.Column{Index: p, Name: c.Name, T: c.T}
		}
		sub, err := overFetched(cols[c.Index].Computed, cols, at, depth+1)
		if err != nil {
			failed = err
			return x
		}
		return sub
	})
	return out, failed
}

// delta turns fetched rows into the scan's columns. Kinds are as in connector.Chunk. It takes
// no ownership of rows; the caller releases the result's.
func (in *input) delta(rows arrow.RecordBatch, kinds []int8, env *expr.Env) (stream.Delta, error) {
	if err := in.observe(rows, env); err != nil {
		return stream.Delta{}, err
	}
	fields := make([]arrow.Field, len(in.out))
	arrs := make([]arrow.Array, len(in.out))
	defer func() {
		for _, a := range arrs {
			if a != nil {
				a.Release()
			}
		}
	}()
	for i, c := range in.scan.Columns() {
		t, err := c.Type.ArrowType()
		if err != nil {
			return stream.Delta{}, err
		}
		fields[i] = arrow.Field{Name: c.Name, Type: t, Nullable: !c.Type.NotNull}
		if o := in.out[i]; o.computed != nil {
			if arrs[i], err = expr.Eval(o.computed, rows, env); err != nil {
				return stream.Delta{}, fmt.Errorf("computed column %s of %s: %w", c.Name, in.scan.Table.Name, err)
			}
		} else {
			arrs[i] = rows.Column(o.fetched)
			arrs[i].Retain()
		}
	}
	d := stream.Delta{Rows: array.NewRecordBatch(arrow.NewSchema(fields, nil), arrs, rows.NumRows())}
	if kinds != nil {
		d.Weights = make([]int32, len(kinds))
		for i, k := range kinds {
			d.Weights[i] = 1
			if k == connector.UpdateBefore || k == connector.Delete {
				d.Weights[i] = -1
			}
		}
	}
	return d, nil
}

// observe raises the watermark to the greatest value of its expression over the rows.
func (in *input) observe(rows arrow.RecordBatch, env *expr.Env) error {
	if in.watermark == nil || rows.NumRows() == 0 {
		return nil
	}
	a, err := expr.Eval(in.watermark, rows, env)
	if err != nil {
		return fmt.Errorf("watermark of %s: %w", in.scan.Table.Name, err)
	}
	defer a.Release()
	ts, ok := a.(*array.Timestamp)
	if !ok {
		return errkind.Errorf(errkind.Invalid, "watermark of %s has type %s, not a timestamp", in.scan.Table.Name, a.DataType())
	}
	unit := ts.DataType().(*arrow.TimestampType).Unit
	var greatest arrow.Timestamp
	found := false
	for i := range ts.Len() {
		if ts.IsValid(i) && (!found || ts.Value(i) > greatest) {
			greatest, found = ts.Value(i), true
		}
	}
	if found {
		in.raise(greatest.ToTime(unit))
	}
	return nil
}

// raise moves the watermark forward, never back.
func (in *input) raise(t time.Time) {
	if in.now == nil || t.After(*in.now) {
		t = t.UTC()
		in.now = &t
	}
}

// readConn streams the connector's rows of [from, to) as deltas and hands dead letters on.
func (in *input) readConn(ctx context.Context, from, to connector.Offsets, env *expr.Env, fn func(stream.Delta, []connector.DeadLetter) error) error {
	in.conn.mu.Lock()
	defer in.conn.mu.Unlock()
	return in.conn.src.Read(ctx, from, to, func(c connector.Chunk) error {
		var d stream.Delta
		if c.Rows != nil && c.Rows.NumRows() > 0 {
			picked, err := in.pick(c.Rows)
			if err != nil {
				return err
			}
			defer picked.Release()
			if d, err = in.delta(picked, c.Kinds, env); err != nil {
				return err
			}
		}
		return fn(d, c.Dead)
	})
}

// pick selects the fetched columns from a chunk, which has all physical and metadata columns.
func (in *input) pick(rows arrow.RecordBatch) (arrow.RecordBatch, error) {
	pos, n := map[int]int{}, 0
	for c, col := range in.scan.Table.Columns {
		if col.Computed == nil {
			pos[c] = n
			n++
		}
	}
	if int(rows.NumCols()) != n {
		return nil, errkind.Errorf(errkind.Bug, "source of %s gave %d columns, the table has %d", in.scan.Table.Name, rows.NumCols(), n)
	}
	fields, arrs := make([]arrow.Field, len(in.need)), make([]arrow.Array, len(in.need))
	for i, c := range in.need {
		fields[i], arrs[i] = rows.Schema().Field(pos[c]), rows.Column(pos[c])
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), arrs, rows.NumRows()), nil
}

// neededNames are the names of the fetched columns, for reading a table of the warehouse.
func (in *input) neededNames() []string {
	names := make([]string, len(in.need))
	for i, c := range in.need {
		names[i] = in.scan.Table.Columns[c].Name
	}
	return names
}
