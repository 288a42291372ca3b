package format

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

// countingStore counts requests.
type countingStore struct {
	objstore.Store
	gets int
}

func (c *countingStore) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	c.gets++
	return c.Store.Get(ctx, key, off, n)
}

func object(t *testing.T, data []byte) (*Object, *countingStore) {
	t.Helper()
	s := &countingStore{Store: objstore.NewMem()}
	if err := s.Put(t.Context(), "a/b", data); err != nil {
		t.Fatal(err)
	}
	return OpenObject(t.Context(), s, "a/b", int64(len(data))), s
}

func TestObjectReadsWhatIsStored(t *testing.T) {
	data := make([]byte, 5*blockBytes+123)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	o, s := object(t, data)
	rapid.Check(t, func(t *rapid.T) {
		off := rapid.IntRange(0, len(data)).Draw(t, "off")
		p := make([]byte, rapid.SampledFrom([]int{0, 1, 8, 1000, blockBytes, 3 * blockBytes}).Draw(t, "len"))
		n, err := o.ReadAt(p, int64(off))
		want := data[off:min(off+len(p), len(data))]
		if !bytes.Equal(p[:n], want) || (n < len(p)) != (err == io.EOF) && len(p) > 0 {
			t.Fatalf("read %d bytes at %d: %d, %v", len(p), off, n, err)
		}
	})
	before := s.gets
	for i := range 1000 {
		if _, err := o.ReadAt(make([]byte, 16), int64(i*16)); err != nil {
			t.Fatal(err)
		}
	}
	if s.gets-before > 1 {
		t.Errorf("1000 small reads of one block made %d requests", s.gets-before)
	}
}

func TestObjectErrors(t *testing.T) {
	o, s := object(t, make([]byte, 1000))
	short := OpenObject(t.Context(), s, "a/b", 2000)
	if _, err := short.ReadAt(make([]byte, 10), 1990); errkind.Of(err) != errkind.Corrupt || !strings.Contains(err.Error(), "a/b") || !strings.Contains(err.Error(), "truncated") {
		t.Errorf("shorter than its manifest says: %v", err)
	}
	if _, err := o.ReadAt(make([]byte, 10), 1000); err != io.EOF {
		t.Errorf("behind the end: %v", err)
	}
	gone := OpenObject(t.Context(), s, "a/c", 1000)
	_, err := Open(gone.Name(), gone, gone.Size())
	if errkind.Of(err) != errkind.NotFound || !strings.Contains(err.Error(), "a/c") {
		t.Errorf("a missing object: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = OpenObject(ctx, s, "a/b", 1000).ReadAt(make([]byte, 10), 0)
	if err == nil {
		t.Error("a cancelled read succeeds")
	}
}

func TestRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) (Ranges, map[int64]bool) {
			var r Ranges
			rows := map[int64]bool{}
			at := int64(0)
			for range rapid.IntRange(0, 6).Draw(t, name) {
				from := at + rapid.Int64Range(0, 5).Draw(t, "gap")
				to := from + rapid.Int64Range(0, 5).Draw(t, "len")
				r = r.add(from, to)
				for i := from; i < to; i++ {
					rows[i] = true
				}
				at = to
			}
			return r, rows
		}
		a, inA := draw("a")
		b, inB := draw("b")
		both := a.Intersect(b)
		n := int64(0)
		for i := range inA {
			if inB[i] {
				n++
				if len(both.Intersect(Ranges{{i, i + 1}})) != 1 {
					t.Fatalf("row %d is missing from %v", i, both)
				}
			}
		}
		if both.Rows() != n || a.Rows() != int64(len(inA)) {
			t.Fatalf("%v and %v give %v", a, b, both)
		}
	})
}

// flaky fails its nth read as a store that does not answer.
type flaky struct {
	io.ReaderAt
	left int
}

func (f *flaky) ReadAt(p []byte, off int64) (int, error) {
	if f.left--; f.left < 0 {
		return 0, errkind.Errorf(errkind.Unavailable, "read a/b: no answer")
	}
	return f.ReaderAt.ReadAt(p, off)
}

// A store that does not answer is not a corrupt file: one is tried again, the other never.
func TestTransientErrorsKeepTheirKind(t *testing.T) {
	sc := scalarSchema()
	data, _ := writeFile(t, sc, Options{PageBytes: 2 << 10, BloomColumns: []string{"c10"}}, scalarBatch(sc, 0, 3000))
	for _, stream := range []int64{0, wholeBytesMax} {
		for _, ranges := range []Ranges{nil, {{5, 20}, {2500, 2600}}} {
			failed := 0
			for n := 0; n < 400; n += 1 + n/10 {
				src := &flaky{bytes.NewReader(data), n}
				f, err := Open("a/b", src, int64(len(data)))
				if err == nil {
					f.stream = stream
					_, err = f.Footer()
				}
				if err == nil {
					_, err = f.ReadAll(t.Context(), ReadOptions{Ranges: ranges})
				}
				if err != nil {
					failed++
					if errkind.Of(err) != errkind.Unavailable {
						t.Fatalf("stream %d, ranges %v, read %d: kind %s: %v", stream, ranges, n, errkind.Of(err), err)
					}
				}
			}
			if failed < 5 {
				t.Errorf("only %d reads failed", failed)
			}
		}
	}
}
