package write

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/storage/format"
	"github.com/weir-lake/weir/table/schema"
)

// System columns of primary-key files, with Paimon's names and field ids.
const (
	SequenceColumn = "_SEQUENCE_NUMBER"
	KindColumn     = "_VALUE_KIND"
	sequenceID     = 2147483646
	kindID         = 2147483645
	keyIDOffset    = 1073741823 // id of _KEY_x = this + id of x
	nestedIDBase   = 536870911  // ids of list elements, map keys and values
	nestedIDStep   = 1024       // between the columns' ranges of such ids
)

// layout is the columns of data files of one schema version.
type layout struct {
	schema *schema.Schema
	opts   schema.Options
	file   *arrow.Schema // as on disk, with field ids
	merged *arrow.Schema // as buffered and merged: table columns, then sequence and kind
	keys   []int         // positions of the trimmed primary key among the table's columns
}

func newLayout(s *schema.Schema) (*layout, error) {
	opts, err := s.TableOptions()
	if err != nil {
		return nil, err
	}
	l := &layout{schema: s, opts: opts}
	values, err := fileFields(s.Fields)
	if err != nil {
		return nil, err
	}
	if l.merged, err = schema.ArrowSchema(s.Fields); err != nil {
		return nil, err
	}
	if !s.HasPrimaryKey() {
		l.file = arrow.NewSchema(values, nil)
		return l, nil
	}
	var fields []arrow.Field
	for _, k := range s.KeyFields() {
		at := s.FieldIndex(k.Name)
		l.keys = append(l.keys, at)
		if !opts.ThinMode {
			fields = append(fields, arrow.Field{Name: schema.KeyPrefix + k.Name, Type: values[at].Type, Metadata: format.FieldMeta(keyIDOffset + k.ID)})
		}
	}
	fields = append(fields,
		arrow.Field{Name: SequenceColumn, Type: arrow.PrimitiveTypes.Int64, Metadata: format.FieldMeta(sequenceID)},
		arrow.Field{Name: KindColumn, Type: arrow.PrimitiveTypes.Int8, Metadata: format.FieldMeta(kindID)})
	l.file = arrow.NewSchema(append(fields, values...), nil)
	l.merged = arrow.NewSchema(append(l.merged.Fields(),
		arrow.Field{Name: SequenceColumn, Type: arrow.PrimitiveTypes.Int64},
		arrow.Field{Name: KindColumn, Type: arrow.PrimitiveTypes.Int8}), nil)
	return l, nil
}

// fileColumns arranges columns of the merged layout as the file has them.
func (l *layout) fileColumns(rec arrow.RecordBatch) []arrow.Array {
	n := len(l.schema.Fields)
	if !l.schema.HasPrimaryKey() {
		return rec.Columns()
	}
	var out []arrow.Array
	if !l.opts.ThinMode {
		for _, k := range l.keys {
			out = append(out, rec.Column(k))
		}
	}
	out = append(out, rec.Column(n), rec.Column(n+1))
	return append(out, rec.Columns()[:n]...)
}

// fileFields are the Arrow fields with the field ids that Paimon gives them.
func fileFields(fields []schema.Field) ([]arrow.Field, error) {
	out := make([]arrow.Field, len(fields))
	for i, f := range fields {
		t, err := fileType(f.Type, f.ID, 0)
		if err != nil {
			return nil, err
		}
		out[i] = arrow.Field{Name: f.Name, Type: t, Nullable: !f.Type.NotNull, Metadata: format.FieldMeta(f.ID)}
	}
	return out, nil
}

// fileType is the Arrow type with field ids inside: column is the top field's id,
// depth the nesting so far.
func fileType(t schema.Type, column, depth int) (arrow.DataType, error) {
	switch t.Kind {
	case schema.Array:
		e, err := fileType(*t.Elem, column, depth+1)
		if err != nil {
			return nil, err
		}
		id := nestedIDBase + nestedIDStep*column + depth + 1
		return arrow.ListOfField(arrow.Field{Name: "element", Type: e, Nullable: !t.Elem.NotNull, Metadata: format.FieldMeta(id)}), nil
	case schema.Map, schema.Multiset:
		key, val := t.Key, t.Elem
		if t.Kind == schema.Multiset {
			n := schema.TInt.WithNotNull(true)
			key, val = t.Elem, &n
		}
		k, err := fileType(*key, column, depth+1)
		if err != nil {
			return nil, err
		}
		v, err := fileType(*val, column, depth+1)
		if err != nil {
			return nil, err
		}
		return arrow.MapOfFields(
			arrow.Field{Name: "key", Type: k, Metadata: format.FieldMeta(nestedIDBase - nestedIDStep*column - depth - 1)},
			arrow.Field{Name: "value", Type: v, Nullable: !val.NotNull, Metadata: format.FieldMeta(nestedIDBase + nestedIDStep*column + depth + 1)}), nil
	case schema.Row:
		fields, err := fileFields(t.Fields)
		if err != nil {
			return nil, err
		}
		return arrow.StructOf(fields...), nil
	default:
		return t.ArrowType()
	}
}
