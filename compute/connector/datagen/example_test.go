package datagen_test

import (
	"context"
	"fmt"
	"log"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/datagen"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/table/schema"
)

// A source is polled for how far it could read, and then reads that range, as often as needed.
func ExampleFactory() {
	ctx := context.Background()
	table := &plan.Table{
		Name:    "orders",
		Columns: []plan.TableColumn{{Column: plan.Column{Name: "id", Type: schema.TBigInt}}},
		Options: map[string]string{
			"connector": "datagen", "number-of-rows": "5", "fields.id.kind": "sequence", "fields.id.start": "100", "fields.id.end": "200",
		},
	}
	source, err := datagen.Factory().OpenSource(ctx, connector.Context{Table: table, Options: table.Options, Bounded: true})
	if err != nil {
		log.Fatal(err)
	}
	defer source.Close()
	var from connector.Offsets
	for end := false; !end; {
		var to connector.Offsets
		if to, end, err = source.Poll(ctx, from, 3); err != nil {
			log.Fatal(err)
		}
		err = source.Read(ctx, from, to, func(c connector.Chunk) error {
			fmt.Println(c.Rows.Column(0))
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
		from = to
	}
	// Output:
	// [100 101 102]
	// [103 104]
}
