package api

import (
	"slices"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/table"
	"github.com/weir-lake/weir/table/rowjson"
	"github.com/weir-lake/weir/table/schema"
)

const (
	// diffRowsMax bounds the rows held while two versions are compared.
	diffRowsMax = 200_000
	// diffBytesMax bounds their text.
	diffBytesMax = 256 << 20
)

// errDiffTooLarge: the versions differ in too many rows.
var errDiffTooLarge = errkind.Errorf(errkind.Exhausted, "diff: the versions differ in more than %d rows or %d MB: choose versions that are closer together, or compare them with a query", diffRowsMax, diffBytesMax>>20)

// differ nets changes by their rows' text, so that what came and went is gone.
type differ struct {
	enc   *rowjson.Encoder
	keys  []int // columns of the primary key
	net   map[string]*netRow
	order []*netRow
	bytes int
}

// netRow is a row with how often it came more than it went.
type netRow struct {
	text string // members without braces
	key  string
	n    int64
}

func newDiffer(s *schema.Schema, bigInt bool) (*differ, error) {
	enc, err := rowjson.NewEncoder(s.Fields, rowjson.EncodeOptions{BigIntString: bigInt})
	if err != nil {
		return nil, err
	}
	d := &differ{enc: enc, net: map[string]*netRow{}}
	for _, k := range s.PrimaryKeys {
		d.keys = append(d.keys, s.FieldIndex(k))
	}
	return d, nil
}

// add takes the changes of one snapshot.
func (d *differ) add(c table.Change) error {
	var buf []byte
	for i := range int(c.Rows.NumRows()) {
		buf = d.enc.AppendMembers(buf[:0], c.Rows, i)
		r := d.net[string(buf)]
		if r == nil {
			if d.bytes += len(buf); len(d.order) >= diffRowsMax || d.bytes > diffBytesMax {
				return errDiffTooLarge
			}
			r = &netRow{text: string(buf)}
			for _, k := range d.keys {
				r.key += string(d.enc.AppendCell(nil, k, c.Rows.Column(k), i)) + "\x00"
			}
			d.net[r.text] = r
			d.order = append(d.order, r)
		}
		if lsm.IsRetract(c.Kinds[i]) {
			r.n--
		} else {
			r.n++
		}
	}
	return nil
}

// result counts all and decodes the first rows. Rows of one key stand together, the earlier first.
func (d *differ) result(out *DiffAnswer, limit int) {
	before := map[string]*netRow{}
	d.order = slices.DeleteFunc(d.order, func(r *netRow) bool { return r.n == 0 })
	for _, r := range d.order {
		if r.n < 0 && r.key != "" {
			before[r.key] = r
		}
	}
	after := map[string]bool{}
	for _, r := range d.order {
		if r.n > 0 && r.key != "" && before[r.key] != nil {
			after[r.key] = true
		}
	}
	put := func(r *netRow, kind string) {
		for range max(r.n, -r.n) {
			if len(out.Rows) < limit {
				out.Rows = append(out.Rows, Row(`{"`+rowjson.KindMember+`":"`+kind+`",`+r.text+"}"))
			}
		}
	}
	for _, r := range d.order {
		switch {
		case r.n > 0 && after[r.key]:
			out.Updated++
			put(before[r.key], "-U")
			put(r, "+U")
		case r.n > 0:
			out.Added += r.n
			put(r, "+I")
		case !after[r.key]:
			out.Removed -= r.n
			put(r, "-D")
		}
	}
}
