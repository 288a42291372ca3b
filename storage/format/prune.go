package format

import (
	"encoding/binary"
	"slices"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	pqformat "github.com/parquet-go/parquet-go/format"

	"github.com/weir-lake/weir/internal/errkind"
)

// Op is a comparison of a Condition.
type Op uint8

// The comparisons, in the order of table/predicate.
const (
	Eq Op = iota
	Ne
	Lt
	Le
	Gt
	Ge
	In
	IsNull
	IsNotNull
)

// Condition is column Op values. Values have the Go forms of ColumnStats, in the
// unit and scale of the file's column. The values of an In are sorted by Compare.
type Condition struct {
	Column Column
	Op     Op
	Values []any
}

// Filter is a conjunction; the empty one is true.
type Filter []Condition

// Footer is what the end of a Parquet file says: sizes, bounds, page indexes and
// bloom filters. It is safe for concurrent use.
type Footer struct {
	name string
	pq   *parquet.File
	ids  map[int]*parquet.Column // top-level leaf columns by field id
	byID bool
}

// RowGroup describes one row group for people.
type RowGroup struct {
	Rows            int64
	CompressedBytes int64
	Pages           int // of its first column; 0 without page index
}

// Footer reads the file's footer for Prune. Page indexes and bloom filters are
// read when first asked for.
func (f *File) Footer() (ft *Footer, err error) {
	defer recoverTo(&err, errkind.Corrupt, "read footer of "+f.name)
	pq, err := parquet.OpenFile(f.src, f.size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, asCorrupt(err, f.name, "its footer cannot be read")
	}
	ft = &Footer{name: f.name, pq: pq, ids: map[int]*parquet.Column{}}
	for i, fd := range f.schema.Fields() {
		if id, ok := FieldID(fd); ok {
			ft.byID = true
			if cols := pq.Root().Columns(); i < len(cols) && cols[i].Leaf() {
				ft.ids[id] = cols[i]
			}
		}
	}
	return ft, nil
}

// RowGroups describes the file's row groups.
func (ft *Footer) RowGroups() (out []RowGroup, err error) {
	defer recoverTo(&err, errkind.Corrupt, "read footer of "+ft.name)
	for i, g := range ft.pq.RowGroups() {
		rg := RowGroup{Rows: g.NumRows(), CompressedBytes: ft.pq.Metadata().RowGroups[i].TotalCompressedSize}
		if chunks := g.ColumnChunks(); len(chunks) > 0 {
			if oi, err := chunks[0].OffsetIndex(); err == nil && oi != nil {
				rg.Pages = oi.NumPages()
			}
		}
		out = append(out, rg)
	}
	return out, nil
}

func (ft *Footer) column(c Column) *parquet.Column {
	if ft.byID {
		return ft.ids[c.ID]
	}
	for _, col := range ft.pq.Root().Columns() {
		if col.Name() == c.Name && col.Leaf() {
			return col
		}
	}
	return nil
}

// Prune returns the rows that may satisfy the filter, by row group bounds, bloom
// filters and page indexes. What it leaves out certainly does not.
func (ft *Footer) Prune(filter Filter) (out Ranges, err error) {
	defer recoverTo(&err, errkind.Corrupt, "prune "+ft.name)
	out = Ranges{}
	at := int64(0)
	for _, g := range ft.pq.RowGroups() {
		keep := Ranges{{0, g.NumRows()}}
		for _, c := range filter {
			col := ft.column(c.Column)
			if col == nil || !usable(col) {
				continue
			}
			chunk, ok := g.ColumnChunks()[col.Index()].(*parquet.FileColumnChunk)
			if !ok {
				continue
			}
			if keep = keep.Intersect(chunkRanges(chunk, col, c, g.NumRows())); len(keep) == 0 {
				break
			}
		}
		for _, r := range keep {
			out = out.add(at+r.From, at+r.To)
		}
		at += g.NumRows()
	}
	return out, nil
}

// usable leaves out repeated columns and INT96, which has no order in Parquet.
func usable(col *parquet.Column) bool {
	return !col.Repeated() && col.Type().Kind() != parquet.Int96
}

func chunkRanges(chunk *parquet.FileColumnChunk, col *parquet.Column, c Condition, rows int64) Ranges {
	all := Ranges{{0, rows}}
	if bloomExcludes(chunk, col, c) {
		return Ranges{}
	}
	ci, err := chunk.ColumnIndex()
	if err != nil || ci == nil || ci.NumPages() == 0 {
		return chunkBounds(chunk, col, c, all)
	}
	oi, err := chunk.OffsetIndex()
	if err != nil || oi == nil || oi.NumPages() != ci.NumPages() {
		return chunkBounds(chunk, col, c, all)
	}
	keep := Ranges{}
	for p := range ci.NumPages() {
		from, to := oi.FirstRowIndex(p), rows
		if p+1 < ci.NumPages() {
			to = oi.FirstRowIndex(p + 1)
		}
		b := bounds{nullOnly: ci.NullPage(p), nulls: ci.NullCount(p)}
		if !b.nullOnly {
			b.min, b.max = goValue(ci.MinValue(p), col), goValue(ci.MaxValue(p), col)
		}
		if b.mayMatch(c) {
			keep = keep.add(from, to)
		}
	}
	return keep
}

