package blackhole

import (
	"testing"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/plan"
)

func TestBlackhole(t *testing.T) {
	f := Factory()
	if err := f.Validate(&plan.Table{Options: map[string]string{"connector": "blackhole", "x": "1"}}); err == nil {
		t.Error("an unknown option was taken")
	}
	s, err := f.OpenSink(t.Context(), connector.Context{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []int64{3, 2} {
		if err := s.Write(t.Context(), connector.Progress{Epoch: e}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if p, _ := s.Progress(t.Context()); p.Epoch != 3 || s.Guarantee() != connector.ExactlyOnce || f.OpenSource != nil {
		t.Errorf("progress %v, guarantee %s", p, s.Guarantee())
	}
}
