package state

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/weir-lake/weir/internal/errkind"
)

func TestCodecRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := rapid.SliceOf(rapid.Uint64()).Draw(t, "u")
		s := rapid.SliceOf(rapid.Int64()).Draw(t, "s")
		big := bytes.Repeat([]byte{7}, rapid.SampledFrom([]int{0, 1, framePayload - 3, framePayload, 3 * framePayload}).Draw(t, "big"))
		r := saved(t, func(w *Writer) {
			for _, v := range u {
				w.Uvarint(v)
			}
			w.Bytes(big)
			for _, v := range s {
				w.Varint(v)
			}
			w.Float64(math.Inf(-1))
			w.Bool(true)
		})
		for _, v := range u {
			if got := r.Uvarint(); got != v {
				t.Fatalf("got %d, want %d", got, v)
			}
		}
		if !bytes.Equal(r.Bytes(), big) {
			t.Fatal("bytes differ")
		}
		for _, v := range s {
			if got := r.Varint(); got != v {
				t.Fatalf("got %d, want %d", got, v)
			}
		}
		if !math.IsInf(r.Float64(), -1) || !r.Bool() {
			t.Fatal("float or flag differs")
		}
		if err := r.End(); err != nil {
			t.Fatal(err)
		}
	})
}

// sample is a checkpoint with one of each structure.
func sample(t testing.TB) []byte {
	var x Index
	var b Bag
	var tr Tree
	for _, k := range []string{"a", "b", "c", "dd"} {
		x.Put([]byte(k))
		b.SetAux(b.Add([]byte(k), []byte("row"+k), 2), 5)
		tr.Add([]byte(k), 1, 3)
	}
	if s, ok := x.Find([]byte("b")); ok {
		x.Delete(s)
	}
	var buf bytes.Buffer
	w := NewWriter(&buf)
	x.Save(w)
	b.Save(w)
	tr.Save(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func load(data []byte) error {
	var x Index
	var b Bag
	var tr Tree
	r := NewReader(bytes.NewReader(data))
	if err := errors.Join(x.Load(r), b.Load(r), tr.Load(r)); err != nil {
		return r.Err()
	}
	return r.End()
}

func TestEveryDamagedByteIsFound(t *testing.T) {
	data := sample(t)
	if err := load(data); err != nil {
		t.Fatal(err)
	}
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 0x10
		if err := load(bad); !errkind.Is(err, errkind.Corrupt) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
		if err := load(data[:i]); !errkind.Is(err, errkind.Corrupt) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	if err := load(append(bytes.Clone(data), data...)); !errkind.Is(err, errkind.Corrupt) {
		t.Errorf("something behind: %v", err)
	}
}

// FuzzLoad frames arbitrary payloads rightly, so that the checks behind the checksum are met.
func FuzzLoad(f *testing.F) {
	f.Add(sample(f)[frameHeader:])
	f.Add([]byte{4, 3, 0, 1, 'a', 0, 1, 'b'})
	f.Add([]byte{0, 0, 1, 1, 'k', 1, 1, 'r', 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) == 0 || len(payload) > 1<<16 {
			return
		}
		var buf bytes.Buffer
		w := NewWriter(&buf)
		w.raw(payload)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := load(buf.Bytes()); err != nil && !errkind.Is(err, errkind.Corrupt) {
			t.Fatalf("error %v is not of kind corrupt", err)
		}
	})
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestWriterReportsTheDestination(t *testing.T) {
	w := NewWriter(fullDisk{})
	for range 10 {
		w.Bytes(make([]byte, framePayload))
	}
	if err := w.Close(); err == nil || w.Err() == nil {
		t.Fatal("a failing destination was not reported")
	}
}
