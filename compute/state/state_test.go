package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// saved writes something and returns a reader of it.
func saved(t interface{ Fatal(...any) }, save func(w *Writer)) *Reader {
	var buf bytes.Buffer
	w := NewWriter(&buf)
	save(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return NewReader(&buf)
}

func drawKey(t *rapid.T) []byte {
	k := rapid.IntRange(0, 60).Draw(t, "k")
	return []byte(fmt.Sprintf("%0*d", 1+k%7, k))
}

func TestIndexAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := &Index{}
		blobs := &Blobs{}
		model := map[string]Slot{}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			key := drawKey(t)
			switch rapid.IntRange(0, 9).Draw(t, "op") {
			case 0:
				back := &Index{}
				r := saved(t, x.Save)
				if err := back.Load(r); err != nil {
					t.Fatal(err)
				}
				if err := r.End(); err != nil {
					t.Fatal(err)
				}
				x = back
			case 1, 2, 3:
				if s, ok := x.Find(key); ok {
					x.Delete(s)
					blobs.Delete(s)
					delete(model, string(key))
				}
			default:
				_, had := model[string(key)]
				s, added := x.Put(key)
				if added == had {
					t.Fatalf("put %q: added %v, had %v", key, added, had)
				}
				model[string(key)] = s
				blobs.Set(s, bytes.Repeat(key, rapid.IntRange(1, 3).Draw(t, "n")))
			}
			if x.Len() != len(model) {
				t.Fatalf("%d keys, want %d", x.Len(), len(model))
			}
		}
		for k, want := range model {
			s, ok := x.Find([]byte(k))
			if !ok || s != want || string(x.Key(s)) != k || !bytes.HasPrefix(blobs.Get(s), []byte(k)) {
				t.Fatalf("key %q: slot %d %v, want %d; key %q, blob %q", k, s, ok, want, x.Key(s), blobs.Get(s))
			}
		}
	})
}

func TestIndexGivesGarbageBack(t *testing.T) {
	x := &Index{}
	big := make([]byte, 1000)
	for i := range 200_000 {
		binary.BigEndian.PutUint64(big, uint64(i))
		s, _ := x.Put(big)
		if i >= 10 {
			binary.BigEndian.PutUint64(big, uint64(i-10))
			old, ok := x.Find(big)
			if !ok {
				t.Fatalf("key %d is lost", i-10)
			}
			x.Delete(old)
		}
		_ = s
	}
	if x.Len() != 10 || x.Slots() > 16 || x.SizeBytes() > 8<<20 {
		t.Fatalf("%d keys in %d slots and %d bytes after 200 MB went through", x.Len(), x.Slots(), x.SizeBytes())
	}
}

func TestBlobsCompact(t *testing.T) {
	b := &Blobs{}
	for round := range 50 {
		for s := range uint32(1000) {
			b.Set(s, bytes.Repeat([]byte{byte(s)}, 100+round))
		}
	}
	if b.SizeBytes() > 4<<20 {
		t.Errorf("%d bytes held for 149 KB of values", b.SizeBytes())
	}
	for s := range uint32(1000) {
		if want := bytes.Repeat([]byte{byte(s)}, 149); !bytes.Equal(b.Get(s), want) {
			t.Fatalf("slot %d changed", s)
		}
	}
}

func TestBagAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &Bag{}
		model := map[string]map[string]int64{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.IntRange(0, 20).Draw(t, "reload") == 0 {
				back := &Bag{}
				if err := back.Load(saved(t, b.Save)); err != nil {
					t.Fatal(err)
				}
				b = back
			}
			key := []byte{byte(rapid.IntRange(0, 3).Draw(t, "key"))}
			row := drawKey(t)
			w := int64(rapid.IntRange(-2, 2).Draw(t, "w"))
			e := b.Add(key, row, w)
			m := model[string(key)]
			if m == nil {
				m = map[string]int64{}
				model[string(key)] = m
			}
			if m[string(row)] += w; m[string(row)] == 0 {
				delete(m, string(row))
			}
			if w != 0 && (e == NoEntry) != (m[string(row)] == 0) {
				t.Fatalf("entry %d for weight %d", e, m[string(row)])
			}
			if e != NoEntry {
				b.SetAux(e, m[string(row)]*7)
			}
		}
		for key, rows := range model {
			g, ok := b.Group([]byte(key))
			if ok != (len(rows) > 0) {
				t.Fatalf("group %x: %v with %d rows", key, ok, len(rows))
			}
			if !ok {
				continue
			}
			n, total := 0, int64(0)
			for e := b.First(g); e != NoEntry; e = b.Next(e) {
				n++
				total += b.Weight(e)
				if w := rows[string(b.Row(e))]; w != b.Weight(e) || b.Aux(e) != w*7 {
					t.Fatalf("row %q: weight %d aux %d, want %d", b.Row(e), b.Weight(e), b.Aux(e), w)
				}
			}
			if n != len(rows) || total != b.Total(g) {
				t.Fatalf("group %x: %d rows of weight %d, want %d of %d", key, n, b.Total(g), len(rows), total)
			}
		}
	})
}

