package main

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/lineage"
)

// lineageCmd shows where a table or column comes from and goes to.
type lineageCmd struct {
	serverFlags
	Name     string `arg:"" help:"Table or column: table, db.table, table.column or db.table.column."`
	Up       bool   `help:"Only what it is made from."`
	Down     bool   `help:"Only what is made from it."`
	Depth    int    `placeholder:"N" help:"Steps up and down. Default: all."`
	Snapshot int64  `placeholder:"N" help:"A snapshot of the table, with the versions it was made from and went into."`
}

// Validate implements kong's check of a command line.
func (c *lineageCmd) Validate() error {
	switch {
	case c.Up && c.Down:
		return errkind.New(errkind.Invalid, "--up and --down: name one of them, or none for both")
	case c.Depth < 0 || c.Snapshot < 0:
		return errkind.New(errkind.Invalid, "--depth and --snapshot must not be negative")
	}
	return nil
}

// Run implements the command.
func (c *lineageCmd) Run(env *tablecmd.Env) error {
	q := url.Values{"table": {c.Name}, "depth": {strconv.Itoa(c.Depth)}}
	switch {
	case c.Up:
		q.Set("direction", lineage.Up)
	case c.Down:
		q.Set("direction", lineage.Down)
	}
	if c.Snapshot > 0 {
		q.Set("snapshot", strconv.FormatInt(c.Snapshot, 10))
	}
	var g lineage.Graph
	return inquire(env, c.serverFlags, request{path: "/v1/lineage?" + q.Encode(), out: &g}, func(w io.Writer) error {
		newLineageTree(&g, time.Now()).write(w)
		return nil
	})
}

// lineageTree prints a graph as two trees, of what the named thing is made from and of what is made from it. What was
// shown already is not opened again.
type lineageTree struct {
	g    *lineage.Graph
	root string
	now  time.Time
	// links are the edges by their ends, for each direction.
	up, down map[string][]treeLink
	shown    map[string]bool
}

// treeLink leads from one line of a tree to another.
type treeLink struct{ to, note string }

func newLineageTree(g *lineage.Graph, now time.Time) *lineageTree {
	t := &lineageTree{g: g, root: g.Table, now: now, up: map[string][]treeLink{}, down: map[string][]treeLink{}}
	link := func(from, to, note string) {
		t.up[to] = append(t.up[to], treeLink{from, note})
		t.down[from] = append(t.down[from], treeLink{to, note})
	}
	if g.Column != "" {
		t.root += "." + g.Column
		for _, e := range g.Columns {
			link(e.From.Table+"."+e.From.Name, e.To.Table+"."+e.To.Name, fmt.Sprintf("%s, %s", e.Kind, e.Job))
		}
		return t
	}
	for _, e := range g.Edges {
		if g.Snapshot == 0 && e.Delay != nil && e.Delay.N == 1 {
			e.Delay = nil // one commit, long ago, says nothing of how late the table usually is
		}
		link(e.From, e.To, edgeNote(e))
	}
	return t
}

// edgeNote says in a few words who makes one table of an edge from the other.
func edgeNote(e lineage.TableEdge) string {
	note := string(e.Kind)
	if e.Job != note {
		note += " " + e.Job
	}
	if e.State != "" && e.State != "running" {
		note += " (" + e.State + ")"
	}
	if e.Snapshot != 0 {
		note += fmt.Sprintf(", snapshot %d", e.Snapshot)
	}
	switch {
	case e.Version == "":
	case e.VersionOf != 0 && strconv.FormatInt(e.VersionOf, 10) == e.Version:
		note += " from " + e.Version + ", which it had taken before"
	case e.VersionOf != 0:
		note += fmt.Sprintf(" from %d to %s", e.VersionOf, e.Version)
	default:
		note += " from " + e.Version
	}
	if e.Delay != nil {
		note += fmt.Sprintf(", %s later", (time.Duration(e.Delay.Last) * time.Millisecond).String())
	}
	return note
}

func (t *lineageTree) write(w io.Writer) {
	fmt.Fprintln(w, t.root+t.about())
	for _, part := range []struct {
		title string
		links map[string][]treeLink
		skip  string
	}{{"is made from", t.up, lineage.Down}, {"goes into", t.down, lineage.Up}} {
		if t.g.Direction == part.skip {
			continue
		}
		if len(part.links[t.root]) == 0 {
			fmt.Fprintln(w, part.title+" nothing that is known")
			continue
		}
		fmt.Fprintln(w, part.title)
		t.shown = map[string]bool{t.root: true}
		t.branch(w, part.links, t.root, "")
	}
}

// about describes the table that was asked for.
func (t *lineageTree) about() string {
	i := slices.IndexFunc(t.g.Nodes, func(n lineage.TableNode) bool { return n.ID == t.g.Table })
	if i < 0 {
		return ""
	}
	n := t.g.Nodes[i]
	var parts []string
	if n.Kind != "table" {
		parts = append(parts, strings.TrimSpace(n.Connector+" "+n.Kind))
	}
	if n.Snapshot != 0 {
		parts = append(parts, fmt.Sprintf("snapshot %d, %s old", n.Snapshot, t.now.Sub(time.UnixMilli(n.Committed)).Round(time.Second)))
	}
	for _, by := range n.Writers {
		if by.Kind == lineage.WriterForeign {
			parts = append(parts, "written by "+by.String())
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func (t *lineageTree) branch(w io.Writer, links map[string][]treeLink, at, indent string) {
	list := merged(links[at])
	for i, l := range list {
		stem, next := "├─ ", "│  "
		if i == len(list)-1 {
			stem, next = "└─ ", "   "
		}
		again := ""
		if t.shown[l.to] && len(links[l.to]) > 0 {
			again = " (shown above)"
		}
		fmt.Fprintf(w, "%s%s%s  [%s]%s\n", indent, stem, l.to, l.note, again)
		if !t.shown[l.to] {
			t.shown[l.to] = true
			t.branch(w, links, l.to, indent+next)
		}
	}
}

// merged puts the notes of links to the same place together.
func merged(links []treeLink) []treeLink {
	var out []treeLink
	for _, l := range links {
		i := slices.IndexFunc(out, func(o treeLink) bool { return o.to == l.to })
		if i < 0 {
			out = append(out, l)
		} else {
			out[i].note += "; " + l.note
		}
	}
	return out
}
