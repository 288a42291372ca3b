package rowjson

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/table/schema"
)

// KindMember is the member of a row that carries its kind: +I, -U, +U or -D.
const KindMember = "_kind"

// foundMax bounds how much of a bad value an error repeats.
const foundMax = 60

// DecodeOptions of a Decoder; the zero value ignores unknown members and takes
// missing ones as NULL.
type DecodeOptions struct {
	RefuseUnknown bool // a member that is no column is an error
	RefuseMissing bool // a column without member is an error, also if nullable
	Kinds         bool // read KindMember
	// AllowNull lists columns that may be NULL although their type says NOT NULL:
	// computed later, or filled by defaults.
	AllowNull []string
}

// RowError says why a row cannot be taken; its kind is Invalid.
type RowError struct {
	Row      int    // index in this Append's input, from 0
	Column   string // empty if the row as a whole is wrong
	Expected string // type or form
	Found    string // beginning of what was there
	Offset   int    // bytes into the row where it stops being JSON; -1 otherwise
}

func (e *RowError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("row %d: expected %s, found %s", e.Row, e.Expected, e.Found)
	}
	return fmt.Sprintf("row %d: column %s: expected %s, found %s", e.Row, e.Column, e.Expected, e.Found)
}

// Decoder builds Arrow batches out of JSON rows. It is not safe for concurrent use.
type Decoder struct {
	opts    DecodeOptions
	fields  []schema.Field
	byName  map[string]int
	notNull []bool
	sc      *arrow.Schema
	b       *array.RecordBuilder
	set     []setter
	seen    []value
	kinds   []int8
	rows    int
	bad     []int // built rows that are to be left out
}

// NewDecoder makes a decoder of rows with the columns.
func NewDecoder(fields []schema.Field, opts DecodeOptions) (*Decoder, error) {
	d := &Decoder{opts: opts, fields: fields, byName: map[string]int{}, seen: make([]value, len(fields)), notNull: make([]bool, len(fields))}
	for i, f := range fields {
		s, err := setterOf(f.Type)
		if err != nil {
			return nil, errkind.Errorf(errkind.Invalid, "column %s: %w", f.Name, err)
		}
		d.set = append(d.set, s)
		d.byName[f.Name] = i
		d.notNull[i] = f.Type.NotNull
	}
	for _, n := range opts.AllowNull {
		if i, ok := d.byName[n]; ok {
			d.notNull[i] = false
		}
	}
	var err error
	if d.sc, err = schema.ArrowSchema(fields); err != nil {
		return nil, errkind.Wrap(errkind.Invalid, err)
	}
	d.b = array.NewRecordBuilder(memory.DefaultAllocator, d.sc)
	return d, nil
}

// Schema of the batches.
func (d *Decoder) Schema() *arrow.Schema { return d.sc }

// Rows is the number of good rows since the last Flush.
func (d *Decoder) Rows() int { return d.rows - len(d.bad) }

// Append takes one JSON object as the next row. A bad row is a *RowError with Row
// 0 and leaves no trace.
func (d *Decoder) Append(row []byte) error {
	p := parser{data: row}
	if err := d.object(&p, 0); err != nil {
		return err
	}
	p.space()
	if p.pos < len(row) {
		return d.syntax(row, 0, p.fail("expected the end, found %s", p.found()))
	}
	return nil
}

// AppendAll takes a JSON array of objects or objects one after the other (NDJSON)
// and returns the number of good rows. onBad decides about a bad row: nil goes on
// without it, an error stops; a nil onBad stops at the first. Text that is no
// JSON ends the input: where the next row begins cannot be known, unless rows
// are lines.
func (d *Decoder) AppendAll(data []byte, onBad func(err *RowError, row []byte) error) (int, error) {
	if onBad == nil {
		onBad = func(err *RowError, _ []byte) error { return errkind.Wrap(errkind.Invalid, err) }
	}
	p := parser{data: data}
	p.space()
	if p.peek() != kindArray {
		return d.lines(data, onBad)
	}
	n, row := 0, 0
	err := p.array(0, func(v value) error {
		q := parser{data: v.raw}
		err := d.object(&q, row)
		row++
		if err == nil {
			n++
			return nil
		}
		re, ok := asRow(err)
		if !ok {
			return err
		}
		return onBad(re, v.raw)
	})
	if se, ok := err.(*SyntaxError); ok {
		return n, d.syntax(data, row, se)
	}
	if err != nil {
		return n, err
	}
	if p.space(); p.pos < len(data) {
		return n, d.syntax(data, row, p.fail("expected the end, found %s", p.found()))
	}
	return n, nil
}

func (d *Decoder) lines(data []byte, onBad func(*RowError, []byte) error) (int, error) {
	n, row := 0, 0
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte{'\n'})
		data = rest
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		err := d.Append(line)
		row++
		if err == nil {
			n++
			continue
		}
		re, ok := asRow(err)
		if !ok {
			return n, err
		}
		re.Row = row - 1
		if err := onBad(re, line); err != nil {
			return n, err
		}
	}
	return n, nil
}

