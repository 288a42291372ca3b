package lineage

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/internal/layout"
)

// nodesMax bounds the tables of an answer: no screen shows more.
const nodesMax = 2000

// Lineage answers a question. Unknown tables, columns and snapshots are errkind.NotFound.
func (x *Index) Lineage(ctx context.Context, ask Ask) (*Graph, error) {
	if ask.Direction == "" {
		ask.Direction = Both
	}
	if !slices.Contains([]string{Up, Down, Both}, ask.Direction) {
		return nil, errkind.Errorf(errkind.Invalid, "lineage: direction %q: want %s, %s or %s", ask.Direction, Up, Down, Both)
	}
	if ask.Depth < 0 || ask.Snapshot < 0 {
		return nil, errkind.New(errkind.Invalid, "lineage: depth and snapshot must not be negative")
	}
	if ask.Name == "" && (ask.Column != "" || ask.Snapshot != 0) {
		return nil, errkind.New(errkind.Invalid, "lineage: a column or a snapshot is one of a table: name the table too")
	}
	// A snapshot is named by somebody who has just seen it.
	v, err := x.view(ctx, ask.Snapshot == 0)
	if err != nil {
		return nil, err
	}
	g := &Graph{Direction: ask.Direction, Snapshot: ask.Snapshot, Nodes: []TableNode{}, Edges: []TableEdge{}, Columns: []ColumnEdge{}, Tables: []string{}}
	if ask.Name == "" {
		v.everything(g)
		v.finish(g, nil)
		return g, nil
	}
	start, err := v.resolve(ask)
	if err != nil {
		return nil, err
	}
	g.Table, g.Column = start.Table, start.Name
	distance := map[string]int{start.Table: 0}
	switch {
	case start.Name != "":
		err = v.aroundColumn(ctx, x, g, start, ask, distance)
	case ask.Snapshot != 0:
		err = v.aroundSnapshot(g, ask, distance)
	default:
		g.Edges = near(v.edges(), start.Table, ask, distance)
	}
	if err != nil {
		return nil, err
	}
	v.finish(g, distance)
	return g, nil
}

// everything is all tables that are made from others or that others are made from.
func (v *view) everything(g *Graph) { g.Edges = append(g.Edges, v.edges()...) }

// near keeps the edges within depth steps of a table, and notes the distance of the tables on the way.
func near(edges []TableEdge, start string, ask Ask, distance map[string]int) []TableEdge {
	from, to := map[string][]int{}, map[string][]int{}
	for i, e := range edges {
		from[e.From], to[e.To] = append(from[e.From], i), append(to[e.To], i)
	}
	keep := make([]bool, len(edges))
	walk := func(by map[string][]int, end func(TableEdge) string, sign int) {
		seen := map[string]bool{start: true}
		level := []string{start}
		for d := 1; len(level) > 0 && (ask.Depth == 0 || d <= ask.Depth); d++ {
			var next []string
			for _, t := range level {
				for _, i := range by[t] {
					keep[i] = true
					at := end(edges[i])
					if seen[at] {
						continue
					}
					seen[at] = true
					next = append(next, at)
					if _, known := distance[at]; !known {
						distance[at] = sign * d
					}
				}
			}
			level = next
		}
	}
	if ask.Direction != Down {
		walk(to, func(e TableEdge) string { return e.From }, -1)
	}
	if ask.Direction != Up {
		walk(from, func(e TableEdge) string { return e.To }, 1)
	}
	out := []TableEdge{}
	for i, e := range edges {
		if keep[i] {
			out = append(out, e)
		}
	}
	return out
}

// aroundColumn fills in the edges around a column, and those of the tables that they join: as they are made now, or of
// a snapshot with its versions.
func (v *view) aroundColumn(ctx context.Context, x *Index, g *Graph, start ColumnRef, ask Ask, distance map[string]int) error {
	edges, columns := v.columns.around(start, g.Direction, ask.Depth)
	if len(edges) == 0 {
		if err := x.needColumn(ctx, start); err != nil {
			return err
		}
	}
	g.Columns = append(g.Columns, edges...)
	for c, d := range columns {
		if known, ok := distance[c.Table]; !ok || abs(d) < abs(known) {
			distance[c.Table] = d
		}
	}
	type pair struct{ from, to string }
	joined := map[pair]bool{}
	for _, e := range edges {
		joined[pair{e.From.Table, e.To.Table}] = true
	}
	tables := v.edges()
	if ask.Snapshot != 0 {
		versions := &Graph{Table: g.Table, Direction: g.Direction}
		if err := v.aroundSnapshot(versions, ask, map[string]int{}); err != nil {
			return err
		}
		tables = versions.Edges
	}
	for _, e := range tables {
		if joined[pair{e.From, e.To}] {
			g.Edges = append(g.Edges, e)
		}
	}
	return nil
}

