package layout_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/weir-lake/weir/internal/layout"
)

func ExampleLayered() {
	// Two sources feed one node, which feeds another; the second source feeds that too.
	l := layout.Layered(4, [][2]int{{0, 2}, {1, 2}, {2, 3}, {1, 3}}, layout.Options{NodeWidth: 100, NodeHeight: 40, GapX: 50, GapY: 10})
	fmt.Println(l.Layers, l.Nodes, l.Bends[3])
	// Output: [0 0 1 2] [{0 0} {0 50} {150 13} {300 38}] [{200 83}]
}

// check holds a layout against what a drawing needs.
func check(t *testing.T, n int, edges [][2]int, o layout.Options) layout.Layout {
	t.Helper()
	l := layout.Layered(n, edges, o)
	if len(l.Nodes) != n || len(l.Layers) != n || len(l.Bends) != len(edges) {
		t.Fatalf("%d nodes, %d layers, %d bends", len(l.Nodes), len(l.Layers), len(l.Bends))
	}
	byLayer := map[float64][]float64{}
	for i, p := range l.Nodes {
		if p.X < 0 || p.Y < 0 || p.X > l.Width || p.Y > l.Height {
			t.Fatalf("node %d at %v is outside of %v x %v", i, p, l.Width, l.Height)
		}
		for _, y := range byLayer[p.X] {
			if d := p.Y - y; d > -44 && d < 44 {
				t.Fatalf("nodes overlap at x %v: y %v and %v", p.X, y, p.Y)
			}
		}
		byLayer[p.X] = append(byLayer[p.X], p.Y)
	}
	if again := layout.Layered(n, edges, o); !reflect.DeepEqual(l, again) {
		t.Fatal("the same graph has another layout")
	}
	return l
}

func TestEdgesRunRight(t *testing.T) {
	edges := [][2]int{{0, 1}, {1, 2}, {0, 3}, {3, 2}, {2, 4}, {0, 4}}
	l := check(t, 5, edges, layout.Options{})
	for i, e := range edges {
		if l.Nodes[e[0]].X >= l.Nodes[e[1]].X {
			t.Errorf("edge %v runs left: %v", e, l.Nodes)
		}
		if want := l.Layers[e[1]] - l.Layers[e[0]] - 1; len(l.Bends[i]) != want {
			t.Errorf("edge %v has bends %v, want %d", e, l.Bends[i], want)
		}
		x := l.Nodes[e[0]].X
		for _, b := range l.Bends[i] {
			if b.X <= x {
				t.Errorf("the bends of %v run left: %v", e, l.Bends[i])
			}
			x = b.X
		}
	}
}

func TestASourceStandsBesideWhatItFeeds(t *testing.T) {
	// 4 feeds only 3, at the end of a chain.
	l := check(t, 5, [][2]int{{0, 1}, {1, 2}, {2, 3}, {4, 3}}, layout.Options{})
	if l.Layers[4] != 2 {
		t.Errorf("layers %v", l.Layers)
	}
}

func TestCyclesLoopsAndNothing(t *testing.T) {
	check(t, 0, nil, layout.Options{})
	check(t, 3, nil, layout.Options{})
	check(t, 1, [][2]int{{0, 0}}, layout.Options{})
	check(t, 3, [][2]int{{0, 1}, {1, 2}, {2, 0}, {1, 0}, {0, 1}}, layout.Options{})
}

func TestNoCrossingWhereNoneIsNeeded(t *testing.T) {
	// Two chains given in the order that would cross.
	l := check(t, 4, [][2]int{{0, 3}, {1, 2}}, layout.Options{})
	if (l.Nodes[0].Y < l.Nodes[1].Y) != (l.Nodes[3].Y < l.Nodes[2].Y) {
		t.Errorf("the edges cross: %v", l.Nodes)
	}
}

func random(n, edges int, seed uint64) [][2]int {
	r := rand.New(rand.NewPCG(seed, 1))
	var out [][2]int
	for range edges {
		out = append(out, [2]int{r.IntN(n), r.IntN(n)})
	}
	return out
}

func TestRandomGraphs(t *testing.T) {
	for seed := range uint64(50) {
		n := 1 + int(seed)
		check(t, n, random(n, 2*n, seed), layout.Options{})
	}
}

// pipeline is a graph as lineage has them: each node is made from a few that are near.
func pipeline(n int) [][2]int {
	r := rand.New(rand.NewPCG(7, 7))
	var out [][2]int
	for v := 1; v < n; v++ {
		for range 1 + r.IntN(2) {
			out = append(out, [2]int{max(0, v-1-r.IntN(20)), v})
		}
	}
	return out
}

// Five hundred nodes are placed while nobody waits: a tenth of a second even where other work takes the machine.
func TestFiveHundredNodesAreSoonPlaced(t *testing.T) {
	edges := pipeline(500)
	best := time.Hour
	for range 5 {
		began := time.Now()
		layout.Layered(500, edges, layout.Options{})
		best = min(best, time.Since(began))
	}
	if best > 100*time.Millisecond {
		t.Errorf("500 nodes took %s", best)
	}
	t.Log(best)
}

func BenchmarkLayered500(b *testing.B) {
	edges := pipeline(500)
	for b.Loop() {
		layout.Layered(500, edges, layout.Options{})
	}
}
