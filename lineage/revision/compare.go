package revision

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/rowjson"
	"github.com/weir-lake/weir/table/schema"
)

const (
	// rangeBytesMax bounds the encoded rows of a range: they are compared in memory.
	rangeBytesMax = 512 << 20
	// samplesMax is how many rows of each sort a dry run shows.
	samplesMax = 10
)

// difference is what a query changes of a range, as multisets of encoded rows.
type difference struct {
	t      *target
	schema *arrow.Schema
	key    []int            // of the primary key among the stored columns; empty: an append table
	weight map[string]int64 // corrected minus stored
	bytes  int64
	seen   map[string]bool // keys of the corrected rows
	rows   struct{ stored, corrected int64 }
}

func newDifference(t *target) (*difference, error) {
	sc, err := schema.ArrowSchema(t.fields())
	if err != nil {
		return nil, err
	}
	d := &difference{t: t, schema: sc, weight: map[string]int64{}, seen: map[string]bool{}}
	for _, k := range t.table.PrimaryKey {
		d.key = append(d.key, slices.Index(t.names(), k))
	}
	return d, nil
}

func (d *difference) add(rec arrow.RecordBatch, sign int64) error {
	enc, err := rowkey.NewEncoder(rec.Columns())
	if err != nil {
		return err
	}
	var row []byte
	for i := range int(rec.NumRows()) {
		row = enc.Append(row[:0], i)
		n, there := d.weight[string(row)]
		switch n += sign; {
		case n == 0:
			delete(d.weight, string(row))
			d.bytes -= int64(len(row))
		case !there:
			d.bytes += int64(len(row))
			fallthrough
		default:
			d.weight[string(row)] = n
		}
	}
	if d.bytes > rangeBytesMax {
		return errkind.Errorf(errkind.Exhausted, "revise %s: the range has more than %d MiB of rows: revise it in parts", d.t.id, rangeBytesMax>>20)
	}
	return nil
}

// stored takes rows that the table has in the range.
func (d *difference) stored(rec arrow.RecordBatch) error {
	d.rows.stored += rec.NumRows()
	return d.add(rec, -1)
}

// corrected takes rows of the query. They must lie in the range, and no two of them have one key.
func (d *difference) corrected(rec arrow.RecordBatch) error {
	d.rows.corrected += rec.NumRows()
	if err := d.within(rec); err != nil {
		return err
	}
	for i, f := range d.t.fields() {
		if !f.Type.NotNull || rec.Column(i).NullN() == 0 {
			continue
		}
		for row := range int(rec.NumRows()) {
			if rec.Column(i).IsNull(row) {
				return errkind.Errorf(errkind.Invalid, "revise %s: the query gives a row without %s, which is NOT NULL: %s", d.t.id, f.Name, d.text(rec, row))
			}
		}
	}
	if err := d.distinct(rec); err != nil {
		return err
	}
	return d.add(rec, 1)
}

func (d *difference) within(rec arrow.RecordBatch) error {
	at := slices.Index(d.t.names(), d.t.column.Name)
	for row := range int(rec.NumRows()) {
		v, err := schema.ValueAt(d.t.column.Type, rec.Column(at), row)
		if err != nil {
			return err
		}
		if n, ok := v.(int64); !ok || n < d.t.rng.From || n >= d.t.rng.To {
			return errkind.Errorf(errkind.Invalid, "revise %s: the query gives a row outside of the range, whose %s is not from %s to before %s: %s",
				d.t.id, d.t.column.Name, d.t.from.Format(time.DateTime), d.t.to.Format(time.DateTime), d.text(rec, row))
		}
	}
	return nil
}

func (d *difference) distinct(rec arrow.RecordBatch) error {
	if len(d.key) == 0 {
		return nil
	}
	cols := make([]arrow.Array, len(d.key))
	for i, k := range d.key {
		cols[i] = rec.Column(k)
	}
	enc, err := rowkey.NewKeyEncoder(cols)
	if err != nil {
		return err
	}
	var key []byte
	for row := range int(rec.NumRows()) {
		key = enc.Append(key[:0], row)
		if d.seen[string(key)] {
			return errkind.Errorf(errkind.Invalid, "revise %s: the query gives two rows of one primary key: %s", d.t.id, d.text(rec, row))
		}
		d.seen[string(key)] = true
	}
	return nil
}

