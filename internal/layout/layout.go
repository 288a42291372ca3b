package layout

import (
	"cmp"
	"math"
	"slices"
)

// Options are sizes in the unit of the drawing. Zero means the default.
type Options struct {
	NodeWidth  float64 // default 180
	NodeHeight float64 // default 44
	GapX       float64 // between layers; default 80
	GapY       float64 // between nodes of a layer; default 20
}

func (o Options) withDefaults() Options {
	for _, f := range []struct {
		v *float64
		d float64
	}{{&o.NodeWidth, 180}, {&o.NodeHeight, 44}, {&o.GapX, 80}, {&o.GapY, 20}} {
		if *f.v <= 0 {
			*f.v = f.d
		}
	}
	return o
}

// Point is a place; of a node it is the corner with the least x and y.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// Layout is where everything goes.
type Layout struct {
	Nodes  []Point
	Layers []int
	// Bends are, for each edge, the points between its ends that it should pass, from its first node to its second.
	Bends         [][]Point
	Width, Height float64
}

// bendsMax bounds the bends of a layout: beyond it long edges run straight, which is ugly but soon done.
const bendsMax = 20_000

// sweeps is how often nodes are ordered by their neighbours; more changes little.
const sweeps = 6

// Layered places n nodes. Edges are pairs of node numbers; those of a node to itself are ignored, and cycles are drawn
// as if one of their edges ran the other way.
func Layered(n int, edges [][2]int, o Options) Layout {
	g := build(n, edges)
	g.order()
	return g.place(n, edges, o.withDefaults())
}

// graph has the nodes, then one dummy node for each layer that an edge passes.
type graph struct {
	layer    []int
	in, out  [][]int // neighbours in the layers beside
	rows     [][]int // by layer, in order
	chains   [][]int // by edge: its dummy nodes, from the left to the right
	reversed []bool
}

func build(n int, edges [][2]int) *graph {
	g := &graph{chains: make([][]int, len(edges)), reversed: backEdges(n, edges)}
	g.layer = layers(n, edges, g.reversed)
	g.in, g.out = make([][]int, n), make([][]int, n)
	bends := 0
	for i, e := range edges {
		from, to := e[0], e[1]
		if from == to {
			continue
		}
		if g.reversed[i] {
			from, to = to, from
		}
		span := g.layer[to] - g.layer[from] - 1
		if bends+span > bendsMax {
			g.link(from, to)
			continue
		}
		bends += span
		at := from
		for l := g.layer[from] + 1; l < g.layer[to]; l++ {
			d := len(g.layer)
			g.layer = append(g.layer, l)
			g.in, g.out = append(g.in, nil), append(g.out, nil)
			g.chains[i] = append(g.chains[i], d)
			g.link(at, d)
			at = d
		}
		g.link(at, to)
	}
	for v, l := range g.layer {
		for len(g.rows) <= l {
			g.rows = append(g.rows, nil)
		}
		g.rows[l] = append(g.rows[l], v)
	}
	return g
}

func (g *graph) link(a, b int) {
	g.out[a], g.in[b] = append(g.out[a], b), append(g.in[b], a)
}

// backEdges finds the edges that close a cycle in a walk from the lowest node on.
func backEdges(n int, edges [][2]int) []bool {
	out := make([][]int, n) // edge numbers
	for i, e := range edges {
		if e[0] != e[1] {
			out[e[0]] = append(out[e[0]], i)
		}
	}
	back := make([]bool, len(edges))
	const fresh, open, done = 0, 1, 2
	state, next := make([]int, n), make([]int, n)
	for root := range n {
		if state[root] != fresh {
			continue
		}
		stack := []int{root}
		state[root] = open
		for len(stack) > 0 {
			v := stack[len(stack)-1]
			if next[v] == len(out[v]) {
				state[v] = done
				stack = stack[:len(stack)-1]
				continue
			}
			i := out[v][next[v]]
			next[v]++
			switch to := edges[i][1]; state[to] {
			case fresh:
				state[to] = open
				stack = append(stack, to)
			case open:
				back[i] = true
			}
		}
	}
	return back
}

