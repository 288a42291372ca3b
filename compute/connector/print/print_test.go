package print

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/table/schema"
)

type brokenWriter struct{}

var errPipe = errors.New("broken pipe")

func (brokenWriter) Write([]byte) (int, error) { return 0, errPipe }

func chunk(t *testing.T) connector.Chunk {
	t.Helper()
	s, err := connector.ArrowSchema([]connector.Field{{Name: "id", Type: schema.TInt}, {Name: "s", Type: schema.TString}})
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	b.Field(0).(*array.Int32Builder).AppendValues([]int32{1, 2}, nil)
	b.Field(1).(*array.StringBuilder).AppendValues([]string{"abc", ""}, []bool{true, false})
	return connector.Chunk{Rows: b.NewRecordBatch(), Kinds: []int8{connector.Insert, connector.Delete}}
}

func TestPrint(t *testing.T) {
	var out, errOut bytes.Buffer
	f := Factory(&out, &errOut)
	for _, c := range []struct {
		opts map[string]string
		to   *bytes.Buffer
		want string
	}{
		{map[string]string{}, &out, "+I[1, abc]\n-D[2, null]\n"},
		{map[string]string{"print-identifier": "x", "standard-error": "true"}, &errOut, "x> +I[1, abc]\nx> -D[2, null]\n"},
	} {
		s, err := f.OpenSink(t.Context(), connector.Context{Options: c.opts})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time the epoch is known
			if err := s.Write(t.Context(), connector.Progress{Epoch: 4}, []connector.Chunk{chunk(t)}); err != nil {
				t.Fatal(err)
			}
		}
		if c.to.String() != c.want {
			t.Errorf("printed %q, want %q", c.to, c.want)
		}
		if p, _ := s.Progress(t.Context()); p.Epoch != 4 || s.Guarantee() != connector.AtLeastOnce {
			t.Errorf("progress %v, guarantee %s", p, s.Guarantee())
		}
	}
	s, err := Factory(brokenWriter{}, nil).OpenSink(t.Context(), connector.Context{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), connector.Progress{Epoch: 1}, []connector.Chunk{chunk(t)}); !errors.Is(err, errPipe) {
		t.Errorf("broken pipe: %v", err)
	}
	if err := f.Validate(&plan.Table{Options: map[string]string{"print-identifer": "x"}}); err == nil || !strings.Contains(err.Error(), "print-identifer") {
		t.Errorf("misspelt option: %v", err)
	}
}
