package expr

import (
	"slices"
	"testing"

	"github.com/weir-lake/weir/table/schema"
)

func TestRemapAndColumns(t *testing.T) {
	col := func(i int) Expr { return &Column{Index: i, Name: "c", T: schema.TInt} }
	e := &Call{Fn: "+", T: schema.TInt, Args: []Expr{col(2), &Call{Fn: "NEG", T: schema.TInt, Args: []Expr{col(0)}}}}
	if got := Columns(e); !slices.Equal(got, []int{0, 2}) {
		t.Fatalf("columns %v", got)
	}
	m := Remap(e, func(i int) int { return i + 10 })
	if got := m.String(); got != "+(c#12, NEG(c#10))" {
		t.Fatalf("remapped to %s", got)
	}
	if got := e.String(); got != "+(c#2, NEG(c#0))" {
		t.Fatalf("original changed to %s", got)
	}
}