func chunkBounds(chunk *parquet.FileColumnChunk, col *parquet.Column, c Condition, all Ranges) Ranges {
	lo, hi, ok := chunk.Bounds()
	if !ok || lo.IsNull() || hi.IsNull() {
		return all
	}
	// Writers may leave the null count out, so nulls count as present.
	b := bounds{min: goValue(lo, col), max: goValue(hi, col), nulls: 1}
	if b.mayMatch(c) {
		return all
	}
	return Ranges{}
}

func bloomExcludes(chunk *parquet.FileColumnChunk, col *parquet.Column, c Condition) bool {
	if c.Op != Eq && c.Op != In {
		return false
	}
	bf := chunk.BloomFilter()
	if bf == nil || bf.Size() == 0 {
		return false
	}
	for _, v := range c.Values {
		pv, ok := parquetValue(v, col)
		if !ok {
			return false
		}
		if maybe, err := bf.Check(pv); err != nil || maybe {
			return false
		}
	}
	return len(c.Values) > 0
}

// bounds of a page or chunk; nil min or max: not known.
type bounds struct {
	min, max any
	nulls    int64
	nullOnly bool
}

func (b bounds) mayMatch(c Condition) bool {
	switch {
	case c.Op == IsNull:
		return b.nullOnly || b.nulls > 0
	case b.nullOnly:
		return false
	case c.Op == IsNotNull || len(c.Values) == 0 || b.min == nil || b.max == nil:
		return true
	case c.Op == In:
		i, _ := slices.BinarySearchFunc(c.Values, b.min, func(v, lo any) int {
			order, ok := Compare(v, lo)
			if !ok {
				return 0 // not comparable: found here, and kept by the test below
			}
			return order
		})
		return i < len(c.Values) && !less(b.max, c.Values[i])
	}
	v := c.Values[0]
	switch c.Op {
	case Eq:
		return !less(v, b.min) && !less(b.max, v)
	case Ne:
		return !equal(v, b.min) || !equal(v, b.max)
	case Lt:
		return less(b.min, v) || !comparable(b.min, v)
	case Le:
		return !less(v, b.min)
	case Gt:
		return less(v, b.max) || !comparable(b.max, v)
	case Ge:
		return !less(b.max, v)
	default:
		return true
	}
}

func less(a, b any) bool  { c, ok := Compare(a, b); return ok && c < 0 }
func equal(a, b any) bool { c, ok := Compare(a, b); return ok && c == 0 }

func comparable(a, b any) bool { _, ok := Compare(a, b); return ok }

func isDecimal(col *parquet.Column) bool {
	lt := col.Type().LogicalType()
	if lt == nil {
		return false
	}
	_, ok := lt.Value.(*pqformat.DecimalType)
	return ok
}

// isText reports a string column; files older than logical types say it by converted type.
func isText(col *parquet.Column) bool {
	if lt := col.Type().LogicalType(); lt != nil && lt.Value != nil {
		_, ok := lt.Value.(*pqformat.StringType)
		return ok
	}
	ct := col.Type().ConvertedType()
	return ct != nil && *ct == deprecated.UTF8
}

// goValue is a Parquet value in the Go form of its column; nil if it has none.
func goValue(v parquet.Value, col *parquet.Column) any {
	if v.IsNull() {
		return nil
	}
	switch v.Kind() {
	case parquet.Boolean:
		return v.Boolean()
	case parquet.Int32, parquet.Int64:
		n := v.Int64()
		if v.Kind() == parquet.Int32 {
			n = int64(v.Int32())
		}
		if isDecimal(col) {
			return decimal128.FromI64(n)
		}
		return n
	case parquet.Float:
		return float64(v.Float())
	case parquet.Double:
		return v.Double()
	case parquet.ByteArray, parquet.FixedLenByteArray:
		if isDecimal(col) {
			return decimalOf(v.ByteArray())
		}
		if isText(col) {
			return string(v.ByteArray())
		}
		return slices.Clone(v.ByteArray())
	default:
		return nil
	}
}

// decimalOf reads a big-endian two's complement; nil if it is longer than 16 bytes.
func decimalOf(b []byte) any {
	if len(b) == 0 || len(b) > 16 {
		return nil
	}
	var buf [16]byte
	if b[0]&0x80 != 0 {
		for i := range buf {
			buf[i] = 0xff
		}
	}
	copy(buf[16-len(b):], b)
	return decimal128.New(int64(binary.BigEndian.Uint64(buf[:8])), binary.BigEndian.Uint64(buf[8:]))
}

// parquetValue is the reverse of goValue, for bloom filters.
func parquetValue(v any, col *parquet.Column) (parquet.Value, bool) {
	if isDecimal(col) {
		return parquet.Value{}, false
	}
	switch x := v.(type) {
	case int64:
		switch col.Type().Kind() {
		case parquet.Int32:
			return parquet.Int32Value(int32(x)), int64(int32(x)) == x
		case parquet.Int64:
			return parquet.Int64Value(x), true
		}
	case float64:
		switch col.Type().Kind() {
		case parquet.Double:
			return parquet.DoubleValue(x), x != 0 // -0.0 and 0.0 differ in bits
		}
	case string:
		return parquet.ByteArrayValue([]byte(x)), col.Type().Kind() == parquet.ByteArray
	case []byte:
		return parquet.ByteArrayValue(x), col.Type().Kind() == parquet.ByteArray
	}
	return parquet.Value{}, false
}

// Compression names the codec of the file's first column chunk; "" for an empty file.
func (ft *Footer) Compression() string {
	for _, g := range ft.pq.Metadata().RowGroups {
		for _, c := range g.Columns {
			return c.MetaData.Codec.String()
		}
	}
	return ""
}