func abs(n int) int { return max(n, -n) }

// needColumn refuses a column that the table does not have.
func (x *Index) needColumn(ctx context.Context, c ColumnRef) error {
	id, err := parseName(c.Table)
	if err != nil {
		return err
	}
	sc, err := x.cat.Table(ctx, id)
	if err != nil {
		return fmt.Errorf("lineage: %w", err)
	}
	for _, f := range sc.Fields {
		if f.Name == c.Name {
			return nil
		}
	}
	return errkind.Errorf(errkind.NotFound, "lineage: table %s has no column %s, or only one that is computed when it is read", c.Table, c.Name)
}

// aroundSnapshot fills in what a snapshot was made from, with the versions, and what went on to be made from it.
func (v *view) aroundSnapshot(g *Graph, ask Ask, distance map[string]int) error {
	h := v.shelf.of(g.Table)
	i, ok := h.at(ask.Snapshot)
	if !ok {
		return v.noSnapshot(g.Table, h, ask.Snapshot)
	}
	if ask.Direction != Down {
		for _, o := range v.tracer.originsOf(g.Table, h.facts[i], ask.Depth) {
			if o.in == nil {
				continue
			}
			if _, known := distance[o.in.name]; !known {
				distance[o.in.name] = -o.depth
			}
			g.Edges = append(g.Edges, v.versionEdge(o.made, o.in))
		}
	}
	if ask.Direction != Up {
		g.Edges = append(g.Edges, v.taken(g.Table, ask, distance)...)
	}
	return nil
}

func (v *view) noSnapshot(table string, h *history, id int64) error {
	if len(h.facts) == 0 {
		return errkind.Errorf(errkind.NotFound, "lineage: table %s has no snapshot", table)
	}
	return errkind.Errorf(errkind.NotFound, "lineage: snapshot %d of %s is not there: it has snapshots %d to %d", id, table, h.facts[0].id, h.facts[len(h.facts)-1].id)
}

// versionEdge is an edge with the versions of one snapshot.
func (v *view) versionEdge(m made, in *input) TableEdge {
	e := TableEdge{From: in.name, To: m.table, Job: m.writer.String(), Kind: m.writer.Kind, Snapshot: m.last.id, Version: in.version(), VersionOf: in.from}
	if ms, ok := v.tracer.delay(m, in); ok {
		e.Delay = &HopDelay{Last: ms, P50: ms, P99: ms, N: 1}
	}
	return e
}

// taken are, downstream, the first snapshots that were made from a version which holds the one asked for.
func (v *view) taken(table string, ask Ask, distance map[string]int) []TableEdge {
	type version struct {
		table string
		id    int64
	}
	readers := map[string][]*hop{}
	for _, h := range v.hops {
		for _, s := range h.sources {
			readers[s] = append(readers[s], h)
		}
	}
	var out []TableEdge
	seen := map[string]bool{table: true}
	level := []version{{table, ask.Snapshot}}
	for d := 1; len(level) > 0 && (ask.Depth == 0 || d <= ask.Depth); d++ {
		var next []version
		for _, at := range level {
			for _, h := range readers[at.table] {
				m, in := v.firstWith(h, at.table, at.id)
				if in == nil {
					continue
				}
				out = append(out, v.versionEdge(m, in))
				if seen[h.target] {
					continue
				}
				seen[h.target] = true
				next = append(next, version{h.target, m.last.id})
				if _, known := distance[h.target]; !known {
					distance[h.target] = d
				}
			}
		}
		level = next
	}
	return out
}

