package format_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/storage/format"
)

// A file is written, pruned by its page index, and the rows that may match are read.
func Example() {
	sc := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64, Metadata: format.FieldMeta(7)}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	for i := range 100_000 {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
	}
	var data bytes.Buffer
	w, err := format.NewWriter(&data, sc, format.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := w.Write(b.NewRecordBatch()); err != nil {
		fmt.Println(err)
		return
	}
	if err := w.Close(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("bounds", w.Stats()[0].Min, w.Stats()[0].Max)

	f, err := format.Open("ids.parquet", bytes.NewReader(data.Bytes()), int64(data.Len()))
	if err != nil {
		fmt.Println(err)
		return
	}
	footer, err := f.Footer()
	if err != nil {
		fmt.Println(err)
		return
	}
	ranges, err := footer.Prune(format.Filter{{Column: format.Column{ID: 7}, Op: format.Eq, Values: []any{int64(50_000)}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	rec, err := f.ReadAll(context.Background(), format.ReadOptions{Ranges: ranges})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("reads under a tenth:", rec.NumRows() > 0 && rec.NumRows() < 10_000)
	// Output:
	// bounds 0 99999
	// reads under a tenth: true
}
