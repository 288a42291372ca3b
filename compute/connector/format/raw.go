package format

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// rawOptions are the options of raw.
type rawOptions struct{ little bool }

// rawDecoder takes a message as the bytes of one value: text, bytes, or a fixed-width number.
type rawDecoder struct {
	col   int
	field connector.Field
	order binary.ByteOrder
	width int // bytes of a fixed-width type, else 0
}

// rawWidths are the fixed-width types of the format raw, in bytes.
var rawWidths = map[schema.Kind]int{
	schema.Boolean: 1, schema.TinyInt: 1, schema.SmallInt: 2, schema.Int: 4, schema.BigInt: 8, schema.Float: 4, schema.Double: 8,
}

func newRawDecoder(fields []connector.Field, cols []int, o rawOptions) (*rawDecoder, error) {
	if len(cols) != 1 {
		return nil, errkind.Errorf(errkind.Invalid, "format raw needs exactly one physical column, found %d", len(cols))
	}
	f := fields[cols[0]]
	width, fixed := rawWidths[f.Type.Kind]
	if !fixed && !f.Type.IsString() && !f.Type.IsBinary() {
		return nil, errkind.Errorf(errkind.Invalid, "column %s: format raw has no form for type %s", f.Name, f.Type)
	}
	d := &rawDecoder{col: cols[0], field: f, order: binary.BigEndian, width: width}
	if o.little {
		d.order = binary.LittleEndian
	}
	return d, nil
}

// Decode implements Decoder. A nil message is NULL.
func (d *rawDecoder) Decode(msg []byte, b *Batch) error {
	c := b.Column(d.col)
	if msg == nil {
		if d.field.Required {
			return fmt.Errorf("column %s: is null, but it is a key or NOT NULL column", d.field.Name)
		}
		c.AppendNull()
		b.EndRow(connector.Insert)
		return nil
	}
	if d.width != 0 && len(msg) != d.width {
		return fmt.Errorf("column %s: expected %s of %d bytes, found %d bytes", d.field.Name, d.field.Type, d.width, len(msg))
	}
	switch c := c.(type) {
	case *array.StringBuilder:
		if !utf8.Valid(msg) {
			return fmt.Errorf("column %s: %.40q is not UTF-8", d.field.Name, msg)
		}
		c.BinaryBuilder.Append(msg)
	case *array.BinaryBuilder:
		c.Append(msg)
	case *array.BooleanBuilder:
		c.Append(msg[0] != 0)
	case *array.Int8Builder:
		c.Append(int8(msg[0]))
	case *array.Int16Builder:
		c.Append(int16(d.order.Uint16(msg)))
	case *array.Int32Builder:
		c.Append(int32(d.order.Uint32(msg)))
	case *array.Int64Builder:
		c.Append(int64(d.order.Uint64(msg)))
	case *array.Float32Builder:
		c.Append(math.Float32frombits(d.order.Uint32(msg)))
	case *array.Float64Builder:
		c.Append(math.Float64frombits(d.order.Uint64(msg)))
	}
	b.EndRow(connector.Insert)
	return nil
}
