package expr

import (
	"errors"
	"fmt"
	"math"

	"github.com/weir-lake/weir/internal/errkind"
)

// textBytesMax bounds the text one evaluation makes: Arrow's 32-bit offsets end at 2 GiB.
const textBytesMax = math.MaxInt32

// textBuilder makes a text vec: append a value to buf, then call end.
type textBuilder struct {
	off []int32
	buf []byte
	max int // bytes; textBytesMax but in tests
}

func newTextBuilder(n int) *textBuilder {
	return &textBuilder{off: append(make([]int32, 0, n+1), 0), max: textBytesMax}
}

// end finishes a value.
func (b *textBuilder) end() error {
	if len(b.buf) > b.max {
		return errkind.New(errkind.Exhausted, "the strings of one batch exceed 2 GiB")
	}
	b.off = append(b.off, int32(len(b.buf)))
	return nil
}

func (b *textBuilder) vec(valid []bool) vec {
	return vec{data: text{off: b.off, data: b.buf}, valid: valid}
}

// mapFixed computes a fixed-width value for every live row; ok = false makes it NULL.
func mapFixed[T fixed](c *call, f func(i int) (v T, ok bool, err error)) (vec, error) {
	out := make([]T, c.n)
	valid, own := c.live, false
	for i := range out {
		if !c.isLive(i) {
			continue
		}
		v, ok, err := f(i)
		if err != nil {
			if !c.try {
				return vec{}, c.failed(i, err)
			}
			ok = false
		}
		out[i] = v
		if !ok {
			if !own {
				valid, own = copyValid(c.live, c.n), true
			}
			valid[i] = false
		}
	}
	return vec{data: out, valid: valid}, nil
}

// mapFixedTotal is mapFixed for functions that neither fail nor make NULL.
func mapFixedTotal[T fixed](c *call, f func(i int) T) (vec, error) {
	out := make([]T, c.n)
	for i := range out {
		if c.isLive(i) {
			out[i] = f(i)
		}
	}
	return vec{data: out, valid: c.live}, nil
}

// mapText computes a text value for every live row: f appends it to dst.
func mapText(c *call, f func(dst []byte, i int) (out []byte, ok bool, err error)) (vec, error) {
	b := newTextBuilder(c.n)
	valid, own := c.live, false
	for i := range c.n {
		if c.isLive(i) {
			mark := len(b.buf)
			buf, ok, err := f(b.buf, i)
			if err != nil {
				if !c.try {
					return vec{}, c.failed(i, err)
				}
				buf, ok = b.buf, false
			}
			b.buf = buf
			if !ok {
				b.buf = b.buf[:mark]
				if !own {
					valid, own = copyValid(c.live, c.n), true
				}
				valid[i] = false
			}
		}
		if err := b.end(); err != nil {
			return vec{}, err
		}
	}
	return b.vec(valid), nil
}

func copyValid(live []bool, n int) []bool {
	if live == nil {
		return repeat(true, n)
	}
	return append([]bool(nil), live...)
}

// rowError says which row of the batch made a function fail.
type rowError struct {
	row int
	err error
}

func (e *rowError) Error() string { return e.err.Error() }
func (e *rowError) Unwrap() error { return e.err }

// failed notes the row of an error, unless the arguments are constants: then it is every row's.
func (c *call) failed(i int, err error) error {
	if allConst(c.args) {
		return err
	}
	return &rowError{row: i, err: err}
}

// FailedRow returns the row of the batch, counted from 0, that made an evaluation fail. ok is
// false if the error is not one row's.
func FailedRow(err error) (row int, ok bool) {
	var re *rowError
	if errors.As(err, &re) {
		return re.row, true
	}
	return 0, false
}

// run is the prepFunc of a kernel that needs no preparation.
func run(k kernel) prepFunc {
	return func(*prep) (kernel, error) { return k, nil }
}

// symbol returns the constant keyword argument i.
func (p *prep) symbol(i int) (string, error) {
	if p.lits[i] == nil {
		return "", fmt.Errorf("argument %d must be a keyword", i+1)
	}
	t, ok := p.lits[i].data.(text)
	if !ok || p.lits[i].isNull(0) {
		return "", fmt.Errorf("argument %d must be a keyword", i+1)
	}
	return string(t.at(0)), nil
}

// constText returns argument i if it is a constant string that is not NULL.
func (p *prep) constText(i int) (string, bool) {
	if i >= len(p.lits) || p.lits[i] == nil || p.lits[i].isNull(0) {
		return "", false
	}
	t, ok := p.lits[i].data.(text)
	if !ok {
		return "", false
	}
	return string(t.at(0)), true
}
