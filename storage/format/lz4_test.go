package format

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

func TestHadoopLZ4(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var framed, plain []byte
		for range rapid.IntRange(0, 3).Draw(t, "frames") {
			part := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 20, 40).Draw(t, "data"), rapid.IntRange(1, 50).Draw(t, "times"))
			if f := (hadoopLZ4{}).Encode(nil, part); binary.BigEndian.Uint32(f[4:]) > 0 { // 0: does not compress
				framed, plain = append(framed, f...), append(plain, part...)
			}
		}
		out, err := hadoopLZ4{}.DecodeWithError(make([]byte, len(plain)), framed)
		if err != nil || !bytes.Equal(out, plain) {
			t.Fatalf("%d bytes of %d, %v", len(out), len(plain), err)
		}
	})
}

func FuzzHadoopLZ4(f *testing.F) {
	f.Add(hadoopLZ4{}.Encode(nil, bytes.Repeat([]byte("weir"), 100)), 400)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0}, 10)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		out, err := hadoopLZ4{}.DecodeWithError(make([]byte, max(0, min(size, 1<<20))), data)
		if err == nil && len(out) > 1<<20+lz4RatioMax*len(data)*len(data) {
			t.Fatalf("%d bytes from %d", len(out), len(data))
		}
	})
}
