package catalog_test

import (
	"context"
	"fmt"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/schema"
)

func ExampleOpen() {
	ctx := context.Background()
	c, err := catalog.Open(ctx, objstore.NewMem(), catalog.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.CreateTable(ctx, catalog.Identifier{Database: "default", Table: "people"}, schema.Definition{
		Fields:      []schema.Field{{Name: "id", Type: schema.TBigInt}, {Name: "name", Type: schema.TString}},
		PrimaryKeys: []string{"id"},
		Options:     map[string]string{"bucket": "2"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Tables(ctx, "default"))
	fmt.Println(c.CreateTable(ctx, catalog.Identifier{Database: "sales", Table: "t"}, schema.Definition{}))
	// Output:
	// [people] <nil>
	// <nil> database "sales": catalog: there is no such database: there are default
}
