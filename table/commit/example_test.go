package commit_test

import (
	"context"
	"fmt"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// A job commits epoch 7 and says what it was made from. The same commit again,
// as after a crash, finds the first.
func ExampleCommitter_Commit() {
	ctx := context.Background()
	store := objstore.NewMem()
	s, err := schema.New(schema.Definition{Fields: []schema.Field{{Name: "id", Type: schema.TBigInt}}}, 0)
	if err == nil {
		err = schema.NewFiles(store, "").Create(ctx, s)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	properties, err := commit.Provenance{Job: "j-1", Term: 2, EpochFrom: 5, Epoch: 7}.Properties()
	if err != nil {
		fmt.Println(err)
		return
	}
	request := commit.Request{User: "6f0f3c1e", Identifier: 7, Kind: snapshot.Append, Properties: properties, Force: true}
	for range 2 {
		result, err := commit.New(store, commit.Options{}).Commit(ctx, request)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(result.Snapshot.ID, result.Already, result.Snapshot.Properties["weir.epoch"])
	}
	// Output:
	// 1 false 7
	// 1 true 7
}
