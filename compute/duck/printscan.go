package duck

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

func (p *printer) scan(n *plan.Scan) string {
	src, err := p.resolver.Resolve(p.ctx, n)
	if err != nil {
		p.fail(fmt.Errorf("read table %s.%s: %w", n.Table.Database, n.Table.Name, err))
		return ""
	}
	cols := n.Columns()
	switch {
	case src.Arrow != nil:
		return p.arrowScan(n, src.Arrow)
	case src.Files == nil || len(src.Files) > 0 && len(src.Columns) != len(cols):
		p.fail(errkind.Errorf(errkind.Bug, "read table %s.%s: the source has neither rows nor a file column for each of %d columns", n.Table.Database, n.Table.Name, len(cols)))
		return ""
	case len(src.Files) == 0:
		return p.empty(cols)
	case !ReadsFiles(cols):
		p.fail(errkind.Errorf(errkind.Bug, "read table %s.%s: files with nanoseconds must be read as Arrow", n.Table.Database, n.Table.Name))
		return ""
	default:
		return p.fileScan(src, cols)
	}
}

func (p *printer) arrowScan(n *plan.Scan, in *ArrowInput) string {
	if len(n.Out) == 0 && in.Schema.NumFields() == 0 {
		in = counted(in)
	}
	if in.Schema.NumFields() != max(1, len(n.Out)) {
		p.fail(errkind.Errorf(errkind.Bug, "read table %s.%s: the source has %d columns, the scan %d", n.Table.Database, n.Table.Name, in.Schema.NumFields(), len(n.Out)))
		return ""
	}
	p.q.Inputs = append(p.q.Inputs, *in)
	return fmt.Sprintf("SELECT * FROM weir_arrow(%d)", len(p.q.Inputs)-1)
}

// counted gives an input without columns one of NULLs, since a relation of DuckDB has at
// least one: such rows are only counted.
func counted(in *ArrowInput) *ArrowInput {
	s := arrow.NewSchema([]arrow.Field{{Name: "z", Type: arrow.FixedWidthTypes.Boolean, Nullable: true}}, nil)
	open := func(ctx context.Context, _ []int) (array.RecordReader, error) {
		r, err := in.Open(ctx, nil)
		if err != nil {
			return nil, err
		}
		return array.ReaderFromIter(s, func(yield func(arrow.RecordBatch, error) bool) {
			defer r.Release()
			for r.Next() {
				n := r.RecordBatch().NumRows()
				z := array.MakeArrayOfNull(memory.DefaultAllocator, s.Field(0).Type, int(n))
				b := array.NewRecordBatch(s, []arrow.Array{z}, n)
				z.Release()
				if !yield(b, nil) {
					return
				}
			}
			if err := r.Err(); err != nil {
				yield(nil, err)
			}
		}), nil
	}
	return &ArrowInput{Schema: s, Rows: in.Rows, Open: open}
}

// ReadsFiles reports whether DuckDB reads columns of these types from Parquet files without
// loss. It cuts the nanoseconds of timestamps kept as INT96, as Paimon keeps
// TIMESTAMP(7..9): such tables have to come as Arrow.
func ReadsFiles(cols []plan.Column) bool {
	for _, c := range cols {
		if hasNanos(c.Type) {
			return false
		}
	}
	return true
}

func hasNanos(t schema.Type) bool {
	if t.IsTimestamp() && t.Precision > 6 {
		return true
	}
	for _, inner := range []*schema.Type{t.Key, t.Elem} {
		if inner != nil && hasNanos(*inner) {
			return true
		}
	}
	for _, f := range t.Fields {
		if hasNanos(f.Type) {
			return true
		}
	}
	return false
}

// fileScan casts every column: files keep timestamps in DuckDB's types, not in ours.
func (p *printer) fileScan(src Source, cols []plan.Column) string {
	exprs := make([]string, len(cols))
	for i, c := range cols {
		t, err := sqlType(c.Type)
		p.fail(err)
		exprs[i] = cast(quoteName(src.Columns[i]), t)
	}
	files := make([]string, len(src.Files))
	for i, f := range src.Files {
		abs, err := filepath.Abs(f) // the worker stands in another directory
		p.fail(err)
		files[i] = quoteText(abs)
		p.q.Paths = append(p.q.Paths, abs)
	}
	return "SELECT " + p.columns(exprs) + " FROM read_parquet([" + strings.Join(files, ", ") + "], hive_partitioning = false)"
}

func (p *printer) empty(cols []plan.Column) string {
	exprs := make([]string, len(cols))
	for i, c := range cols {
		t, err := sqlType(c.Type)
		p.fail(err)
		exprs[i] = cast("NULL", t)
	}
	return "SELECT " + p.columns(exprs) + " WHERE FALSE"
}

