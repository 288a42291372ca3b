package format

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
)

// Batch collects rows as Arrow columns. A decoder fills the columns it was made for and
// calls EndRow once a row; the connector fills the others (metadata, key columns) for the
// rows of a message, so that all columns are equally long when the next message begins.
// A Batch is not safe for concurrent use.
type Batch struct {
	fields  []connector.Field
	schema  *arrow.Schema
	cols    []array.Builder
	kinds   []int8 // one per row, dropped ones too
	dropped []bool // one per row; nil while none is dropped
	live    int
	changes bool // some kind is not +I
	part    bool // EndRow does nothing: columns are added to rows that have ended
	dead    []connector.DeadLetter
}

// NewBatch makes an empty batch of the fields.
func NewBatch(mem memory.Allocator, fields []connector.Field) (*Batch, error) {
	s, err := connector.ArrowSchema(fields)
	if err != nil {
		return nil, err
	}
	b := &Batch{fields: fields, schema: s, cols: make([]array.Builder, len(fields))}
	for i, f := range s.Fields() {
		b.cols[i] = array.NewBuilder(mem, f.Type)
	}
	return b, nil
}

// Schema is the Arrow schema of the batch.
func (b *Batch) Schema() *arrow.Schema { return b.schema }

// Column is the builder of a field; whoever fills it appends one value per row.
func (b *Batch) Column(i int) array.Builder { return b.cols[i] }

// Len is the number of rows taken, without failed ones.
func (b *Batch) Len() int { return b.live }

// Mark is the place where the next row goes; it is given back to Fail.
func (b *Batch) Mark() int { return len(b.kinds) }

// EndRow closes a row of the kind.
func (b *Batch) EndRow(kind int8) {
	if b.part {
		return
	}
	b.kinds = append(b.kinds, kind)
	if b.dropped != nil {
		b.dropped = append(b.dropped, false)
	}
	b.changes = b.changes || kind != connector.Insert
	b.live++
}

// AddPart decodes msg with a decoder of other columns (a message's key) into the rows from
// mark on, once for each. On an error the rows are taken back.
func (b *Batch) AddPart(d Decoder, msg []byte, mark int, cols []int) error {
	b.part = true
	defer func() { b.part = false }()
	for row := mark; row < b.Mark(); row++ {
		if b.dropped != nil && b.dropped[row] {
			continue // Fail made its columns level
		}
		err := d.Decode(msg, b)
		for _, c := range cols {
			if err == nil && b.cols[c].Len() != row+1 {
				err = fmt.Errorf("expected one row, found %d", b.cols[c].Len()-row)
			}
		}
		if err != nil {
			b.Fail(mark)
			return err
		}
	}
	return nil
}

// Fail takes back every row from mark on, with the values of a row that was begun.
func (b *Batch) Fail(mark int) {
	if b.dropped == nil {
		b.dropped = make([]bool, len(b.kinds), len(b.kinds)+1)
	}
	for i := mark; i < len(b.kinds); i++ {
		if !b.dropped[i] {
			b.dropped[i] = true
			b.live--
		}
	}
	rows := len(b.kinds)
	for _, c := range b.cols {
		rows = max(rows, c.Len())
	}
	for _, c := range b.cols {
		level(c, rows)
	}
	for len(b.kinds) < rows {
		b.kinds = append(b.kinds, connector.Insert)
		b.dropped = append(b.dropped, true)
	}
}

// Dead adds a dead letter to the chunk; raw is bounded and copied.
func (b *Batch) Dead(split, position, reason string, raw []byte) {
	b.dead = append(b.dead, connector.DeadLetter{Split: split, Position: position, Reason: reason, Raw: connector.Trim(raw)})
}

// DeadLen is the number of dead letters held.
func (b *Batch) DeadLen() int { return len(b.dead) }

// Flush hands out the rows and dead letters taken so far and empties the batch.
// The caller releases the chunk's Rows.
func (b *Batch) Flush() (connector.Chunk, error) {
	rows := len(b.kinds)
	arrs := make([]arrow.Array, len(b.cols))
	for i, c := range b.cols {
		if c.Len() != rows {
			return connector.Chunk{}, fmt.Errorf("format: column %s has %d values for %d rows", b.fields[i].Name, c.Len(), rows)
		}
		arrs[i] = c.NewArray()
	}
	rec := array.NewRecordBatch(b.schema, arrs, int64(rows))
	for _, a := range arrs {
		a.Release()
	}
	c := connector.Chunk{Rows: rec, Dead: b.dead}
	if b.changes {
		c.Kinds = b.kinds
	}
	if b.live < rows {
		if err := b.filter(&c); err != nil {
			c.Rows.Release()
			return connector.Chunk{}, err
		}
	}
	b.kinds, b.dropped, b.dead, b.live, b.changes = nil, nil, nil, 0, false
	return c, nil
}

// filter removes the failed rows of a chunk: bad rows are rare, so the runs between them are joined.
func (b *Batch) filter(c *connector.Chunk) error {
	var kinds []int8
	runs := make([][]arrow.Array, len(b.cols))
	defer func() {
		for _, col := range runs {
			for _, a := range col {
				a.Release()
			}
		}
	}()
	for from := 0; from < len(b.dropped); {
		to := from
		for to < len(b.dropped) && !b.dropped[to] {
			to++
		}
		if to > from || len(runs) > 0 && len(runs[0]) == 0 {
			kinds = append(kinds, b.kinds[from:to]...)
			for i := range runs {
				runs[i] = append(runs[i], array.NewSlice(c.Rows.Column(i), int64(from), int64(to)))
			}
		}
		from = to + 1
	}
	cols := make([]arrow.Array, len(runs))
	for i, r := range runs {
		joined, err := array.Concatenate(r, memory.DefaultAllocator)
		if err != nil {
			return fmt.Errorf("format: remove bad rows: %w", err)
		}
		defer joined.Release()
		cols[i] = joined
	}
	c.Rows.Release()
	c.Rows = array.NewRecordBatch(b.schema, cols, int64(b.live))
	if c.Kinds != nil {
		c.Kinds = kinds
	}
	return nil
}

// Release frees the builders.
func (b *Batch) Release() {
	for _, c := range b.cols {
		c.Release()
	}
}

// level pads a builder to rows values and mends nested children that a failed row left
// unequally long. The padded values belong to dropped rows only.
func level(c array.Builder, rows int) {
	for c.Len() < rows {
		c.AppendEmptyValue()
	}
	switch n := c.(type) {
	case *array.StructBuilder:
		for i := range n.NumField() {
			level(n.FieldBuilder(i), rows)
		}
	case *array.MapBuilder:
		m := max(n.KeyBuilder().Len(), n.ItemBuilder().Len())
		level(n.KeyBuilder(), m)
		level(n.ItemBuilder(), m)
	case *array.ListBuilder:
		level(n.ValueBuilder(), n.ValueBuilder().Len())
	}
}