// layers gives each node the length of the longest way to it, and then moves nodes that only feed others next to the
// first of those.
func layers(n int, edges [][2]int, reversed []bool) []int {
	in, out := make([][]int, n), make([][]int, n)
	for i, e := range edges {
		from, to := e[0], e[1]
		if reversed[i] {
			from, to = to, from
		}
		if from != to {
			in[to], out[from] = append(in[to], from), append(out[from], to)
		}
	}
	layer, left := make([]int, n), make([]int, n)
	var ready []int
	for v := range n {
		if left[v] = len(in[v]); left[v] == 0 {
			ready = append(ready, v)
		}
	}
	for i := 0; i < len(ready); i++ {
		v := ready[i]
		for _, to := range out[v] {
			layer[to] = max(layer[to], layer[v]+1)
			if left[to]--; left[to] == 0 {
				ready = append(ready, to)
			}
		}
	}
	for _, v := range ready {
		if len(in[v]) > 0 || len(out[v]) == 0 {
			continue
		}
		first := math.MaxInt
		for _, to := range out[v] {
			first = min(first, layer[to])
		}
		layer[v] = first - 1
	}
	return layer
}

// order sorts each layer by the mean place of the neighbours, from the left and from the right in turn.
func (g *graph) order() {
	place := make([]float64, len(g.layer))
	note := func(row []int) {
		for i, v := range row {
			place[v] = float64(i)
		}
	}
	for _, row := range g.rows {
		note(row)
	}
	mean := func(v int, beside []int) float64 {
		if len(beside) == 0 {
			return place[v]
		}
		sum := 0.0
		for _, b := range beside {
			sum += place[b]
		}
		return sum / float64(len(beside))
	}
	for s := range sweeps {
		for i := range g.rows {
			row, beside := g.rows[i], g.in
			if s%2 == 1 {
				row, beside = g.rows[len(g.rows)-1-i], g.out
			}
			want := make(map[int]float64, len(row))
			for _, v := range row {
				want[v] = mean(v, beside[v])
			}
			slices.SortStableFunc(row, func(a, b int) int { return cmp.Compare(want[a], want[b]) })
			note(row)
		}
	}
}

// place turns layers and order into coordinates: each node as near to its neighbours as the others let it.
func (g *graph) place(n int, edges [][2]int, o Options) Layout {
	step := o.NodeHeight + o.GapY
	y := make([]float64, len(g.layer))
	for _, row := range g.rows {
		for i, v := range row {
			y[v] = float64(i) * step
		}
	}
	for s := range sweeps {
		for i := range g.rows {
			row, beside := g.rows[i], g.in
			if s%2 == 1 {
				row, beside = g.rows[len(g.rows)-1-i], g.out
			}
			align(row, beside, y, step)
		}
	}
	top := math.Inf(1)
	for _, v := range y {
		top = min(top, v)
	}
	out := Layout{Nodes: make([]Point, n), Layers: g.layer[:n:n], Bends: make([][]Point, len(edges))}
	at := func(v int) Point {
		return Point{X: float64(g.layer[v]) * (o.NodeWidth + o.GapX), Y: math.Round(y[v] - top)}
	}
	for v := range n {
		out.Nodes[v] = at(v)
		out.Width = max(out.Width, out.Nodes[v].X+o.NodeWidth)
		out.Height = max(out.Height, out.Nodes[v].Y+o.NodeHeight)
	}
	for i, chain := range g.chains {
		for _, d := range chain {
			p := at(d)
			out.Bends[i] = append(out.Bends[i], Point{X: p.X + o.NodeWidth/2, Y: p.Y + o.NodeHeight/2})
		}
		if g.reversed[i] {
			slices.Reverse(out.Bends[i])
		}
	}
	return out
}

// align moves the nodes of a row towards the mean of their neighbours, and keeps their order and distance: runs that
// would overlap become blocks, which stand at the mean of what their nodes want.
func align(row []int, beside [][]int, y []float64, step float64) {
	type block struct {
		first, count int
		sum          float64 // of the places wanted for its first node
	}
	var blocks []block
	for i, v := range row {
		want := y[v]
		if b := beside[v]; len(b) > 0 {
			want = 0
			for _, x := range b {
				want += y[x]
			}
			want /= float64(len(b))
		}
		blocks = append(blocks, block{first: i, count: 1, sum: want})
		for len(blocks) > 1 {
			a, b := blocks[len(blocks)-2], blocks[len(blocks)-1]
			end := a.sum/float64(a.count) + float64(a.count)*step
			if end <= b.sum/float64(b.count) {
				break
			}
			b.sum -= float64(b.count) * float64(a.count) * step
			blocks = append(blocks[:len(blocks)-2], block{a.first, a.count + b.count, a.sum + b.sum})
		}
	}
	for _, b := range blocks {
		for i := range b.count {
			y[row[b.first+i]] = b.sum/float64(b.count) + float64(i)*step
		}
	}
}