func (p *printer) values(n *plan.Values) string {
	if len(n.Rows) == 0 {
		return p.empty(n.Cols)
	}
	rows := make([]string, len(n.Rows))
	for i, r := range n.Rows {
		exprs := make([]string, len(r))
		for j, e := range r {
			t, err := sqlType(n.Cols[j].Type)
			p.fail(err)
			exprs[j] = cast(p.expr(noColumns, e), t)
		}
		rows[i] = "SELECT " + p.columns(exprs)
	}
	return strings.Join(rows, " UNION ALL ")
}

// noColumns is the scope of constants.
func noColumns(i int) string { return fmt.Sprintf("no_column_%d", i) }

// clockFilter binds the clock to the recorded one.
func (p *printer) clockFilter(n *plan.ClockFilter) string {
	in := p.node(n.Input)
	now := p.opts.Env.Clock
	if n.Watermark {
		if p.opts.Env.Watermark == nil {
			return fmt.Sprintf("SELECT * FROM %s WHERE %t", in, n.NullClock)
		}
		now = *p.opts.Env.Watermark
	}
	conds := make([]string, 0, 2)
	bound := func(e expr.Expr, op string) {
		if e == nil {
			return
		}
		// A clock has milliseconds; nanoseconds keep the comparison exact for any type.
		t := e.Type()
		ticks := ticksOf(p.expr(single, e), t)
		clock := now.UnixMilli()
		switch timestampType(t.Precision) {
		case "TIMESTAMP":
			clock = now.UnixMicro()
		case "TIMESTAMP_NS":
			clock = now.UnixNano()
		}
		conds = append(conds, fmt.Sprintf("%s %s %d", ticks, op, clock))
	}
	bound(n.From, "<=")
	bound(n.Until, ">")
	if len(conds) == 0 {
		conds = append(conds, "TRUE")
	}
	return fmt.Sprintf("SELECT * FROM %s WHERE %s", in, strings.Join(conds, " AND "))
}

func (p *printer) setOp(n *plan.SetOp) string {
	word := map[plan.SetKind]string{plan.Union: "UNION", plan.Intersect: "INTERSECT", plan.Except: "EXCEPT"}[n.Kind]
	if n.All {
		word += " ALL"
	}
	parts := make([]string, len(n.Input))
	for i, in := range n.Input {
		parts[i] = "SELECT " + p.retyped(in, n.Columns()) + " FROM " + p.node(in)
	}
	if n.Kind == plan.Union {
		return strings.Join(parts, " "+word+" ")
	}
	return "(" + parts[0] + ") " + word + " (" + parts[1] + ")"
}

// retyped brings the columns of in to the given types, which differ in nullability and length at most.
func (p *printer) retyped(in plan.Node, cols []plan.Column) string {
	exprs := list(single, len(cols))
	for i, c := range in.Columns() {
		if want, err := sqlType(cols[i].Type); err == nil && !c.Type.SameRoot(cols[i].Type) {
			exprs[i] = cast(exprs[i], want)
		}
	}
	return p.columns(exprs)
}

func (p *printer) unnest(n *plan.Unnest) string {
	in := p.node(n.Input)
	width := len(n.Input.Columns())
	elems := p.expr(single, n.Expr)
	t := n.Expr.Type()
	switch t.Kind {
	case schema.Map:
		elems = "map_entries(" + elems + ")"
	case schema.Multiset:
		// Every element as often as it is in.
		elems = fmt.Sprintf("flatten(list_transform(map_entries(%s), lambda e: list_transform(range(e.value), lambda i: e.key)))", elems)
	}
	if n.Outer {
		elems = fmt.Sprintf("CASE WHEN len(%s) > 0 THEN %s ELSE [NULL] END", elems, elems)
	}
	inner := append(list(single, width), elems+" AS e")
	src := fmt.Sprintf("(SELECT %s FROM %s)", strings.Join(inner, ", "), in)
	src = fmt.Sprintf("(SELECT * EXCLUDE (e), unnest(e) AS e, generate_subscripts(e, 1) AS i, len(e) AS n FROM %s)", src)
	exprs := append(list(single, width), p.elements(n, t)...)
	return "SELECT " + p.columns(exprs) + " FROM " + src
}

// elements are the columns made of one element e with number i.
func (p *printer) elements(n *plan.Unnest, t schema.Type) []string {
	cols := len(n.Cols)
	if n.Ordinality {
		cols--
	}
	var out []string
	switch {
	case t.Kind == schema.Map:
		out = []string{"struct_extract(e, 'key')", "struct_extract(e, 'value')"}
	case t.Elem != nil && t.Elem.Kind == schema.Row && cols == len(t.Elem.Fields):
		for _, f := range t.Elem.Fields {
			out = append(out, "struct_extract(e, "+quoteText(f.Name)+")")
		}
	default:
		out = []string{"e"}
	}
	if n.Ordinality {
		typ, err := sqlType(n.Cols[cols].Type)
		p.fail(err)
		out = append(out, cast("i", typ))
	}
	if len(out) != len(n.Cols) {
		p.fail(errkind.Errorf(errkind.Bug, "print UNNEST of %s: %d columns are made, %d are wanted", t, len(out), len(n.Cols)))
	}
	return out
}
