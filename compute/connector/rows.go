package connector

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/table/schema"
)

// The kinds of a Chunk's rows, in Paimon's numbering of RowKind.
const (
	Insert       int8 = 0 // +I
	UpdateBefore int8 = 1 // -U
	UpdateAfter  int8 = 2 // +U
	Delete       int8 = 3 // -D
)

// QueryRunner evaluates a bounded SELECT in the session's catalog and casts its columns,
// by position as INSERT does, to those asked for. A replay reads its events through it.
type QueryRunner func(ctx context.Context, sql string, out []plan.Column) (array.RecordReader, error)

// Field is a column a source fills: a physical one or, with Metadata, one of the source itself.
type Field struct {
	Name     string
	Type     schema.Type
	Metadata string // the metadata key; empty for physical columns
	// Required is set for primary-key and NOT NULL columns: a row without it is a bad row.
	Required bool
}

// Fields are the columns of the rows a source hands out: all that are not computed, in table order.
func Fields(t *plan.Table) []Field {
	key := make(map[string]bool, len(t.PrimaryKey))
	for _, k := range t.PrimaryKey {
		key[k] = true
	}
	out := make([]Field, 0, len(t.Columns))
	for _, c := range t.Columns {
		if c.Computed != nil {
			continue
		}
		out = append(out, Field{Name: c.Name, Type: c.Type, Metadata: c.Metadata, Required: c.Type.NotNull || key[c.Name]})
	}
	return out
}

// ArrowSchema is the Arrow schema of the fields.
func ArrowSchema(fields []Field) (*arrow.Schema, error) {
	fs := make([]schema.Field, len(fields))
	for i, f := range fields {
		fs[i] = schema.Field{ID: i, Name: f.Name, Type: f.Type}
	}
	return schema.ArrowSchema(fs)
}

// SinkFields are the columns of the rows a sink takes: physical ones and metadata columns that are not virtual.
func SinkFields(t *plan.Table) []Field {
	out := make([]Field, 0, len(t.Columns))
	for _, c := range t.Columns {
		if c.Computed == nil && !c.Virtual {
			out = append(out, Field{Name: c.Name, Type: c.Type, Metadata: c.Metadata, Required: c.Type.NotNull})
		}
	}
	return out
}

// KindAt is the kind of a chunk's row.
func (c Chunk) KindAt(row int) int8 {
	if c.Kinds == nil {
		return Insert
	}
	return c.Kinds[row]
}

// KindText is the short form of a kind: +I, -U, +U, -D.
func KindText(k int8) string { return [...]string{"+I", "-U", "+U", "-D"}[k&3] }

// Trim bounds raw to MaxRawBytes for a dead letter and copies it.
func Trim(raw []byte) []byte {
	if len(raw) > MaxRawBytes {
		raw = raw[:MaxRawBytes]
	}
	return append([]byte(nil), raw...)
}

// Still is a dead letter that cannot be taken now either.
func (d DeadLetter) Still(format string, args ...any) Chunk {
	d.Reason = fmt.Sprintf(format, args...)
	return Chunk{Dead: []DeadLetter{d}}
}

// Whole reports whether the message was short enough to be kept whole.
func (d DeadLetter) Whole() bool { return len(d.Raw) < MaxRawBytes }

// MaxChunkRows bounds the rows of a Chunk: enough for vector loops to pay, few enough
// that a chunk of wide rows stays in the megabytes.
const MaxChunkRows = 8192

// What a Sink's Guarantee says.
const (
	ExactlyOnce = "exactly-once"
	AtLeastOnce = "at-least-once"
)

// Cut hands a chunk to fn in pieces of at most MaxChunkRows rows; dead letters go with the first.
// The caller keeps its reference to c.Rows.
func Cut(c Chunk, fn func(Chunk) error) error {
	n := c.Rows.NumRows()
	if n <= MaxChunkRows {
		return fn(c)
	}
	for lo := int64(0); lo < n; lo += MaxChunkRows {
		hi := min(n, lo+MaxChunkRows)
		piece := Chunk{Rows: c.Rows.NewSlice(lo, hi)}
		if c.Kinds != nil {
			piece.Kinds = c.Kinds[lo:hi]
		}
		if lo == 0 {
			piece.Dead = c.Dead
		}
		err := fn(piece)
		piece.Rows.Release()
		if err != nil {
			return err
		}
	}
	return nil
}
