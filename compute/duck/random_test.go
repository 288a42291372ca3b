//go:build duckdb_arrow

package duck_test

import (
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/table/schema"
)

var (
	randomSeed  = flag.Uint64("expr.seed", 1, "seed of the random expressions")
	randomCount = flag.Int("expr.n", 250, "number of random expressions")
)

// grower makes random well-typed expressions over the samples.
type grower struct {
	rnd *rand.Rand
	t   *testing.T
}

// randomFunctions are joined at random; functions with constant arguments have their own cases.
var randomFunctions = []string{
	"+", "-", "*", "/", "%", "NEG", "=", "<>", "<", ">=", "AND", "OR", "NOT", "IS_NULL", "IS_TRUE", "IS_NOT_FALSE", "IS_DISTINCT_FROM",
	"IN", "CASE", "IF", "COALESCE", "NULLIF", "GREATEST", "||", "UPPER", "CHAR_LENGTH", "STARTSWITH", "POSITION", "REPLACE", "TRIM",
	"ABS", "FLOOR", "CEIL", "SIGN", "YEAR", "HOUR", "DAYOFMONTH", "CARDINALITY", "ARRAY", "ITEM", "ROW", "MD5", "REVERSE",
}

func (g *grower) expr(depth int) expr.Expr {
	if depth == 0 || g.rnd.IntN(6) == 0 {
		return g.leaf()
	}
	for range 200 { // most choices do not type
		if e := g.try(depth); e != nil {
			return e
		}
	}
	return g.leaf()
}

func (g *grower) leaf() expr.Expr {
	if g.rnd.IntN(4) == 0 {
		return []expr.Expr{num(g.rnd.Int64N(5) - 1), text("ab"), expr.True()}[g.rnd.IntN(3)]
	}
	return col(samples[g.rnd.IntN(len(samples))].name)
}

var castTargets = []schema.Type{schema.TInt, schema.TBigInt, schema.TDouble, schema.TString, schema.TDecimal(20, 3), schema.TTimestamp(3), schema.TDate, schema.TBoolean}

func (g *grower) try(depth int) expr.Expr {
	switch g.rnd.IntN(8) {
	case 0:
		e, to := g.expr(depth-1), castTargets[g.rnd.IntN(len(castTargets))]
		if !expr.CanCast(e.Type(), to) {
			return nil
		}
		return &expr.Call{Fn: []string{"CAST", "TRY_CAST"}[g.rnd.IntN(2)], Args: []expr.Expr{e}, T: to}
	case 1:
		e := g.expr(depth - 1)
		if e.Type().Kind != schema.Row {
			return nil
		}
		n := g.rnd.IntN(len(e.Type().Fields))
		t := e.Type().Fields[n].Type
		return &expr.Call{Fn: "FIELD", Args: []expr.Expr{e, num(int64(n))}, T: t.WithNotNull(false)}
	}
	fn := randomFunctions[g.rnd.IntN(len(randomFunctions))]
	args := make([]expr.Expr, 1+g.rnd.IntN(4))
	for i := range args {
		args[i] = g.expr(depth - 1)
	}
	e, err := expr.Apply(fn, args...)
	if err != nil {
		return nil
	}
	if _, err := expr.Compile(e); err != nil {
		return nil
	}
	return e
}

// Compositions mean the same, too: laziness, types between functions, arguments of Go
// functions. Rows for which Go fails are left out: DuckDB does not compute an argument
// that cannot matter, such as the rest of an IN list, so it may have a value there.
func TestRandomExpressions(t *testing.T) {
	p := newPool(t, duck.Options{Workers: 1})
	rows := sampleRows(80)
	g := &grower{rnd: rand.New(rand.NewPCG(*randomSeed, 0)), t: t}
	n := *randomCount
	if testing.Short() {
		n = min(n, 50)
	}
	for range n {
		differential(t, p, rows, g.expr(3), testEnv)
		if t.Failed() {
			t.Fatalf("seed %d", *randomSeed)
		}
	}
}
