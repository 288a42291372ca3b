package manifest

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/weir-lake/weir/table/index"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/schema"
)

// Range is what is known of one column's values in a file, page or partition.
type Range struct {
	Min, Max any   // Go forms of the column's type; nil: not known
	Nulls    int64 // -1: not known
	Rows     int64
}

// MayMatch reports whether a row in the range can satisfy c. False is certain,
// true is not.
func (r Range) MayMatch(c predicate.Compare) bool {
	allNull := r.Nulls >= 0 && r.Nulls == r.Rows
	switch c.Op {
	case predicate.IsNull:
		return r.Nulls != 0
	case predicate.IsNotNull:
		return !allNull
	}
	if allNull {
		return false
	}
	if r.Min == nil || r.Max == nil || unordered(r.Min) || unordered(r.Max) {
		return true
	}
	return slices.ContainsFunc(c.Values, func(v any) bool { return r.mayCompare(c.Op, v) })
}

// unordered reports NaN, which statistics and engines order differently.
func unordered(v any) bool {
	f, ok := v.(float64)
	return ok && math.IsNaN(f)
}

func (r Range) mayCompare(op predicate.Op, v any) bool {
	if v == nil {
		return false // a comparison with NULL is never true
	}
	if !sameForm(v, r.Min) || unordered(v) {
		return true
	}
	lo, hi := schema.CompareValues(r.Min, v), schema.CompareValues(r.Max, v)
	if _, float := v.(float64); float {
		// Statistics leave NaN out, and -0 equals 0 in SQL though not in our order.
		if op != predicate.Eq && op != predicate.In || v.(float64) == 0 {
			return true
		}
	}
	switch op {
	case predicate.Eq, predicate.In:
		return lo <= 0 && hi >= 0
	case predicate.Ne:
		return lo != 0 || hi != 0
	case predicate.Lt:
		return lo < 0
	case predicate.Le:
		return lo <= 0
	case predicate.Gt:
		return hi > 0
	case predicate.Ge:
		return hi >= 0
	default:
		return true
	}
}

func sameForm(a, b any) bool { return fmt.Sprintf("%T", a) == fmt.Sprintf("%T", b) }

// bucketKeysMax bounds the combinations of IN lists that bucket pruning tries;
// beyond it nearly every bucket is hit anyway.
const bucketKeysMax = 1024

// Pruner leaves out manifests and files in which no row can satisfy a filter.
// It is a Keep, safe for concurrent use if schemaOf is; the nil Pruner keeps all.
type Pruner struct {
	filter    predicate.And
	current   *schema.Schema
	partition []schema.Type
	partPos   map[string]int  // position among the partition columns
	key       map[string]bool // columns whose value is the same in all versions of a row
	schemaOf  func(id int64) (*schema.Schema, error)
	bucketKey [][]any  // keys that the filter's equalities allow; nil: any
	buckets   sync.Map // total buckets -> map[int]bool of those that can match
}

// NewPruner makes a pruner for a filter over the columns of current. schemaOf
// returns a version of the schema; files of a version it cannot return are kept.
func NewPruner(current *schema.Schema, filter predicate.And, schemaOf func(id int64) (*schema.Schema, error)) (*Pruner, error) {
	p := &Pruner{filter: filter, current: current, schemaOf: schemaOf, partPos: map[string]int{}, key: map[string]bool{}}
	p.partition = schema.TypesOf(current.PartitionFields())
	for i, n := range current.PartitionKeys {
		p.partPos[n] = i
	}
	for _, n := range current.PrimaryKeys {
		p.key[n] = true
	}
	for _, c := range filter {
		if current.FieldIndex(c.Column) < 0 {
			return nil, fmt.Errorf("filter: column %q does not exist", c.Column)
		}
	}
	p.bucketKey = p.bucketKeys()
	return p, nil
}

// Manifest reports whether the manifest can hold an entry that matches.
func (p *Pruner) Manifest(m *Meta) bool {
	if p == nil {
		return true
	}
	if len(p.partition) == 0 || !p.onPartition() {
		return true
	}
	lo, err := schema.DecodeRow(p.partition, m.PartitionStats.Min)
	if err != nil {
		return true
	}
	hi, err := schema.DecodeRow(p.partition, m.PartitionStats.Max)
	if err != nil {
		return true
	}
	rows := m.NumAdded + m.NumDeleted
	for _, c := range p.filter {
		i, ok := p.partPos[c.Column]
		if !ok {
			continue
		}
		r := Range{Min: lo[i], Max: hi[i], Nulls: -1, Rows: rows}
		if i < len(m.PartitionStats.NullCounts) {
			r.Nulls = m.PartitionStats.NullCounts[i]
		}
		if !r.MayMatch(c) {
			return false
		}
	}
	return true
}

func (p *Pruner) onPartition() bool {
	return slices.ContainsFunc(p.filter, func(c predicate.Compare) bool { _, ok := p.partPos[c.Column]; return ok })
}

// Place reports whether the entry's partition and bucket can match. All entries
// of one file get the same answer.
func (p *Pruner) Place(e *Entry) bool {
	if p == nil {
		return true
	}
	if len(p.bucketKey) > 0 && e.TotalBuckets > 0 && !p.bucketSet(e.TotalBuckets)[e.Bucket] {
		return false
	}
	if len(p.partition) == 0 || !p.onPartition() {
		return true
	}
	values, err := schema.DecodeRow(p.partition, e.Partition)
	if err != nil {
		return true
	}
	for _, c := range p.filter {
		if i, ok := p.partPos[c.Column]; ok {
			r := Range{Min: values[i], Max: values[i], Rows: 1}
			if values[i] == nil {
				r.Nulls = 1
			}
			if !r.MayMatch(c) {
				return false
			}
		}
	}
	return true
}

