package job

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/internal/errkind"
)

func FuzzDecodeReplay(f *testing.F) {
	f.Add([]byte(`{"version":1,"id":"r","job":"j","table":"default.t","sources":[0],"time_ms":1,"letters":[{"id":"l","raw":"eA=="}]}`))
	f.Add([]byte(`{"version":2,"id":"r"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeReplay(b)
		if err != nil && !errkind.Is(err, errkind.Corrupt) && !errkind.Is(err, errkind.Invalid) {
			t.Fatalf("error %v is of another kind", err)
		}
		if err == nil && (r.ID == "" || r.Job == "" || r.Table == "") {
			t.Fatalf("%q gave %+v", b, r)
		}
	})
}

func numbers(t *testing.T, weights []int32, values ...int32) stream.Delta {
	t.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int32, Nullable: true}}, nil))
	defer b.Release()
	for _, v := range values {
		b.Field(0).(*array.Int32Builder).Append(v)
	}
	return stream.Delta{Rows: b.NewRecordBatch(), Weights: weights}
}

// Rows of dead letters are taken out once each, with their weight, over as many batches as it takes.
func TestForgottenRowsAreTakenOutOnce(t *testing.T) {
	f := &forgotten{left: map[string]int{}}
	bad := numbers(t, []int32{1, 1, 1, -1}, 7, 7, 8, 9)
	defer bad.Rows.Release()
	if err := eachWeighted(bad, func(_ int, row []byte) { f.left[string(row)]++ }); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in    stream.Delta
		want  []int32
		weigh []int32
	}{
		{numbers(t, nil, 1, 7, 2), []int32{1, 2}, nil},
		{numbers(t, []int32{1, 1, -1}, 9, 3, 9), []int32{9, 3}, []int32{1, 1}},
		{numbers(t, nil, 7, 7, 8), []int32{7}, nil},
		{numbers(t, nil, 7, 8, 9), []int32{7, 8, 9}, nil},
	} {
		d, err := f.without(c.in)
		if err != nil {
			t.Fatal(err)
		}
		got := d.Rows.Column(0).(*array.Int32).Int32Values()
		if len(got) != len(c.want) || len(d.Weights) != len(c.weigh) {
			t.Fatalf("%v %v, want %v %v", got, d.Weights, c.want, c.weigh)
		}
		for i := range got {
			if got[i] != c.want[i] || c.weigh != nil && d.Weights[i] != c.weigh[i] {
				t.Errorf("%v %v, want %v %v", got, d.Weights, c.want, c.weigh)
			}
		}
		d.Rows.Release()
	}
	if len(f.left) != 0 {
		t.Errorf("%d rows were not found", len(f.left))
	}
	var none *forgotten
	d := numbers(t, nil, 1)
	if got, err := none.without(d); err != nil || got.Rows != d.Rows {
		t.Errorf("without anything to take out: %v", err)
	}
	d.Rows.Release()
}
