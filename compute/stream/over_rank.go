package stream

import (
	"bytes"
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/internal/errkind"
)

// rankCall is the functions of a row's place in its partition.
type rankCall struct {
	fn   string
	args []program
}

func newRankCall(call *plan.OverCall) (overCall, error) {
	args, err := newPrograms(call.Args)
	return &rankCall{call.Fn, args}, err
}

func appendBigint(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 1), rowkey.OrderInt64(v))
}

func appendDouble(dst []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 1), rowkey.OrderFloat64(v))
}

func (c *rankCall) values(x *epoch, p *partition) (func([]byte, int) ([]byte, error), error) {
	n := p.len()
	if c.fn == "NTILE" {
		return c.ntile(x, p)
	}
	first, last, dense := peers(p)
	return func(dst []byte, i int) ([]byte, error) {
		switch c.fn {
		case "ROW_NUMBER":
			return appendBigint(dst, int64(i)+1), nil
		case "RANK":
			return appendBigint(dst, int64(first[i])+1), nil
		case "DENSE_RANK":
			return appendBigint(dst, int64(dense[i])), nil
		case "PERCENT_RANK":
			if n == 1 {
				return appendDouble(dst, 0), nil
			}
			return appendDouble(dst, float64(first[i])/float64(n-1)), nil
		default: // CUME_DIST
			return appendDouble(dst, float64(last[i])/float64(n)), nil
		}
	}, nil
}

// peers returns, per row, the first row with its sort key, the row after the last, and the
// number of different sort keys up to it.
func peers(p *partition) (first, last, dense []int) {
	n := p.len()
	first, last, dense = make([]int, n), make([]int, n), make([]int, n)
	for i := range n {
		if i > 0 && bytes.Equal(p.sorts[i], p.sorts[i-1]) {
			first[i], dense[i] = first[i-1], dense[i-1]
			continue
		}
		first[i], dense[i] = i, 1
		if i > 0 {
			dense[i] = dense[i-1] + 1
		}
	}
	for i := n - 1; i >= 0; i-- {
		last[i] = i + 1
		if i+1 < n && first[i+1] == first[i] {
			last[i] = last[i+1]
		}
	}
	return first, last, dense
}

// ntile deals the rows into buckets whose sizes differ by at most one, larger ones first.
func (c *rankCall) ntile(x *epoch, p *partition) (func([]byte, int) ([]byte, error), error) {
	arg, err := c.args[0].eval(x, p.rows)
	if err != nil {
		return nil, err
	}
	defer arg.Release()
	buckets, ok := intAt(arg, 0)
	if !ok || buckets <= 0 {
		return nil, errkind.New(errkind.Invalid, "NTILE: the number of buckets must be positive")
	}
	size, more := int64(p.len())/buckets, int64(p.len())%buckets
	return func(dst []byte, i int) ([]byte, error) {
		row := int64(i)
		if row < more*(size+1) {
			return appendBigint(dst, row/(size+1)+1), nil
		}
		return appendBigint(dst, more+(row-more*(size+1))/size+1), nil
	}, nil
}

// intAt returns an integer value, false if it is NULL or no integer.
func intAt(a arrow.Array, i int) (int64, bool) {
	if a.IsNull(i) {
		return 0, false
	}
	switch a := a.(type) {
	case *array.Int8:
		return int64(a.Value(i)), true
	case *array.Int16:
		return int64(a.Value(i)), true
	case *array.Int32:
		return int64(a.Value(i)), true
	case *array.Int64:
		return a.Value(i), true
	default:
		return 0, false
	}
}

// shiftCall is LAG and LEAD: the value of a row some places away, or the default.
type shiftCall struct {
	lead bool
	args []program
}

func newShiftCall(call *plan.OverCall) (overCall, error) {
	args, err := newPrograms(call.Args)
	return &shiftCall{call.Fn == "LEAD", args}, err
}

func (c *shiftCall) values(x *epoch, p *partition) (func([]byte, int) ([]byte, error), error) {
	cols, err := evalAll(x, c.args, p.rows)
	if err != nil {
		return nil, err
	}
	p.own(cols...)
	enc, err := rowkey.NewEncoder(cols[:1])
	if err != nil {
		return nil, err
	}
	var orElse *rowkey.Encoder
	if len(cols) > 2 {
		if orElse, err = rowkey.NewEncoder(cols[2:3]); err != nil {
			return nil, err
		}
	}
	return func(dst []byte, i int) ([]byte, error) {
		by := int64(1)
		if len(cols) > 1 {
			var ok bool
			if by, ok = intAt(cols[1], i); !ok {
				return append(dst, 0), nil
			}
		}
		if !c.lead {
			by = -by
		}
		if at := int64(i) + by; at >= 0 && at < int64(p.len()) {
			return enc.Append(dst, int(at)), nil
		}
		if orElse != nil {
			return orElse.Append(dst, i), nil
		}
		return append(dst, 0), nil // NULL
	}, nil
}