// text is a row as JSON.
func (d *difference) text(rec arrow.RecordBatch, row int) string {
	enc, err := rowjson.NewEncoder(d.t.fields(), rowjson.EncodeOptions{})
	if err != nil {
		return fmt.Sprintf("row %d", row)
	}
	return string(enc.AppendRow(nil, rec, row))
}

// sides are the rows taken away and those put, in the canonical order.
func (d *difference) sides() (removed, added [][]byte) {
	for row, n := range d.weight {
		for ; n < 0; n++ {
			removed = append(removed, []byte(row))
		}
		for ; n > 0; n-- {
			added = append(added, []byte(row))
		}
	}
	slices.SortFunc(removed, bytes.Compare)
	slices.SortFunc(added, bytes.Compare)
	return removed, added
}

// batch makes a batch of encoded rows.
func (d *difference) batch(rows [][]byte) (arrow.RecordBatch, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, d.schema)
	defer b.Release()
	dec, err := rowkey.NewDecoder(b.Fields())
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if rest, err := dec.Append(row); err != nil || len(rest) != 0 {
			return nil, rowkey.ErrCorrupt
		}
	}
	return b.NewRecordBatch(), nil
}

// Sample is a row that a revision changes; Before and After are JSON.
type Sample struct {
	Kind   string `json:"kind" enum:"added,removed,changed"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Counts are the rows of a difference. A key with a row before and after counts once, as changed; rows of append
// tables have no key, so a corrected one counts as removed and added.
type Counts struct {
	Added   int64 `json:"added"`
	Removed int64 `json:"removed"`
	Changed int64 `json:"changed"`
}

// describe counts a difference and samples it.
func (d *difference) describe(removed, added arrow.RecordBatch) (Counts, []Sample, error) {
	before, err := d.byKey(removed)
	if err != nil {
		return Counts{}, nil, err
	}
	after, err := d.byKey(added)
	if err != nil {
		return Counts{}, nil, err
	}
	var n Counts
	var samples []Sample
	sample := func(count int64, s Sample) {
		if count <= samplesMax {
			samples = append(samples, s)
		}
	}
	was := map[string]int{}
	for i, k := range before {
		was[k] = i
	}
	for i, k := range after {
		if at, both := was[k]; both && len(d.key) > 0 {
			n.Changed++
			sample(n.Changed, Sample{Kind: "changed", Before: d.text(removed, at), After: d.text(added, i)})
			delete(was, k)
			continue
		}
		n.Added++
		sample(n.Added, Sample{Kind: "added", After: d.text(added, i)})
	}
	for i, k := range before {
		if _, gone := was[k]; gone || len(d.key) == 0 {
			n.Removed++
			sample(n.Removed, Sample{Kind: "removed", Before: d.text(removed, i)})
		}
	}
	return n, samples, nil
}

// byKey are the keys of rows, in their order; those of an append table have none.
func (d *difference) byKey(rec arrow.RecordBatch) ([]string, error) {
	out := make([]string, rec.NumRows())
	if len(d.key) == 0 {
		return out, nil
	}
	cols := make([]arrow.Array, len(d.key))
	for i, k := range d.key {
		cols[i] = rec.Column(k)
	}
	enc, err := rowkey.NewKeyEncoder(cols)
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i] = string(enc.Append(nil, i))
	}
	return out, nil
}

// read answers a bound query and hands its rows on; it returns the versions read.
func (s *Service) read(ctx context.Context, root plan.Node, text, user string, fn func(arrow.RecordBatch) error) (*session.Cut, error) {
	rows, err := s.opts.Services.Querier.Query(ctx, session.Query{Root: root, SQL: text, Consistency: "cut", Exact: true, User: user,
		Env: expr.Env{Clock: s.opts.Now(), Zone: time.UTC}})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for {
		rec, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return rows.Cut(), nil
		}
		if err != nil {
			return nil, err
		}
		err = fn(rec)
		rec.Release()
		if err != nil {
			return nil, err
		}
	}
}
