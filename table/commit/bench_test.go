package commit_test

import (
	"fmt"
	"testing"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// One commit of one file, on a table that keeps all its snapshots.
func BenchmarkCommit(b *testing.B) {
	store := objstore.NewMem()
	s, err := schema.New(schema.Definition{Fields: []schema.Field{{Name: "k", Type: schema.TBigInt}}, PrimaryKeys: []string{"k"}}, 0)
	if err != nil {
		b.Fatal(err)
	}
	if err := schema.NewFiles(store, "").Create(b.Context(), s); err != nil {
		b.Fatal(err)
	}
	c := commit.New(store, options())
	var prev *snapshot.Identity
	for i := 0; b.Loop(); i++ {
		name := fmt.Sprint("f", i)
		res, err := c.Commit(b.Context(), commit.Request{User: "u", Identifier: int64(i + 1), Kind: snapshot.Append, Prev: prev,
			Messages: []commit.Message{{Partition: schema.EmptyRow(), TotalBuckets: 1, Added: []manifest.DataFile{file(b, name, 0, 1, 1, int64(i))}}}})
		if err != nil {
			b.Fatal(err)
		}
		id := c.Identity(res.Snapshot)
		prev = &id
	}
}
