package expr

import (
	"encoding/binary"

	"github.com/google/uuid"
)

// prepTypeof is TYPEOF(x[, full]): the text of the type of the expression; full makes no difference here.
func prepTypeof(p *prep) (kernel, error) {
	s := p.args[0].String()
	return func(c *call) (vec, error) {
		out := vec{data: oneText([]byte(s)), konst: true}
		if c.n != 1 {
			out = expand(out, c.n)
		}
		return out, nil
	}, nil
}

// evalUUID makes version 4 UUIDs from the recorded seed.
func evalUUID(c *call) (vec, error) {
	return mapText(c, func(dst []byte, i int) ([]byte, bool, error) {
		var u uuid.UUID
		binary.BigEndian.PutUint64(u[:8], randomBits(c, 1, i))
		binary.BigEndian.PutUint64(u[8:], randomBits(c, 2, i))
		u[6] = u[6]&0x0F | 0x40
		u[8] = u[8]&0x3F | 0x80
		return append(dst, u.String()...), true, nil
	})
}