// firstWith is the first retained snapshot of a hop that was made from the table at the snapshot or after it.
func (v *view) firstWith(h *hop, table string, id int64) (made, *input) {
	for _, f := range v.shelf.of(h.target).facts {
		w := v.tracer.writers.of(f)
		if !f.moves() || (h.user != "" && f.user != h.user) || (h.user == "" && w != h.writer) {
			continue
		}
		m := v.tracer.one(h.target, f)
		for i := range m.inputs {
			if in := &m.inputs[i]; in.name == table && in.kind == inputTable && in.to >= id {
				return m, in
			}
		}
	}
	return made{}, nil
}

// finish adds the nodes of the edges and their places.
func (v *view) finish(g *Graph, distance map[string]int) {
	names := map[string]bool{}
	for t := range distance {
		names[t] = true
	}
	for _, e := range g.Edges {
		names[e.From], names[e.To] = true, true
	}
	g.Tables = append(g.Tables, slices.Sorted(maps.Keys(names))...)
	if len(g.Tables) > nodesMax {
		g.Truncated = true
		slices.SortStableFunc(g.Tables, func(a, b string) int { return cmp.Compare(abs(distance[a]), abs(distance[b])) })
		g.Tables = g.Tables[:nodesMax]
		slices.Sort(g.Tables)
		g.Edges = slices.DeleteFunc(g.Edges, func(e TableEdge) bool {
			_, from := slices.BinarySearch(g.Tables, e.From)
			_, to := slices.BinarySearch(g.Tables, e.To)
			return !from || !to
		})
	}
	columns := map[string][]string{}
	for _, e := range g.Columns {
		columns[e.From.Table] = append(columns[e.From.Table], e.From.Name)
		columns[e.To.Table] = append(columns[e.To.Table], e.To.Name)
	}
	if g.Column != "" {
		columns[g.Table] = append(columns[g.Table], g.Column)
	}
	at := map[string]int64{}
	if g.Snapshot != 0 {
		at[g.Table] = g.Snapshot
		for _, e := range g.Edges {
			at[e.To] = max(at[e.To], e.Snapshot)
		}
	}
	for _, t := range g.Tables {
		n := v.node(t, at[t])
		n.Distance = distance[t]
		slices.Sort(columns[t])
		n.Columns = slices.Compact(columns[t])
		g.Nodes = append(g.Nodes, n)
	}
	g.draw()
}

// node describes a table at a snapshot; 0: the newest.
func (v *view) node(table string, id int64) TableNode {
	n := TableNode{ID: table, Kind: "table", Connector: v.shelf.outside[table]}
	h := v.shelf.tables[table]
	switch {
	case h == nil:
		n.Kind = "missing"
		return n
	case n.Connector != "":
		n.Kind = "source"
		return n
	}
	f := h.newest()
	if id != 0 {
		f = h.upTo(id)
	}
	if f != nil {
		n.Snapshot, n.Committed = f.id, f.made
	}
	n.Writers = v.writersOf(h)
	return n
}

// writersMax bounds the writers shown of a table.
const writersMax = 16

// writersOf are who made a table's retained snapshots, newest first. Pushes and batch statements of one user count as
// one writer.
func (v *view) writersOf(h *history) []Writer {
	var out []Writer
	for _, f := range slices.Backward(h.facts) {
		w := v.tracer.writers.of(f)
		if w.Kind == WriterPush || w.Kind == WriterBatch || w.Kind == WriterBackfill || w.Kind == WriterRevision {
			w.ID = ""
		}
		if w.Kind != WriterUpkeep && !slices.Contains(out, w) && len(out) < writersMax {
			out = append(out, w)
		}
	}
	return out
}

// draw places the nodes.
func (g *Graph) draw() {
	at := make(map[string]int, len(g.Nodes))
	for i, n := range g.Nodes {
		at[n.ID] = i
	}
	edges := make([][2]int, len(g.Edges))
	for i, e := range g.Edges {
		edges[i] = [2]int{at[e.From], at[e.To]}
	}
	l := layout.Layered(len(g.Nodes), edges, layout.Options{})
	for i, p := range l.Nodes {
		g.Nodes[i].X, g.Nodes[i].Y, g.Nodes[i].Layer = p.X, p.Y, l.Layers[i]
	}
	for i := range g.Edges {
		g.Edges[i].Bends = l.Bends[i]
	}
	g.Width, g.Height = l.Width, l.Height
}
