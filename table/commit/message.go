package commit

import (
	"context"

	"github.com/weir-lake/weir/table/manifest"
)

// Message is what a writer or a compaction hands over for one partition and
// bucket: files that lie under their final names and wait to be committed.
type Message struct {
	Partition    []byte // stored form (schema.EncodeRow); schema.EmptyRow without partitions
	Bucket       int
	TotalBuckets int // as in the entries: the bucket option, -1 for unaware append tables
	// Added files: new ones of a writer (level 0) or a compaction's output.
	Added []manifest.DataFile
	// Removed files: a compaction's input, or rewritten files.
	Removed []manifest.DataFile
	// Changelog files, listed in the changelog manifest list only.
	Changelog []manifest.DataFile
	// Rebase is called before an attempt if the bucket's highest sequence number
	// in the snapshot to commit on, maxSequence, is not below the lowest of
	// Added. It writes the same rows with numbers above maxSequence and returns
	// the files that take the place of Added and Changelog; the old ones are
	// deleted by the commit. Nil for append tables and compactions: no check.
	Rebase func(ctx context.Context, maxSequence int64) (added, changelog []manifest.DataFile, err error)
}
