package connector

import (
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/table/schema"
)

func chunkOf(t *testing.T, n int, kinds []int8) Chunk {
	t.Helper()
	s, err := ArrowSchema([]Field{{Name: "id", Type: schema.TBigInt}})
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
	}
	return Chunk{Rows: b.NewRecordBatch(), Kinds: kinds, Dead: []DeadLetter{{Reason: "one"}}}
}

func TestCutKeepsRowsKindsAndDeadLetters(t *testing.T) {
	for _, n := range []int{0, 1, MaxChunkRows, MaxChunkRows + 1, 3*MaxChunkRows - 1} {
		kinds := make([]int8, n)
		for i := range kinds {
			kinds[i] = int8(i & 3)
		}
		next, dead := int64(0), 0
		c := chunkOf(t, n, kinds)
		err := Cut(c, func(p Chunk) error {
			if p.Rows.NumRows() > MaxChunkRows || len(p.Kinds) != int(p.Rows.NumRows()) {
				t.Fatalf("piece of %d rows and %d kinds", p.Rows.NumRows(), len(p.Kinds))
			}
			for i := range int(p.Rows.NumRows()) {
				if p.Rows.Column(0).(*array.Int64).Value(i) != next || p.KindAt(i) != int8(next&3) {
					t.Fatalf("row %d of %d is out of place", next, n)
				}
				next++
			}
			dead += len(p.Dead)
			return nil
		})
		if err != nil || next != int64(n) || dead != 1 {
			t.Errorf("%d rows: %d seen, %d dead letters, %v", n, next, dead, err)
		}
		c.Rows.Release()
	}
	stop := errors.New("stop")
	if err := Cut(chunkOf(t, 3*MaxChunkRows, nil), func(Chunk) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the callback's error: %v", err)
	}
}

func TestTrimAndKinds(t *testing.T) {
	raw := []byte(strings.Repeat("x", MaxRawBytes+1))
	got := Trim(raw)
	raw[0] = 'y'
	if len(got) != MaxRawBytes || got[0] != 'x' {
		t.Errorf("trimmed to %d bytes beginning with %c", len(got), got[0])
	}
	if s := KindText(Insert) + KindText(UpdateBefore) + KindText(UpdateAfter) + KindText(Delete); s != "+I-U+U-D" {
		t.Errorf("kinds are written %s", s)
	}
	if (Chunk{}).KindAt(5) != Insert {
		t.Error("a chunk without kinds holds inserts")
	}
	o := Offsets{"a": "1"}
	c := o.Clone()
	c["a"] = "2"
	if o["a"] != "1" {
		t.Error("a clone shares its positions")
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	r := ReadOptions(map[string]string{"properties.ssl.key.password": "hunter2"})
	r.Fail("properties.ssl.key.password", "is not supported")
	if err := r.Done(); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "ssl.key.password") {
		t.Errorf("got %v", err)
	}
}
