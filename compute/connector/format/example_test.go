package format_test

import (
	"fmt"
	"log"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/format"
	"github.com/weir-lake/weir/table/schema"
)

// Good messages become rows, bad ones dead letters with their place and the reason.
func ExampleFormat_Take() {
	fields := []connector.Field{{Name: "id", Type: schema.TInt, Required: true}, {Name: "name", Type: schema.TString}}
	f := format.Read(connector.ReadOptions(nil), "", "json")
	decoder, err := f.Decoder(fields, []int{0, 1})
	if err != nil {
		log.Fatal(err)
	}
	batch, err := format.NewBatch(memory.DefaultAllocator, fields)
	if err != nil {
		log.Fatal(err)
	}
	defer batch.Release()
	for i, msg := range []string{`{"id": 1, "name": "one"}`, `{"id": "two"}`, `{"name": "three"}`, `{"id": 4}`} {
		at := format.Place{Split: "file:in.json", Position: fmt.Sprint("line ", i+1)}
		if err := f.Take(decoder, []byte(msg), at, batch); err != nil {
			log.Fatal(err)
		}
	}
	chunk, err := batch.Flush()
	if err != nil {
		log.Fatal(err)
	}
	defer chunk.Rows.Release()
	fmt.Println(chunk.Rows.Column(0), chunk.Rows.Column(1))
	for _, d := range chunk.Dead {
		fmt.Println(d.Split, d.Position, d.Reason)
	}
	// Output:
	// [1 4] ["one" (null)]
	// file:in.json line 2 column id: expected INT, found text "two"
	// file:in.json line 3 column id: is missing, but it is a key or NOT NULL column of type INT
}