func asRow(err error) (*RowError, bool) {
	for err != nil {
		if re, ok := err.(*RowError); ok {
			return re, true
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return nil, false
		}
		err = u.Unwrap()
	}
	return nil, false
}

func invalid(e *RowError) error { return errkind.Wrap(errkind.Invalid, e) }

func (d *Decoder) syntax(data []byte, row int, err error) error {
	e := &RowError{Row: row, Expected: "JSON", Found: excerpt(data), Offset: -1}
	if se, ok := err.(*SyntaxError); ok {
		e.Offset, e.Found = se.Offset, se.Error()
	}
	return invalid(e)
}

// object reads one row. Members are found first and built after, so that columns
// are built in order and a repeated member counts once, the last.
func (d *Decoder) object(p *parser, row int) error {
	if p.space(); p.peek() != kindObject {
		return invalid(&RowError{Row: row, Expected: "an object", Found: excerpt(p.data), Offset: -1})
	}
	clear(d.seen)
	kind := lsm.Insert
	err := p.object(0, func(name []byte, v value) error {
		i, ok := d.byName[string(unquote(name))]
		switch {
		case ok:
			d.seen[i] = v
		case d.opts.Kinds && string(unquote(name)) == KindMember:
			var known bool
			if kind, known = parseKind(v); !known {
				return invalid(&RowError{Row: row, Column: KindMember, Expected: `"+I", "-U", "+U" or "-D"`, Found: excerpt(v.raw), Offset: -1})
			}
		case d.opts.RefuseUnknown:
			return invalid(&RowError{Row: row, Column: string(unquote(name)), Expected: "a column of the table", Found: "an unknown name", Offset: -1})
		}
		return nil
	})
	if _, ok := err.(*SyntaxError); ok {
		return d.syntax(p.data, row, err)
	}
	if err != nil {
		return err
	}
	if err := d.complete(row); err != nil {
		return err
	}
	return d.build(row, kind)
}

func parseKind(v value) (int8, bool) {
	switch string(v.raw) {
	case `"+I"`:
		return lsm.Insert, true
	case `"-U"`:
		return lsm.UpdateBefore, true
	case `"+U"`:
		return lsm.UpdateAfter, true
	case `"-D"`:
		return lsm.Delete, true
	default:
		return 0, false
	}
}

// complete refuses rows without a value for a column that needs one.
func (d *Decoder) complete(row int) error {
	for i, v := range d.seen {
		switch {
		case v.kind == kindInvalid && (d.notNull[i] || d.opts.RefuseMissing):
			return invalid(&RowError{Row: row, Column: d.fields[i].Name, Expected: d.fields[i].Type.String(), Found: "no such member", Offset: -1})
		case v.kind == kindNull && d.notNull[i]:
			return invalid(&RowError{Row: row, Column: d.fields[i].Name, Expected: d.fields[i].Type.String(), Found: "null", Offset: -1})
		}
	}
	return nil
}

func (d *Decoder) build(row int, kind int8) error {
	var bad error
	for i, v := range d.seen {
		b := d.b.Field(i)
		if bad != nil || v.kind == kindInvalid || v.kind == kindNull {
			b.AppendNull()
			continue
		}
		if err := d.set[i](b, v); err != nil {
			bad = invalid(&RowError{Row: row, Column: d.fields[i].Name, Expected: d.fields[i].Type.WithNotNull(false).String() + hint(err), Found: excerpt(v.raw), Offset: -1})
		}
	}
	if bad != nil {
		d.bad = append(d.bad, d.rows)
	}
	d.rows++
	d.kinds = append(d.kinds, kind)
	return bad
}

func hint(err error) string {
	if s := err.Error(); s != "" {
		return " (" + s + ")"
	}
	return ""
}

func excerpt(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "nothing"
	}
	if len(raw) > foundMax {
		return string(bytes.ToValidUTF8(raw[:foundMax], nil)) + "..."
	}
	return string(bytes.ToValidUTF8(raw, []byte("?")))
}

// Flush returns the good rows since the last Flush and their kinds (all +I
// without DecodeOptions.Kinds). The caller releases the batch.
func (d *Decoder) Flush() (arrow.RecordBatch, []int8, error) {
	rec, kinds, bad := d.b.NewRecordBatch(), d.kinds, d.bad
	d.kinds, d.bad, d.rows = nil, nil, 0
	if len(bad) == 0 {
		return rec, kinds, nil
	}
	defer rec.Release()
	var sel []lsm.Ref
	var keep []int8
	for i := range int(rec.NumRows()) {
		if len(bad) > 0 && bad[0] == i {
			bad = bad[1:]
			continue
		}
		sel, keep = append(sel, lsm.Ref{Row: int32(i)}), append(keep, kinds[i])
	}
	out, err := lsm.GatherBatch(d.sc, []arrow.RecordBatch{rec}, sel)
	return out, keep, err
}
