package expr

import (
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// Program is an expression made ready for evaluation. It is immutable and may be used
// by several goroutines at once.
type Program struct {
	root node
	t    schema.Type
}

// frame is one evaluation: a batch and what the expression may depend on besides.
type frame struct {
	n    int
	in   arrow.RecordBatch
	cols []vec // by column index, filled on first use
	have []bool
	env  *Env
}

// node evaluates to one value per row. sel marks the rows that are wanted (nil: all);
// only they may fail, values of the others are unspecified.
type node interface {
	eval(f *frame, sel []bool) (vec, error)
}

// kernel computes a function of already evaluated arguments.
type kernel func(c *call) (vec, error)

// prepFunc makes the kernel for given argument types, result type and constant arguments.
type prepFunc func(p *prep) (kernel, error)

// prep is what is known of a call before it is evaluated.
type prep struct {
	fn   string
	args []schema.Type
	ret  schema.Type
	lits []*vec // constant arguments, nil for the others
}

// call is one evaluation of a function over a batch.
type call struct {
	env  *Env
	n    int // rows to make: 1 if all arguments are constant
	args []vec
	// live marks the rows to compute: wanted and, unless the function sees NULLs, with no
	// NULL argument. nil: all. It is shared and must not be changed.
	live []bool
	try  bool // a value that cannot be converted is NULL, not an error
}

func (c *call) isLive(i int) bool { return c.live == nil || c.live[i] }

// Compile checks e and prepares it for evaluation. Errors are of kind Invalid: a function or
// a cast that does not exist, or a constant argument (a pattern, a unit, a zone) that is wrong.
func Compile(e Expr) (*Program, error) {
	root, err := compile(e)
	if err != nil {
		return nil, err
	}
	return &Program{root: root, t: e.Type()}, nil
}

// Eval evaluates e for every row of in. Use Compile when there is more than one batch.
func Eval(e Expr, in arrow.RecordBatch, env *Env) (arrow.Array, error) {
	p, err := Compile(e)
	if err != nil {
		return nil, err
	}
	return p.Eval(in, env)
}

// EvalBool returns the rows of in, ascending, for which e is TRUE.
func EvalBool(e Expr, in arrow.RecordBatch, env *Env) ([]int32, error) {
	p, err := Compile(e)
	if err != nil {
		return nil, err
	}
	return p.EvalBool(in, env)
}

// Eval returns an array with a value per row of in, in the Arrow form of the expression's type.
// The caller releases it. An error a row causes (division by zero, a failed cast) is of kind Invalid.
func (p *Program) Eval(in arrow.RecordBatch, env *Env) (arrow.Array, error) {
	f := newFrame(in, env)
	if f.n == 0 {
		return emptyArray(p.t)
	}
	v, err := p.root.eval(f, nil)
	if err != nil {
		return nil, err
	}
	for i := range f.cols {
		if f.have[i] && sharesMemory(v.data, f.cols[i].data) {
			return copyColumn(in.Column(i), v, p.t)
		}
	}
	return arrayOf(v, p.t, f.n)
}

// EvalBool returns the rows of in, ascending, for which a BOOLEAN expression is TRUE.
func (p *Program) EvalBool(in arrow.RecordBatch, env *Env) ([]int32, error) {
	if p.t.Kind != schema.Boolean {
		return nil, fmt.Errorf("evaluate: a condition has type %s", p.t)
	}
	f := newFrame(in, env)
	if f.n == 0 {
		return nil, nil
	}
	v, err := p.root.eval(f, nil)
	if err != nil {
		return nil, err
	}
	b := colOf[bool](v)
	out := make([]int32, 0, f.n)
	for i := range f.n {
		if b.at(i) && !v.isNull(i) {
			out = append(out, int32(i))
		}
	}
	return out, nil
}

// Type is the type of the values.
func (p *Program) Type() schema.Type { return p.t }

func newFrame(in arrow.RecordBatch, env *Env) *frame {
	if env == nil {
		env = &Env{}
	}
	cols := int(in.NumCols())
	return &frame{n: int(in.NumRows()), in: in, cols: make([]vec, cols), have: make([]bool, cols), env: env}
}

// zone is the session time zone.
func (e *Env) zone() *time.Location {
	if e.Zone == nil {
		return time.UTC
	}
	return e.Zone
}

func compile(e Expr) (node, error) {
	switch e := e.(type) {
	case *Column:
		return &columnNode{index: e.Index, t: e.T}, nil
	case *Literal:
		v, err := literalVec(e)
		return constNode{v}, err
	case *Call:
		return compileCall(e)
	default:
		return nil, fmt.Errorf("compile: unknown expression %T", e)
	}
}

func compileCall(e *Call) (node, error) {
	args := make([]node, len(e.Args))
	for i, a := range e.Args {
		var err error
		if args[i], err = compile(a); err != nil {
			return nil, err
		}
	}
	if n, err := specialNode(e, args); n != nil || err != nil {
		return n, err
	}
	p := &prep{fn: e.Fn, ret: e.T, args: make([]schema.Type, len(args)), lits: make([]*vec, len(args))}
	constant := true
	for i, a := range args {
		p.args[i] = e.Args[i].Type()
		if c, ok := a.(constNode); ok {
			p.lits[i] = &c.v
		} else {
			constant = false
		}
	}
	n := &callNode{args: args, desc: e}
	make, err := prepOf(e, n)
	if err != nil {
		return nil, err
	}
	if n.kernel, err = make(p); err != nil {
		return nil, errkind.Wrap(errkind.Invalid, fmt.Errorf("%s: %w", e, err))
	}
	if constant && !Volatile(e) {
		// An error stays where it is: it counts only if a row needs the value.
		if v, err := n.eval(&frame{n: 1, env: &Env{}}, nil); err == nil && v.konst {
			return constNode{v}, nil
		}
	}
	return n, nil
}

// prepOf finds the function and notes on n how it treats NULL and unwanted rows.
func prepOf(e *Call, n *callNode) (prepFunc, error) {
	switch e.Fn {
	case "CAST":
		return prepCast, nil
	case "TRY_CAST":
		return prepTryCast, nil
	case "FIELD":
		return prepField, nil
	}
	b := registry[e.Fn]
	if b == nil {
		return nil, unknownFunction(e.Fn, registryNames())
	}
	if b.prep == nil {
		return nil, errkind.Errorf(errkind.Invalid, "%s can be used in a stream or a table function only, not as a value", b.name)
	}
	n.nulls, n.total = b.nulls, b.total
	return b.prep, nil
}

// columnNode is a column of the batch.
type columnNode struct {
	index int
	t     schema.Type
}

func (c *columnNode) eval(f *frame, _ []bool) (vec, error) {
	if c.index >= len(f.cols) {
		return vec{}, fmt.Errorf("evaluate: column %d of a batch of %d columns", c.index, len(f.cols))
	}
	if !f.have[c.index] {
		v, err := vecOf(f.in.Column(c.index), c.t)
		if err != nil {
			return vec{}, err
		}
		f.cols[c.index], f.have[c.index] = v, true
	}
	return f.cols[c.index], nil
}

// constNode is a value known when the expression was compiled.
type constNode struct{ v vec }

func (c constNode) eval(*frame, []bool) (vec, error) { return c.v, nil }

// callNode is a function of values.
type callNode struct {
	kernel kernel
	args   []node
	nulls  bool // the kernel sees NULL arguments
	total  bool // the kernel cannot fail and is cheap: it ignores the selection
	desc   *Call
}

func (n *callNode) eval(f *frame, sel []bool) (vec, error) {
	c := call{env: f.env, n: 1, args: make([]vec, len(n.args))}
	for i, a := range n.args {
		v, err := a.eval(f, sel)
		if err != nil {
			return vec{}, err
		}
		c.args[i] = v
		if !v.konst {
			c.n = f.n
		}
	}
	konst := c.n == 1 && allConst(c.args) && !isVolatile(n.desc)
	if !konst {
		c.n = f.n
	}
	if !n.total && !konst {
		c.live = sel
	}
	if !n.nulls {
		c.live = liveRows(c.live, c.args, c.n)
	}
	v, err := n.kernel(&c)
	if err != nil {
		return vec{}, n.failure(err)
	}
	if konst {
		v.konst = true
	}
	return v, nil
}

// failure names the function that a row made fail. The row is to blame unless the kernel says
// otherwise (a limit that was reached).
func (n *callNode) failure(err error) error {
	what := n.desc.Fn
	if what == "CAST" || what == "TRY_CAST" {
		what += " to " + n.desc.T.WithNotNull(false).String()
	}
	wrapped := fmt.Errorf("%s: %w", what, err)
	if errkind.Of(err) != errkind.Bug {
		return wrapped
	}
	return errkind.Wrap(errkind.Invalid, wrapped)
}

// isVolatile reports whether the function itself may differ from row to row.
func isVolatile(e *Call) bool {
	return e.Fn == "UUID" || e.Fn == "RAND" || e.Fn == "RAND_INTEGER"
}

func allConst(args []vec) bool {
	for _, a := range args {
		if !a.konst {
			return false
		}
	}
	return true
}

// liveRows is sel without the rows in which an argument is NULL; nil means all n rows.
func liveRows(sel []bool, args []vec, n int) []bool {
	live, own := sel, false
	for _, a := range args {
		switch {
		case a.valid == nil:
		case a.konst && n != 1:
			if !a.valid[0] {
				return make([]bool, n)
			}
		case live == nil:
			live = a.valid
		default:
			if !own {
				live, own = append([]bool(nil), live...), true
			}
			for i, ok := range a.valid {
				live[i] = live[i] && ok
			}
		}
	}
	return live
}

// literalVec is the constant vec of a literal.
func literalVec(l *Literal) (vec, error) {
	if l.Value == nil {
		return nullConst(l.T)
	}
	v := vec{konst: true}
	ok := true
	switch x := l.Value.(type) {
	case bool:
		v.data, ok = []bool{x}, l.T.Kind == schema.Boolean
	case int64:
		v.data, ok = intLiteral(x, l.T)
	case float64:
		v.data, ok = []float64{x}, l.T.Kind == schema.Double
		if l.T.Kind == schema.Float {
			v.data, ok = []float32{float32(x)}, true
		}
	case decimal128.Num:
		v.data, ok = []decimal128.Num{x}, l.T.Kind == schema.Decimal
	case string:
		v.data, ok = oneText([]byte(x)), l.T.IsString()
	case []byte:
		v.data, ok = oneText(x), l.T.IsBinary()
	default:
		ok = false
	}
	if !ok {
		return vec{}, fmt.Errorf("compile: a literal of type %s holds a %T", l.T, l.Value)
	}
	return v, nil
}

func oneText(b []byte) text { return text{off: []int32{0, int32(len(b))}, data: b} }

func intLiteral(x int64, t schema.Type) (any, bool) {
	switch t.Kind {
	case schema.TinyInt:
		return []int8{int8(x)}, true
	case schema.SmallInt:
		return []int16{int16(x)}, true
	case schema.Int, schema.Date, schema.Time:
		return []int32{int32(x)}, true
	case schema.BigInt, schema.Timestamp, schema.TimestampLTZ, schema.IntervalYearMonth, schema.IntervalDayTime:
		return []int64{x}, true
	default:
		return nil, false
	}
}

// literalOf is the literal of a constant vec's value; false for nested types.
func literalOf(v vec, t schema.Type) (*Literal, bool) {
	if v.isNull(0) {
		return &Literal{T: t.WithNotNull(false)}, true
	}
	l := &Literal{T: t.WithNotNull(true)}
	switch x := v.data.(type) {
	case []bool:
		l.Value = x[0]
	case []int8:
		l.Value = int64(x[0])
	case []int16:
		l.Value = int64(x[0])
	case []int32:
		l.Value = int64(x[0])
	case []int64:
		l.Value = x[0]
	case []float32:
		l.Value = float64(x[0])
	case []float64:
		l.Value = x[0]
	case []decimal128.Num:
		l.Value = x[0]
	case text:
		if t.IsString() {
			l.Value = string(x.at(0))
		} else {
			l.Value = append([]byte{}, x.at(0)...)
		}
	default:
		return nil, false
	}
	return l, true
}
