package plan

import (
	"slices"

	"github.com/weir-lake/weir/compute/expr"
)

// WindowPart is what a window function appends to a row.
type WindowPart int8

// The parts; NoWindow is any other column.
const (
	NoWindow WindowPart = iota - 1
	WindowStart
	WindowEnd
	WindowTime
)

// WindowEndKey is the group key that is the end of a window function's windows, where
// start and end are both grouped; -1 otherwise.
func WindowEndKey(n *Aggregate) int {
	if n.Sets != nil {
		return -1
	}
	parts, _ := windowKeysOf(n)
	if slices.Index(parts, WindowStart) < 0 {
		return -1
	}
	return slices.Index(parts, WindowEnd)
}

// windowKeysOf tells for each group key which part of a window it is, and the window's
// kind. Parts of two different windows, after a join, say nothing about each other.
func windowKeysOf(n *Aggregate) (parts []WindowPart, kind WindowKind) {
	parts = make([]WindowPart, len(n.GroupBy))
	var from *Window
	for i, k := range n.GroupBy {
		parts[i] = NoWindow
		c, ok := k.(*expr.Column)
		if !ok {
			continue
		}
		part, w := windowColumn(n.Input, c.Index)
		if w == nil || from != nil && w != from {
			continue
		}
		from = w
		parts[i], kind = part, w.Kind
	}
	return parts, kind
}

// windowColumn follows a column down to the window function that made it; nil for other columns.
func windowColumn(n Node, i int) (WindowPart, *Window) {
	switch n := n.(type) {
	case *Window:
		if own := i - len(n.Input.Columns()); own >= 0 {
			return WindowPart(own), n
		}
		return windowColumn(n.Input, i)
	case *Project:
		if c, ok := n.Exprs[i].(*expr.Column); ok {
			return windowColumn(n.Input, c.Index)
		}
	case *Filter:
		return windowColumn(n.Input, i)
	case *TopN, *Over, *Unnest:
		if in := n.Inputs()[0]; i < len(in.Columns()) {
			return windowColumn(in, i)
		}
	case *Join:
		if left := len(n.Left.Columns()); i >= left {
			return windowColumn(n.Right, i-left)
		}
		return windowColumn(n.Left, i)
	case *Aggregate:
		if i < len(n.GroupBy) && n.WindowEnd >= 0 {
			if c, ok := n.GroupBy[i].(*expr.Column); ok {
				return windowColumn(n.Input, c.Index)
			}
		}
	}
	return NoWindow, nil
}

// fixedWindowKey is the group without what its window's start tells: where all windows
// are of one length, start, end and time determine each other.
func fixedWindowKey(n *Aggregate, keep WindowPart) []int {
	parts, kind := windowKeysOf(n)
	if kind != Tumble && kind != Hop || slices.Index(parts, WindowStart) < 0 || slices.Index(parts, WindowEnd) < 0 {
		return nil
	}
	key := []int{}
	for i, p := range parts {
		if p == NoWindow || p == keep {
			key = append(key, i)
		}
	}
	return key
}
