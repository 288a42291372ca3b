package lineage

import (
	"context"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/schema"
)

// Tables are the tables of database sys that lineage computes. docs/lineage.md says what each column means.
func (x *Index) Tables() map[string]session.SystemTable {
	str, num, yes, ts := schema.TString, schema.TBigInt, schema.TBoolean, schema.TTimestampLTZ(3)
	made := []any{"table_name", str, "snapshot", num, "kind", str, "writer", str, "job", str, "commit_user", str, "epoch", num, "committed", ts,
		"input", str, "input_kind", str, "input_version", str, "input_from", num, "input_snapshot", num, "input_committed", ts,
		"split", str, "position_from", str, "position", str, "delay_ms", num}
	return map[string]session.SystemTable{
		"table_lineage": &sysTable{cols: columns("source", str, "target", str, "job", str, "kind", str, "state", str, "snapshot", num,
			"source_version", str, "delay_last_ms", num, "delay_p50_ms", num, "delay_p99_ms", num), rows: x.edgeRows},
		"table_origins": &sysTable{cols: columns("source", str, "target", str, "depth", num), rows: x.tableReachRows},
		"column_lineage": &sysTable{cols: columns("source_table", str, "source_column", str, "target_table", str, "target_column", str,
			"kind", str, "direct", yes, "job", str), rows: x.columnRows},
		"column_origins": &sysTable{cols: columns("source_table", str, "source_column", str, "target_table", str, "target_column", str,
			"kind", str, "direct", yes, "depth", num), rows: x.reachRows},
		"snapshot_lineage": &sysTable{cols: columns(made...), rows: x.snapshotRows},
		"snapshot_origins": &sysTable{cols: columns(slices.Concat([]any{"root_table", str, "root_snapshot", num, "newest", yes, "depth", num}, made)...),
			rows: x.originRows},
		"freshness": &sysTable{cols: columns("table_name", str, "writer", str, "job", str, "state", str, "snapshot", num, "epoch", num, "pending", num,
			"watermark", ts, "last_commit", ts, "age_ms", num), rows: x.freshnessRows},
		"jobs": &sysTable{cols: columns("id", str, "name", str, "state", str, "sink", str, "epoch", num, "pending", num, "rows_in", num,
			"rows_out", num, "watermark", ts, "error", str), rows: x.jobRows},
	}
}

func columns(pairs ...any) []plan.Column {
	var out []plan.Column
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, plan.Column{Name: pairs[i].(string), Type: pairs[i+1].(schema.Type)})
	}
	return out
}

// sysTable is a computed table: rows of string, int64, bool, *time.Time or nil; an empty string is NULL.
type sysTable struct {
	cols []plan.Column
	rows func(ctx context.Context, w where) ([][]any, error)
}

// where are the conditions of a query that rows may make use of.
type where struct{ and predicate.And }

// only are the values that a column is asked for; ok is false where it may have any.
func (w where) only(column string) (values []any, ok bool) {
	for _, c := range w.and {
		if c.Column == column && (c.Op == predicate.Eq || c.Op == predicate.In) {
			return c.Values, true
		}
	}
	return nil, false
}

// text are the strings that a column is asked for.
func (w where) text(column string) ([]string, bool) {
	values, ok := w.only(column)
	var out []string
	for _, v := range values {
		if s, is := v.(string); is {
			out = append(out, s)
		}
	}
	return out, ok
}

// may reports whether a row with that value may be asked for.
func (w where) may(column string, value any) bool {
	values, ok := w.only(column)
	return !ok || slices.Contains(values, value)
}

// most is the greatest value of a number that is asked for; 0: any.
func (w where) most(column string) int {
	most := 0
	for _, c := range w.and {
		if c.Column != column || len(c.Values) != 1 {
			continue
		}
		n, is := c.Values[0].(int64)
		if !is {
			continue
		}
		switch c.Op {
		case predicate.Eq, predicate.Le:
			most = int(n)
		case predicate.Lt:
			most = int(n) - 1
		}
	}
	return max(most, 0)
}

// Columns implements session.SystemTable.
func (t *sysTable) Columns() []plan.Column { return t.cols }

// Rows implements session.SystemTable.
func (t *sysTable) Rows(ctx context.Context) (arrow.RecordBatch, error) { return t.RowsWhere(ctx, nil) }

