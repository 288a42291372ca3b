package cache_test

import (
	"context"
	"fmt"
	"os"

	"github.com/weir-lake/weir/storage/cache"
	"github.com/weir-lake/weir/storage/objstore"
)

func ExampleOpen() {
	ctx := context.Background()
	store := objstore.NewMem() // in earnest one that is far away
	const key = "bucket-0/data-0f8fad5b-d9cb-469f-a165-70867728950e-0.parquet"
	if err := store.Put(ctx, key, []byte("PAR1...PAR1")); err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "cache")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	disk, err := cache.Open(dir, 1<<30)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer disk.Close()
	path, release, err := disk.Path(ctx, store, key, 11)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer release() // until then the file stays
	data, err := os.ReadFile(path)
	fmt.Println(string(data), err)
	// Output: PAR1...PAR1 <nil>
}

func ExampleNewBytes() {
	ctx := context.Background()
	store := objstore.NewMem()
	const key = "manifest/manifest-0f8fad5b-d9cb-469f-a165-70867728950e-0"
	if err := store.Put(ctx, key, []byte("Obj")); err != nil {
		fmt.Println(err)
		return
	}
	manifests := cache.NewBytes(64 << 20)
	for range 3 {
		if _, err := manifests.Get(ctx, store, key); err != nil {
			fmt.Println(err)
			return
		}
	}
	hits, misses, used := manifests.Stats()
	fmt.Println(hits, misses, used)
	// Output: 2 1 3
}
