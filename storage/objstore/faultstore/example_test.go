package faultstore_test

import (
	"context"
	"fmt"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
)

func ExampleNew() {
	ctx := context.Background()
	store, err := faultstore.New(objstore.NewMem(), faultstore.Options{Rules: "put snapshot/* 2nd: lost-reply"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for id := range 3 {
		key := fmt.Sprintf("snapshot/snapshot-%d", id+1)
		fmt.Println(store.PutIfAbsent(ctx, key, []byte("{}")))
	}
	_, err = store.Stat(ctx, "snapshot/snapshot-2")
	fmt.Println("snapshot-2 is there:", err == nil)
	// Output:
	// <nil>
	// absent mem:snapshot/snapshot-2: faultstore: injected: reply lost
	// <nil>
	// snapshot-2 is there: true
}
