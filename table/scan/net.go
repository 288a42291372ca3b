package scan

import (
	"crypto/sha256"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
)

// rowID stands for a row's values: 128 bits of their SHA-256, so that files of any size are compared in 32 bytes a row.
type rowID [16]byte

// net gives the rows of the added files less those of the removed ones. A file is rewritten whole for a few rows, so
// most rows are in both and no change at all. Rows with nested columns are not compared: they go and come back.
func (c *changes) net(added, removed []manifest.Entry) error {
	if slices.ContainsFunc(c.fields, nested) {
		all := func(rowID) bool { return true }
		if err := c.eachRow(removed, all, lsm.Delete); err != nil {
			return err
		}
		return c.eachRow(added, all, lsm.Insert)
	}
	count := map[rowID]int{}
	err := c.eachRow(removed, func(id rowID) bool {
		count[id]++
		return false
	}, lsm.Delete)
	if err != nil {
		return err
	}
	err = c.eachRow(added, func(id rowID) bool {
		if count[id] > 0 {
			count[id]--
			return false
		}
		return true
	}, lsm.Insert)
	if err != nil {
		return err
	}
	return c.eachRow(removed, func(id rowID) bool {
		if count[id] > 0 {
			count[id]--
			return true
		}
		return false
	}, lsm.Delete)
}

// eachRow hands on, as the kind, the rows of files that take chooses.
func (c *changes) eachRow(entries []manifest.Entry, take func(rowID) bool, kind int8) error {
	return c.each(entries, c.fields, func(rec arrow.RecordBatch) error {
		ids, err := rowIDs(c.fields, rec)
		if err != nil {
			return err
		}
		var sel []lsm.Ref
		for i, id := range ids {
			if take(id) {
				sel = append(sel, lsm.Ref{Row: int32(i)})
			}
		}
		if len(sel) == 0 {
			return nil
		}
		rows, err := lsm.GatherBatch(rec.Schema(), []arrow.RecordBatch{rec}, sel)
		if err != nil {
			return err
		}
		defer rows.Release()
		kinds := make([]int8, len(sel))
		for i := range kinds {
			kinds[i] = kind
		}
		return c.fn(rows, kinds)
	})
}

// rowIDs stand for the rows of a batch; those with nested columns have none of their own.
func rowIDs(fields []schema.Field, rec arrow.RecordBatch) ([]rowID, error) {
	out := make([]rowID, rec.NumRows())
	if slices.ContainsFunc(fields, nested) {
		return out, nil
	}
	enc, err := schema.NewRowEncoder(schema.TypesOf(fields))
	if err != nil {
		return nil, err
	}
	if err := enc.Bind(rec.Columns()); err != nil {
		return nil, err
	}
	var buf []byte
	for i := range out {
		buf = enc.Append(buf[:0], i)
		sum := sha256.Sum256(buf)
		out[i] = rowID(sum[:16])
	}
	return out, nil
}

func nested(f schema.Field) bool { return !schema.Rowable(f.Type) }