// File reports whether the file can hold a row that matters to the filter. Of a
// primary-key table only key columns decide: a row that fails the filter may
// still hide an older one that does not.
func (p *Pruner) File(e *Entry) bool {
	return p.fileMay(&e.File, func(column string) bool { return !p.current.HasPrimaryKey() || p.key[column] })
}

// FileValues is File with all columns: right where no other file can hold the
// same keys.
func (p *Pruner) FileValues(e *Entry) bool {
	return p.fileMay(&e.File, func(string) bool { return true })
}

func (p *Pruner) fileMay(f *DataFile, use func(column string) bool) bool {
	if p == nil {
		return true
	}
	var fs *schema.Schema
	for _, c := range p.filter {
		if _, partition := p.partPos[c.Column]; partition || !use(c.Column) {
			continue
		}
		if fs == nil {
			var err error
			if fs, err = p.schemaOf(f.SchemaID); err != nil {
				return true
			}
		}
		r, ok := p.columnRange(f, fs, c.Column)
		if ok && !r.MayMatch(c) {
			return false
		}
	}
	return true
}

// columnRange finds the range of a current column in a file of schema fs, by
// field id; false if it is not known.
func (p *Pruner) columnRange(f *DataFile, fs *schema.Schema, column string) (Range, bool) {
	want := p.current.Fields[p.current.FieldIndex(column)]
	old, ok := fs.FieldByID(want.ID)
	if !ok {
		return Range{Nulls: f.RowCount, Rows: f.RowCount}, f.WriteCols == nil // added later: null in this file
	}
	if f.WriteCols != nil || !comparable(old.Type, want.Type) {
		return Range{}, false
	}
	return FileRange(f, fs, old.Name)
}

// comparable reports whether stored statistics of a column's old type can be
// compared with constants of its new one as they are.
func comparable(old, now schema.Type) bool {
	switch {
	case old.IsInteger() && now.IsInteger(), old.IsString() && now.IsString(), old.IsBinary() && now.IsBinary():
		return true
	case old.Kind == schema.Decimal && now.Kind == schema.Decimal:
		return old.Scale == now.Scale
	case old.IsTimestamp() && now.IsTimestamp():
		return old.Kind == now.Kind && old.TimestampUnit() == now.TimestampUnit()
	case (old.Kind == schema.Float || old.Kind == schema.Double) && now.Kind == old.Kind:
		return true
	default:
		return old.SameRoot(now) && schema.Rowable(old)
	}
}

// FileRange reads a column's range out of a file's value statistics; fs is the
// file's schema, column a name in it. False if there are none.
func FileRange(f *DataFile, fs *schema.Schema, column string) (Range, bool) {
	names := f.ValueStatsCols
	if names == nil {
		names = make([]string, len(fs.Fields))
		for i, field := range fs.Fields {
			names[i] = field.Name
		}
	}
	at := slices.Index(names, column)
	if at < 0 {
		return Range{}, false
	}
	fields, err := fs.Select(names)
	if err != nil {
		return Range{}, false
	}
	lo, err := decodeStat(fields, f.ValueStats.Min, at)
	if err != nil {
		return Range{}, false
	}
	hi, err := decodeStat(fields, f.ValueStats.Max, at)
	if err != nil {
		return Range{}, false
	}
	r := Range{Min: lo, Max: hi, Nulls: -1, Rows: f.RowCount}
	if at < len(f.ValueStats.NullCounts) {
		r.Nulls = f.ValueStats.NullCounts[at]
	}
	return r, true
}

// decodeStat reads one field of a statistics row in which columns of nested
// types have a slot that is always null.
func decodeStat(fields []schema.Field, row []byte, at int) (any, error) {
	values, err := schema.DecodeStats(schema.TypesOf(fields), row)
	if err != nil {
		return nil, err
	}
	return values[at], nil
}

func (p *Pruner) bucketSet(total int) map[int]bool {
	if set, ok := p.buckets.Load(total); ok {
		return set.(map[int]bool)
	}
	set := p.computeBuckets(total)
	p.buckets.Store(total, set)
	return set
}

func (p *Pruner) computeBuckets(total int) map[int]bool {
	set := map[int]bool{}
	b, err := index.NewBucketer(p.current, total)
	for _, key := range p.bucketKey {
		n := 0
		if err == nil {
			n, err = b.Of(key)
		}
		if err != nil {
			return allBuckets(total)
		}
		set[n] = true
	}
	return set
}

func allBuckets(total int) map[int]bool {
	set := map[int]bool{}
	for i := range total {
		set[i] = true
	}
	return set
}

// bucketKeys lists the bucket keys that the filter's equalities allow; none if
// they leave a column of the key open.
func (p *Pruner) bucketKeys() [][]any {
	names := p.current.BucketKeyNames()
	if len(names) == 0 {
		return nil
	}
	keys := [][]any{nil}
	for _, n := range names {
		i := slices.IndexFunc(p.filter, func(c predicate.Compare) bool {
			return c.Column == n && (c.Op == predicate.Eq || c.Op == predicate.In)
		})
		if i < 0 || len(keys)*len(p.filter[i].Values) > bucketKeysMax {
			return nil
		}
		var next [][]any
		for _, k := range keys {
			for _, v := range p.filter[i].Values {
				next = append(next, append(slices.Clone(k), v))
			}
		}
		keys = next
	}
	return keys
}
