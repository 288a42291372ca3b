package expr

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/table/schema"
)

var benchFields = []schema.Field{
	field("a", schema.TBigInt), field("b", schema.TBigInt), field("n", schema.TBigInt), field("d", schema.TDouble),
	field("m", schema.TDecimal(12, 2)), field("s", schema.TString), field("t", schema.TTimestamp(3)),
}

// benchBatch has 8,192 rows; column n is NULL in every fourth.
func benchBatch(b *testing.B) arrow.RecordBatch {
	sch, err := schema.ArrowSchema(benchFields)
	if err != nil {
		b.Fatal(err)
	}
	rb := array.NewRecordBuilder(memory.DefaultAllocator, sch)
	for i := range int64(8192) {
		rb.Field(0).(*array.Int64Builder).Append(i)
		rb.Field(1).(*array.Int64Builder).Append(8192 - i)
		if i%4 == 0 {
			rb.Field(2).AppendNull()
		} else {
			rb.Field(2).(*array.Int64Builder).Append(i * 3)
		}
		rb.Field(3).(*array.Float64Builder).Append(float64(i) / 3)
		n, _ := rescale(mul64(i, 1), 0, 12, 2)
		rb.Field(4).(*array.Decimal128Builder).Append(n)
		rb.Field(5).(*array.StringBuilder).Append([]string{"alpha", "beta", "gamma", "delta-delta"}[i%4])
		rb.Field(6).(*array.TimestampBuilder).Append(arrow.Timestamp(i * 60_000))
	}
	return rb.NewRecordBatch()
}

func BenchmarkEval(b *testing.B) {
	in := benchBatch(b)
	for _, text := range []string{
		"$a + $b * 2", "$n + 1", "$a > 4000 AND $b < 8000", "CASE($a > 4000, $a, $b)", "$d * 1.5e0 + $a", "$m * 2 + 1.50", "CAST($a AS STRING)",
		"UPPER($s)", "LIKE($s, '%ta')", "$s = 'beta'", "$t + INTERVAL '1' HOUR", "DATE_FORMAT($t, 'yyyy-MM-dd HH:mm')", "YEAR($t)", "COALESCE($n, $a)",
		"IN($s, 'alpha', 'beta', 'x', 'y', 'z')", "CAST($d AS INT)", "REGEXP_EXTRACT($s, '([a-z]+)-', 1)",
	} {
		p, err := Compile(mustParse(b, text, benchFields))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a, err := p.Eval(in, nil)
				if err != nil {
					b.Fatal(err)
				}
				a.Release()
			}
			b.ReportMetric(float64(in.NumRows())*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}

func BenchmarkFilter(b *testing.B) {
	in := benchBatch(b)
	p, err := Compile(mustParse(b, "$a > 4000 AND $s = 'beta'", benchFields))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := p.EvalBool(in, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(in.NumRows())*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}
