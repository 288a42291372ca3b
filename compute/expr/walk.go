package expr

import "slices"

// Walk calls fn for e and everything below it, parents first; fn returns false to skip what is below.
func Walk(e Expr, fn func(Expr) bool) {
	if e == nil || !fn(e) {
		return
	}
	if c, ok := e.(*Call); ok {
		for _, a := range c.Args {
			Walk(a, fn)
		}
	}
}

// Rewrite returns e with parts replaced: where fn returns non-nil that takes the part's place (and is
// not looked into again), where it returns nil the part's arguments are rewritten. e is not changed.
func Rewrite(e Expr, fn func(Expr) Expr) Expr {
	if r := fn(e); r != nil {
		return r
	}
	c, ok := e.(*Call)
	if !ok {
		return e
	}
	args := make([]Expr, len(c.Args))
	for i, a := range c.Args {
		args[i] = Rewrite(a, fn)
	}
	return &Call{Fn: c.Fn, Args: args, T: c.T}
}

// Columns are the indexes of the columns e reads, ascending, each once.
func Columns(e Expr) []int {
	var out []int
	Walk(e, func(x Expr) bool {
		if c, ok := x.(*Column); ok {
			out = append(out, c.Index)
		}
		return true
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// Remap returns e reading column to[i] where it read column i.
func Remap(e Expr, to func(int) int) Expr {
	return Rewrite(e, func(x Expr) Expr {
		if c, ok := x.(*Column); ok {
			return &Column{Index: to(c.Index), Name: c.Name, T: c.T}
		}
		return nil
	})
}
