package expr

import (
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// Fold replaces every part of e that has no columns and does not depend on Env by its
// value. A part whose evaluation fails stays: it fails when, and only if, a row needs it.
// Values of nested types stay as they are.
func Fold(e Expr) Expr {
	c, ok := e.(*Call)
	if !ok {
		return e
	}
	args := make([]Expr, len(c.Args))
	constant, changed := true, false
	for i, a := range c.Args {
		args[i] = Fold(a)
		changed = changed || args[i] != a
		if _, ok := args[i].(*Literal); !ok {
			constant = false
		}
	}
	if changed {
		c = &Call{Fn: c.Fn, Args: args, T: c.T}
	}
	if constant && !Volatile(c) {
		if l, err := Const(c, nil); err == nil {
			return l
		}
	}
	return c
}

// Const evaluates an expression without columns. Errors are of kind Invalid; a value of a
// nested type is one too, since a Literal cannot hold it.
func Const(e Expr, env *Env) (*Literal, error) {
	if l, ok := e.(*Literal); ok {
		return l, nil
	}
	root, err := compile(e)
	if err != nil {
		return nil, err
	}
	if env == nil {
		env = &Env{}
	}
	v, err := root.eval(&frame{n: 1, env: env}, nil)
	if err != nil {
		return nil, err
	}
	l, ok := literalOf(v, e.Type())
	if !ok {
		return nil, errkind.Errorf(errkind.Invalid, "%s is not a single value", e)
	}
	return l, nil
}

// Columns appends the indexes of the input columns e reads to dst, in order of appearance
// and with repetitions.
func Columns(dst []int, e Expr) []int {
	switch e := e.(type) {
	case *Column:
		return append(dst, e.Index)
	case *Call:
		for _, a := range e.Args {
			dst = Columns(dst, a)
		}
	}
	return dst
}

// Rewrite rebuilds e bottom-up: f is given every node, whose arguments are already
// rewritten, and returns what stands in its place.
func Rewrite(e Expr, f func(Expr) Expr) Expr {
	c, ok := e.(*Call)
	if !ok {
		return f(e)
	}
	args := make([]Expr, len(c.Args))
	changed := false
	for i, a := range c.Args {
		args[i] = Rewrite(a, f)
		changed = changed || args[i] != a
	}
	if changed {
		c = &Call{Fn: c.Fn, Args: args, T: c.T}
	}
	return f(c)
}

// True and False are the BOOLEAN literals.
func True() *Literal { return &Literal{Value: true, T: schema.TBoolean.WithNotNull(true)} }

// False is the literal FALSE.
func False() *Literal { return &Literal{Value: false, T: schema.TBoolean.WithNotNull(true)} }
