package rowjson_test

import (
	"fmt"

	"github.com/weir-lake/weir/table/rowjson"
	"github.com/weir-lake/weir/table/schema"
)

// Rows are decoded, a bad one is refused by name, and encoded again.
func Example() {
	fields := []schema.Field{{Name: "id", Type: schema.TBigInt.WithNotNull(true)}, {Name: "price", Type: schema.TDecimal(10, 2)}, {Name: "at", Type: schema.TTimestamp(3)}}
	d, err := rowjson.NewDecoder(fields, rowjson.DecodeOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	rows := `{"id":1,"price":2.5,"at":"2024-02-29T10:00:00Z"}
{"id":2,"price":"2.5","at":"2024-02-29T10:00:00"}`
	if _, err := d.AppendAll([]byte(rows), func(e *rowjson.RowError, _ []byte) error { fmt.Println(e); return nil }); err != nil {
		fmt.Println(err)
		return
	}
	rec, _, err := d.Flush()
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := rowjson.NewEncoder(fields, rowjson.EncodeOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(e.AppendLines(nil, rec)))
	// Output:
	// row 0: column at: expected TIMESTAMP(3) (without time zone), found "2024-02-29T10:00:00Z"
	// {"id":2,"price":"2.50","at":"2024-02-29 10:00:00.000"}
}
