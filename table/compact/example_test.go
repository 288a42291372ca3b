package compact_test

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/compact"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/write"
)

// Two commits of one key make two files; a full compaction leaves one.
func Example() {
	ctx, store := context.Background(), objstore.NewMem()
	s, err := schema.New(schema.Definition{PrimaryKeys: []string{"id"}, Options: map[string]string{"bucket": "1"},
		Fields: []schema.Field{{Name: "id", Type: schema.TBigInt}, {Name: "v", Type: schema.TString}}}, 0)
	if err == nil {
		err = schema.NewFiles(store, "").Create(ctx, s)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := write.New(store, s, write.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	committer := commit.New(store, commit.Options{})
	var newest *snapshot.Snapshot
	for epoch, text := range []string{"old", "new"} {
		sc, _ := schema.ArrowSchema(s.Fields)
		b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
		b.Field(0).(*array.Int64Builder).Append(1)
		b.Field(1).(*array.StringBuilder).Append(text)
		if err := w.Write(ctx, b.NewRecordBatch(), nil); err != nil {
			fmt.Println(err)
			return
		}
		messages, err := w.Prepare(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		res, err := committer.Commit(ctx, commit.Request{User: "writer", Identifier: int64(epoch + 1), Kind: snapshot.Append, Messages: messages})
		if err != nil {
			fmt.Println(err)
			return
		}
		newest = res.Snapshot
	}
	c, err := compact.New(store, s, compact.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	tasks, err := c.Plan(ctx, newest, compact.Full)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range tasks {
		m, err := c.Run(ctx, t)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(len(m.Removed), "files become", len(m.Added), "with", m.Added[0].RowCount, "row on level", m.Added[0].Level)
	}
	// Output: 2 files become 1 with 1 row on level 5
}