// RowsWhere implements session.NarrowTable.
func (t *sysTable) RowsWhere(ctx context.Context, and predicate.And) (arrow.RecordBatch, error) {
	rows, err := t.rows(ctx, where{and})
	if err != nil {
		return nil, err
	}
	sc, err := schema.ArrowSchema(fieldsOf(t.cols))
	if err != nil {
		return nil, err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	defer b.Release()
	for _, r := range rows {
		for i, v := range r {
			if err := appendValue(b.Field(i), v); err != nil {
				return nil, err
			}
		}
	}
	return b.NewRecordBatch(), nil
}

func appendValue(to array.Builder, v any) error {
	switch f := to.(type) {
	case *array.StringBuilder:
		if s, ok := v.(string); ok && s != "" {
			f.Append(s)
			return nil
		}
	case *array.Int64Builder:
		if n, ok := v.(int64); ok {
			f.Append(n)
			return nil
		}
	case *array.BooleanBuilder:
		if y, ok := v.(bool); ok {
			f.Append(y)
			return nil
		}
	case *array.TimestampBuilder:
		if at, ok := v.(*time.Time); ok && at != nil {
			f.Append(arrow.Timestamp(at.UnixMilli()))
			return nil
		}
	default:
		return errkind.Errorf(errkind.Bug, "lineage: a computed table has no columns of %T", to)
	}
	to.AppendNull()
	return nil
}

// instant is a time of Unix milliseconds; 0 is none.
func instant(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	at := time.UnixMilli(ms)
	return &at
}

// known is a number, of which 0 is none.
func known(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

func (x *Index) edgeRows(ctx context.Context, _ where) ([][]any, error) {
	v, err := x.view(ctx, false)
	if err != nil {
		return nil, err
	}
	var out [][]any
	for _, e := range v.edges() {
		row := []any{e.From, e.To, e.Job, string(e.Kind), e.State, known(e.Snapshot), e.Version, nil, nil, nil}
		if d := e.Delay; d != nil {
			row[7], row[8], row[9] = d.Last, d.P50, d.P99
		}
		out = append(out, row)
	}
	return out, nil
}

// tableReachRows follows the tables that a query names: from their end if it names that, else from their beginning.
func (x *Index) tableReachRows(ctx context.Context, w where) ([][]any, error) {
	v, err := x.view(ctx, false)
	if err != nil {
		return nil, err
	}
	_, bySource := w.text("source")
	_, byTarget := w.text("target")
	ask, name := Ask{Direction: Up, Depth: w.most("depth")}, "target"
	if bySource && !byTarget {
		ask.Direction, name = Down, "source"
	}
	edges := v.edges()
	starts := map[string]bool{}
	for _, e := range edges {
		starts[e.From], starts[e.To] = true, true
	}
	var out [][]any
	for start := range starts {
		if !w.may(name, start) {
			continue
		}
		distance := map[string]int{start: 0}
		near(edges, start, ask, distance)
		for t, d := range distance {
			switch {
			case d < 0:
				out = append(out, []any{t, start, int64(-d)})
			case d > 0:
				out = append(out, []any{start, t, int64(d)})
			}
		}
		if len(out) > originsMax {
			return nil, errTooMany
		}
	}
	return out, nil
}

func (x *Index) columnRows(ctx context.Context, _ where) ([][]any, error) {
	v, err := x.view(ctx, false)
	if err != nil {
		return nil, err
	}
	out := make([][]any, 0, len(v.columns.edges))
	for _, e := range v.columns.edges {
		out = append(out, []any{e.From.Table, e.From.Name, e.To.Table, e.To.Name, string(e.Kind), e.Direct, e.Job})
	}
	return out, nil
}

// reachRows follows the columns that a query names: from their end if it names that, else from their beginning.
func (x *Index) reachRows(ctx context.Context, w where) ([][]any, error) {
	v, err := x.view(ctx, false)
	if err != nil {
		return nil, err
	}
	_, bySource := w.text("source_table")
	_, byTarget := w.text("target_table")
	up := byTarget || !bySource
	prefix, ends := "target", v.columns.to
	if !up {
		prefix, ends = "source", v.columns.from
	}
	var out [][]any
	for c := range ends {
		if !w.may(prefix+"_table", c.Table) || !w.may(prefix+"_column", c.Name) {
			continue
		}
		for _, r := range v.columns.reachable(c, up, w.most("depth")) {
			if len(out) == originsMax {
				return nil, errTooMany
			}
			out = append(out, []any{r.from.Table, r.from.Name, r.to.Table, r.to.Name, string(r.kind), r.kind.Direct(), int64(r.depth)})
		}
	}
	return out, nil
}

// snapshotRows are the inputs of all retained snapshots, newest first per table.
func (x *Index) snapshotRows(ctx context.Context, w where) ([][]any, error) {
	v, err := x.view(ctx, false)
	if err != nil {
		return nil, err
	}
	var out [][]any
	for _, t := range v.shelf.names {
		if !w.may("table_name", t) {
			continue
		}
		for _, f := range slices.Backward(v.shelf.of(t).facts) {
			m := v.tracer.one(t, f)
			if len(m.inputs) == 0 {
				out = append(out, v.tracer.row(m, nil)...)
			}
			for i := range m.inputs {
				out = append(out, v.tracer.row(m, &m.inputs[i])...)
			}
			if len(out) > originsMax {
				return nil, errTooMany
			}
		}
	}
	return out, nil
}

// row is one row a split of an input, or the snapshot alone.
func (t *tracer) row(m made, in *input) [][]any {
	name := ""
	if m.writer.Kind == WriterJob || m.writer.Kind == WriterBackfill {
		name = m.writer.Name
	}
	row := []any{m.table, m.last.id, string(m.last.kind), writerText(m.writer), name, m.last.user, known(m.last.Epoch), instant(m.last.made),
		nil, nil, nil, nil, nil, nil, nil, nil, nil, nil}
	if in == nil {
		return [][]any{row}
	}
	const input, kind, version, from, to, at, split, start, end, delay = 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
	row[input], row[kind], row[version] = in.name, in.kind, in.version()
	if ms, ok := t.delay(m, in); ok {
		row[delay] = ms
	}
	if in.kind == inputTable {
		row[from], row[to], row[at] = in.from, in.to, instant(t.committed(in))
		return [][]any{row}
	}
	var out [][]any
	for _, s := range sortedKeys(in.end) {
		r := slices.Clone(row)
		r[version], r[split], r[start], r[end] = s+"="+in.end[s], s, in.start[s], in.end[s]
		out = append(out, r)
	}
	if len(out) == 0 {
		return [][]any{row}
	}
	return out
}

// writerText is the kind of a writer; a foreign one is named.
func writerText(w Writer) string {
	if w.Kind == WriterForeign {
		return w.String()
	}
	return string(w.Kind)
}

func sortedKeys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// originRows follow snapshots to everything that they were made from.
func (x *Index) originRows(ctx context.Context, w where) ([][]any, error) {
	v, err := x.view(ctx, false)
	if err != nil {
		return nil, err
	}
	var out [][]any
	for _, t := range v.shelf.names {
		if !w.may("root_table", t) {
			continue
		}
		h := v.shelf.of(t)
		newest := h.newest()
		for _, f := range slices.Backward(h.facts) {
			if !f.moves() || !w.may("root_snapshot", f.id) || !w.may("newest", f == newest) {
				continue
			}
			for _, o := range v.tracer.originsOf(t, f, w.most("depth")) {
				for _, r := range v.tracer.row(o.made, o.in) {
					out = append(out, slices.Concat([]any{t, f.id, f == newest, int64(o.depth)}, r))
				}
			}
			if len(out) > originsMax {
				return nil, errTooMany
			}
		}
	}
	return out, nil
}

func (x *Index) jobRows(context.Context, where) ([][]any, error) {
	var out [][]any
	for _, j := range x.jobs.List() {
		out = append(out, []any{j.ID, j.Name, string(j.State), j.Sink, j.Epoch, int64(j.Pending), j.RowsIn, j.RowsOut, j.Watermark, j.Error})
	}
	return out, nil
}

// freshnessRows: a row for each job, and for each table that none writes one for its newest snapshot's writer.
func (x *Index) freshnessRows(ctx context.Context, _ where) ([][]any, error) {
	v, err := x.view(ctx, false)
	if err != nil {
		return nil, err
	}
	now := x.now()
	written := map[string]bool{}
	var out [][]any
	for i := range v.jobs {
		j := &v.jobs[i]
		written[j.Sink] = true
		snapshot, at := j.Snapshot, j.LastCommit
		if f := newestOf(v.shelf.of(j.Sink), func(f *fact) bool { return f.user == j.CommitUser && f.moves() }); f != nil {
			snapshot, at = f.id, instant(f.made)
		}
		out = append(out, []any{j.Sink, string(WriterJob), j.Name, string(j.State), known(snapshot), j.Epoch, int64(j.Pending), j.Watermark, at, age(now, at)})
	}
	for _, t := range v.shelf.names {
		f := v.shelf.of(t).newest()
		if written[t] || f == nil {
			continue
		}
		at := instant(f.made)
		out = append(out, []any{t, writerText(v.tracer.writers.of(f)), nil, nil, f.id, known(f.Epoch), nil, nil, at, age(now, at)})
	}
	return out, nil
}

func age(now time.Time, at *time.Time) any {
	if at == nil {
		return nil
	}
	return now.Sub(*at).Milliseconds()
}

func parseName(table string) (catalog.Identifier, error) { return catalog.ParseIdentifier(table, "") }
