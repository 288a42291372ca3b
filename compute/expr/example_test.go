package expr_test

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/table/schema"
)

// prices is a batch with one column, price INT.
func prices() arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "price", Type: arrow.PrimitiveTypes.Int32, Nullable: true}}, nil))
	defer b.Release()
	b.Field(0).(*array.Int32Builder).AppendValues([]int32{10, 0, 25}, []bool{true, false, true})
	return b.NewRecordBatch()
}

func price() expr.Expr { return &expr.Column{Index: 0, Name: "price", T: schema.TInt} }

func number(n int64) expr.Expr {
	return &expr.Literal{Value: n, T: schema.TInt.WithNotNull(true)}
}

func ExampleApply() {
	e, err := expr.Apply("substr", &expr.Literal{Value: "streams", T: schema.TString.WithNotNull(true)}, number(1), number(6))
	fmt.Println(e, e.Type(), err)
	_, err = expr.Apply("SUBSTRNG", price())
	fmt.Println(err)
	// Output:
	// SUBSTRING('streams', CAST(1:INT AS BIGINT), CAST(6:INT AS BIGINT)) STRING <nil>
	// there is no function SUBSTRNG; did you mean SUBSTRING, SUBSTR?
}

func ExampleEval() {
	e, _ := expr.Apply("*", price(), number(3))
	a, err := expr.Eval(e, prices(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer a.Release()
	fmt.Println(a)
	// Output: [30 (null) 75]
}

func ExampleEvalBool() {
	e, _ := expr.Apply(">", price(), number(5))
	rows, err := expr.EvalBool(e, prices(), nil)
	fmt.Println(rows, err)
	// Output: [0 2] <nil>
}

func ExampleCompile() {
	e, _ := expr.Apply("/", number(100), price())
	p, err := expr.Compile(e)
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 { // one Program for every batch
		a, err := p.Eval(prices(), nil)
		fmt.Println(a, err)
	}
	// Output:
	// [10 (null) 4] <nil>
	// [10 (null) 4] <nil>
}

func ExampleLookup() {
	r, err := expr.Lookup("+", []schema.Type{schema.TDecimal(10, 2), schema.TInt})
	fmt.Println(r.Ret, r.ArgTypes, err)
	// Output: DECIMAL(13, 2) [DECIMAL(10, 2) DECIMAL(10, 0)] <nil>
}

func ExampleLookupAgg() {
	r, err := expr.LookupAgg("avg", []schema.Type{schema.TDecimal(10, 2)}, false)
	fmt.Println(r.Fn, r.Ret, err)
	// Output: AVG DECIMAL(38, 6) <nil>
}

func ExampleFold() {
	three, _ := expr.Apply("+", number(1), number(2))
	e, _ := expr.Apply("<", price(), three)
	fmt.Println(expr.Fold(e))
	// Output: <(price#0, 3:INT)
}

func ExampleConst() {
	e, _ := expr.Apply("UPPER", &expr.Literal{Value: "epoch", T: schema.TString.WithNotNull(true)})
	l, err := expr.Const(e, nil)
	fmt.Println(l, err)
	// Output: 'EPOCH' <nil>
}
