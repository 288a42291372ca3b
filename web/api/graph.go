package api

import "github.com/weir-lake/weir/internal/layout"

// GraphEdge leads from a node to one that reads it.
type GraphEdge struct {
	From  int            `json:"from"`
	To    int            `json:"to"`
	Bends []layout.Point `json:"bends" nullable:"false" doc:"points to pass on the way"`
}

// The sizes of a node as the console draws operators, in pixels.
const (
	nodeWidth  = 220
	nodeHeight = 88
)

// layered places the nodes of a graph, which is given by the inputs of each node, with inputs on the left.
func layered(inputs [][]int) ([]layout.Point, []GraphEdge) {
	pairs := [][2]int{}
	for to, ins := range inputs {
		for _, from := range ins {
			pairs = append(pairs, [2]int{from, to})
		}
	}
	l := layout.Layered(len(inputs), pairs, layout.Options{NodeWidth: nodeWidth, NodeHeight: nodeHeight})
	edges := make([]GraphEdge, len(pairs))
	for i, p := range pairs {
		edges[i] = GraphEdge{From: p[0], To: p[1], Bends: l.Bends[i]}
		if edges[i].Bends == nil {
			edges[i].Bends = []layout.Point{}
		}
	}
	return l.Nodes, edges
}
