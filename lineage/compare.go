package lineage

import (
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/table/rowjson"
	"github.com/weir-lake/weir/table/schema"
)

// comparison holds recomputed rows against stored ones, as multisets of encoded rows.
type comparison struct {
	cols    []plan.Column
	merge   *stream.Materializer // nil for append and partial-update tables
	partial *partialRows         // for partial-update tables
	append  bool
	diff    map[string]int64 // recomputed minus stored
	rows    int64
	others  int64 // rows of other writers of an append table, less those that revisions took away
	cutOff  bool  // some of them may be older than the snapshots that are kept
}

func newComparison(made *job.Made) (*comparison, error) {
	t := made.Sink.Table
	c := &comparison{diff: map[string]int64{}, append: len(t.PrimaryKey) == 0}
	for _, i := range made.Sink.Target {
		c.cols = append(c.cols, t.Columns[i].Column)
	}
	switch {
	case c.append:
	case t.Options[schema.OptMergeEngine] == "partial-update":
		c.partial = &partialRows{keys: map[string][]map[string]bool{}}
		for i, col := range c.cols {
			if slices.Contains(t.PrimaryKey, col.Name) {
				c.partial.key = append(c.partial.key, i)
			}
		}
	case !plan.SinkUnique(made.Sink):
		var err error
		if c.merge, err = made.Materialize(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// expect takes recomputed rows.
func (c *comparison) expect(rec arrow.RecordBatch, weights []int32) error {
	if c.partial != nil {
		return c.partial.expect(rec)
	}
	if c.merge == nil {
		return c.count(rec, weights, 1)
	}
	out, err := c.merge.Apply([]stream.Delta{{Rows: rec, Weights: weights}})
	if err != nil {
		return err
	}
	defer out.Release()
	for _, ch := range out.Changelog {
		w := make([]int32, len(ch.Kinds))
		for i, k := range ch.Kinds {
			w[i] = 1
			if k == stream.KindUpdateBefore || k == stream.KindDelete {
				w[i] = -1
			}
		}
		if err := c.count(ch.Rows, w, 1); err != nil {
			return err
		}
	}
	return nil
}

// found takes stored rows.
func (c *comparison) found(rec arrow.RecordBatch, _ []int32) error {
	c.rows += rec.NumRows()
	if c.partial != nil {
		return c.partial.found(rec, c.diff)
	}
	return c.count(rec, nil, -1)
}

func (c *comparison) count(rec arrow.RecordBatch, weights []int32, sign int64) error {
	enc, err := rowkey.NewKeyEncoder(rec.Columns())
	if err != nil {
		return err
	}
	var buf []byte
	for i := range int(rec.NumRows()) {
		w := sign
		if weights != nil {
			w *= int64(weights[i])
		}
		buf = enc.Append(buf[:0], i)
		if n := c.diff[string(buf)] + w; n == 0 {
			delete(c.diff, string(buf))
		} else {
			c.diff[string(buf)] = n
		}
	}
	return nil
}

// finish fills the report.
func (c *comparison) finish(r *Report) error {
	r.Rows = c.rows
	if c.partial != nil {
		if err := c.partial.finish(c); err != nil {
			return err
		}
		if c.partial.ambiguous > 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("%d values were set more than once; of those it was checked that they are one of the values set", c.partial.ambiguous))
		}
	}
	keys := make([]string, 0, len(c.diff))
	for k := range c.diff {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if n := c.diff[k]; n > 0 {
			r.Missing += n
		} else {
			r.Extra -= n
		}
	}
	r.Others = c.others
	if c.cutOff && r.Missing == 0 && r.Extra > 0 {
		r.Answer, r.Reason = NotCheckable, fmt.Sprintf("%d rows are not the job's, and what other writers did before the oldest snapshot kept cannot be told", r.Extra)
		return nil
	}
	r.Answer = Equal
	if r.Missing+r.Extra == 0 {
		return nil
	}
	r.Answer = Differs
	return c.examples(r, keys)
}

// examples shows the first differing rows.
func (c *comparison) examples(r *Report, keys []string) error {
	sc, err := schema.ArrowSchema(fieldsOf(c.cols))
	if err != nil {
		return err
	}
	enc, err := rowjson.NewEncoder(fieldsOf(c.cols), rowjson.EncodeOptions{})
	if err != nil {
		return err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	defer b.Release()
	dec, err := rowkey.NewDecoder(b.Fields())
	if err != nil {
		return err
	}
	keys = keys[:min(len(keys), examplesMax)]
	for _, k := range keys {
		if _, err := dec.Append([]byte(k)); err != nil {
			return err
		}
	}
	rec := b.NewRecordBatch()
	defer rec.Release()
	for i, k := range keys {
		kind := "missing"
		if c.diff[k] < 0 {
			kind = "unexpected"
		}
		r.Examples = append(r.Examples, Example{Kind: kind, Row: string(enc.AppendRow(nil, rec, i))})
	}
	return nil
}

// partialRows checks a partial-update table: per key and column, the values that were ever set. Which of several was
// set last is in the order of commits, which files joined since do not keep; of such values membership is checked.
type partialRows struct {
	key       []int
	keys      map[string][]map[string]bool // encoded key -> per column the encoded non-null values
	seen      map[string]bool
	ambiguous int64
}

func (p *partialRows) encoders(rec arrow.RecordBatch) (key *rowkey.Encoder, cells []*rowkey.Encoder, err error) {
	cols := make([]arrow.Array, len(p.key))
	for i, k := range p.key {
		cols[i] = rec.Column(k)
	}
	if key, err = rowkey.NewKeyEncoder(cols); err != nil {
		return nil, nil, err
	}
	for _, c := range rec.Columns() {
		e, err := rowkey.NewKeyEncoder([]arrow.Array{c})
		if err != nil {
			return nil, nil, err
		}
		cells = append(cells, e)
	}
	return key, cells, nil
}

func (p *partialRows) expect(rec arrow.RecordBatch) error {
	key, cells, err := p.encoders(rec)
	if err != nil {
		return err
	}
	for i := range int(rec.NumRows()) {
		k := string(key.Append(nil, i))
		row := p.keys[k]
		if row == nil {
			row = make([]map[string]bool, len(cells))
			p.keys[k] = row
		}
		for c, e := range cells {
			if rec.Column(c).IsNull(i) {
				continue
			}
			if row[c] == nil {
				row[c] = map[string]bool{}
			}
			row[c][string(e.Append(nil, i))] = true
		}
	}
	return nil
}

// found checks stored rows; those that cannot be go into diff as unexpected.
func (p *partialRows) found(rec arrow.RecordBatch, diff map[string]int64) error {
	key, cells, err := p.encoders(rec)
	if err != nil {
		return err
	}
	whole, err := rowkey.NewKeyEncoder(rec.Columns())
	if err != nil {
		return err
	}
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	for i := range int(rec.NumRows()) {
		k := string(key.Append(nil, i))
		row, known := p.keys[k]
		ok := known && !p.seen[k]
		p.seen[k] = true
		for c := range cells {
			if !ok {
				break
			}
			values := row[c]
			if len(values) > 1 {
				p.ambiguous++
			}
			if rec.Column(c).IsNull(i) {
				ok = len(values) == 0
			} else {
				ok = values[string(cells[c].Append(nil, i))]
			}
		}
		if !ok {
			diff[string(whole.Append(nil, i))]--
		}
	}
	return nil
}

// finish counts keys that the table lacks.
func (p *partialRows) finish(c *comparison) error {
	for k := range p.keys {
		if p.seen[k] {
			continue
		}
		row, err := p.missingRow(c, k)
		if err != nil {
			return err
		}
		c.diff[row]++
	}
	return nil
}

// missingRow is an absent key as a row with nothing but the key.
func (p *partialRows) missingRow(c *comparison, k string) (string, error) {
	sc, err := schema.ArrowSchema(fieldsOf(c.cols))
	if err != nil {
		return "", err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	defer b.Release()
	var keyBuilders []array.Builder
	for _, i := range p.key {
		keyBuilders = append(keyBuilders, b.Field(i))
	}
	dec, err := rowkey.NewDecoder(keyBuilders)
	if err != nil {
		return "", err
	}
	if _, err := dec.Append([]byte(k)); err != nil {
		return "", err
	}
	for i, f := range b.Fields() {
		if !slices.Contains(p.key, i) {
			f.AppendNull()
		}
	}
	rec := b.NewRecordBatch()
	defer rec.Release()
	enc, err := rowkey.NewKeyEncoder(rec.Columns())
	if err != nil {
		return "", err
	}
	return string(enc.Append(nil, 0)), nil
}
