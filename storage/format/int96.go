package format

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"

	"github.com/weir-lake/weir/internal/errkind"
)

const (
	julianEpochDay = 2440588 // Julian day of 1970-01-01
	nanosPerDay    = 86400 * 1_000_000_000
)

// int96Column reads one top-level INT96 column. pqarrow refuses the negative
// nanoseconds of day that Java Paimon writes before 1970, so it is read here.
type int96Column struct {
	f     *File
	leaf  int
	field arrow.Field

	rd       *file.Reader
	chunk    *file.Int96ColumnChunkReader
	groupEnd int64 // file row
	pos      int64 // file row that chunk delivers next
}

// read returns the values of the rows [from, from+n).
func (c *int96Column) read(from, n int64) (arrow.Array, error) {
	b := array.NewTimestampBuilder(memory.DefaultAllocator, c.field.Type.(*arrow.TimestampType))
	defer b.Release()
	b.Reserve(int(n))
	for n > 0 {
		if err := c.seek(from); err != nil {
			return nil, asCorrupt(err, c.f.name, fmt.Sprintf("column %s cannot be read at row %d", c.field.Name, from))
		}
		k := min(n, c.groupEnd-from)
		if err := c.append(b, k); err != nil {
			return nil, err
		}
		from, n = from+k, n-k
	}
	return b.NewArray(), nil
}

func (c *int96Column) seek(row int64) error {
	if c.chunk != nil && row == c.pos && row < c.groupEnd {
		return nil
	}
	start := int64(0)
	for g := range c.rd.NumRowGroups() {
		end := start + c.rd.RowGroup(g).NumRows()
		if row >= end {
			start = end
			continue
		}
		cr, err := c.rd.RowGroup(g).Column(c.leaf)
		if err != nil {
			return err
		}
		chunk, ok := cr.(*file.Int96ColumnChunkReader)
		if !ok {
			return errkind.Errorf(errkind.Corrupt, "column chunk is %T", cr)
		}
		if row > start {
			if err := chunk.SeekToRow(row - start); err != nil {
				return err
			}
		}
		c.chunk, c.groupEnd, c.pos = chunk, end, row
		return nil
	}
	return io.ErrUnexpectedEOF
}

func (c *int96Column) append(b *array.TimestampBuilder, n int64) error {
	maxDef := c.chunk.Descriptor().MaxDefinitionLevel()
	values := make([]parquet.Int96, n)
	defs := make([]int16, n)
	for n > 0 {
		levels, got, err := c.chunk.ReadBatch(n, values, defs, nil)
		if err == nil {
			err = c.chunk.Err()
		}
		if err != nil || levels == 0 {
			return asCorrupt(err, c.f.name, fmt.Sprintf("column %s ends before row %d", c.field.Name, c.pos))
		}
		v := 0
		for i := range levels {
			if maxDef > 0 && defs[i] < maxDef {
				b.AppendNull()
				continue
			}
			if v >= got {
				return errkind.Errorf(errkind.Corrupt, "parquet file %s: column %s has fewer values than levels", c.f.name, c.field.Name)
			}
			ts, ok := int96Nanos(values[v])
			if !ok {
				return errkind.Errorf(errkind.Invalid, "parquet file %s: column %s: the timestamp of row %d is outside 1677-09-21 to 2262-04-11, which TIMESTAMP(7..9) holds here", c.f.name, c.field.Name, c.pos+i)
			}
			b.Append(ts)
			v++
		}
		n -= levels
		c.pos += levels
	}
	return nil
}

// int96Nanos is nanoseconds since 1970; ok is false outside the range of int64.
func int96Nanos(v parquet.Int96) (ts arrow.Timestamp, ok bool) {
	nanos := int64(binary.LittleEndian.Uint64(v[:8]))
	days := int64(int32(binary.LittleEndian.Uint32(v[8:]))) - julianEpochDay
	neg := days < 0
	if neg {
		// Counted from the following midnight, so that the extremes do not overflow.
		days, nanos = days+1, nanos-nanosPerDay
		days = -days
	}
	hi, lo := bits.Mul64(uint64(days), nanosPerDay)
	if hi != 0 || lo > 1<<63-1 {
		return 0, false
	}
	base := int64(lo)
	if neg {
		base = -base
	}
	sum := base + nanos
	if (nanos > 0 && sum < base) || (nanos < 0 && sum > base) {
		return 0, false
	}
	return arrow.Timestamp(sum), true
}