func checkTree(t *rapid.T, tree *Tree, model map[string]int64) {
	keys := make([]string, 0, len(model))
	for k := range model {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	i := 0
	for c := tree.First(); c.Valid(); c.Next() {
		if i >= len(keys) || string(c.Key()) != keys[i] || c.Weight() != model[keys[i]] || int(c.Aux()) != len(keys[i]) {
			t.Fatalf("position %d: %q weight %d, want %v", i, c.Key(), c.Weight(), keys)
		}
		i++
	}
	if i != len(keys) || tree.Len() != len(keys) {
		t.Fatalf("%d keys (says %d), want %d", i, tree.Len(), len(keys))
	}
	for range 5 {
		probe := drawKey(t)
		at, _ := slices.BinarySearch(keys, string(probe))
		c := tree.Seek(probe)
		if c.Valid() != (at < len(keys)) || c.Valid() && string(c.Key()) != keys[at] {
			t.Fatalf("seek %q went wrong", probe)
		}
		if c = tree.SeekBefore(probe); c.Valid() != (at > 0) || c.Valid() && string(c.Key()) != keys[at-1] {
			t.Fatalf("seek before %q went wrong", probe)
		}
	}
}

func TestTreeAgainstSortedMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := &Tree{}
		model := map[string]int64{}
		span := rapid.SampledFrom([]int{20, 3000}).Draw(t, "span")
		inOrder := rapid.Bool().Draw(t, "in order")
		n := rapid.IntRange(1, span).Draw(t, "n")
		seed := rapid.Uint64().Draw(t, "seed")
		for i := range n {
			seed = seed*6364136223846793005 + 1442695040888963407
			k := int(seed>>33) % span
			if inOrder {
				k = i
			}
			key := fmt.Sprintf("%0*d", 1+k%7, k)
			w := int64(seed>>60)%3 + 1
			if model[key] != 0 && seed>>59&1 == 0 {
				w = -model[key]
			}
			got := tree.Add([]byte(key), uint32(len(key)), w)
			if model[key] += w; model[key] == 0 {
				delete(model, key)
			}
			if got != model[key] || tree.Weight([]byte(key)) != got {
				t.Fatalf("weight of %q is %d, want %d", key, got, model[key])
			}
		}
		checkTree(t, tree, model)
		back := &Tree{}
		if err := back.Load(saved(t, tree.Save)); err != nil {
			t.Fatal(err)
		}
		checkTree(t, back, model)
	})
}

func TestTreeAsTimerQueueStaysSmall(t *testing.T) {
	tree := &Tree{}
	var key [16]byte
	for i := range 300_000 {
		binary.BigEndian.PutUint64(key[:], uint64(i))
		tree.Add(key[:], 0, 1)
		if tree.Len() > 100 {
			c := tree.First()
			tree.Add(append([]byte(nil), c.Key()...), 0, -1)
		}
	}
	if tree.Len() != 100 || tree.SizeBytes() > 8<<20 {
		t.Fatalf("%d keys in %d bytes", tree.Len(), tree.SizeBytes())
	}
}

func TestPrefixEnd(t *testing.T) {
	for _, c := range []struct{ in, want []byte }{
		{[]byte{1, 2}, []byte{1, 3}},
		{[]byte{1, 0xFF}, []byte{2}},
		{[]byte{0xFF}, nil},
		{nil, nil},
	} {
		if got := PrefixEnd(nil, c.in); !bytes.Equal(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("PrefixEnd(%x) = %x, want %x", c.in, got, c.want)
		}
	}
}
