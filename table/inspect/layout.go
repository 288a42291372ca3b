package inspect

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// Live are the live entries of a snapshot, postponed ones included; nil is the empty table. They are shared
// with other readers of files: do not change them.
func Live(ctx context.Context, files *manifest.Files, s *snapshot.Snapshot) ([]manifest.Entry, error) {
	if s == nil {
		return nil, nil
	}
	live, err := files.ReadLive(ctx, []string{s.BaseManifestList, s.DeltaManifestList}, nil)
	if err != nil {
		return nil, fmt.Errorf("files of snapshot %d: %w", s.ID, err)
	}
	return live, nil
}

// Sizes are sums over files. Rows are those of the files, before merging rows of one key.
type Sizes struct {
	Files int   `json:"files"`
	Rows  int64 `json:"rows"`
	Bytes int64 `json:"bytes"`
}

func (s *Sizes) add(f *manifest.DataFile) {
	s.Files++
	s.Rows += f.RowCount
	s.Bytes += f.Size
}

// Sum adds the files up.
func Sum(live []manifest.Entry) Sizes {
	var s Sizes
	for i := range live {
		s.add(&live[i].File)
	}
	return s
}

// Partition is one partition of a table.
type Partition struct {
	Path string `json:"partition"` // as in folders: dt=2013-01-01/h=7; empty without partition keys
	Sizes
	Buckets int `json:"buckets"`
	// UpdatedMs is when its newest file was written, by the writer's wall clock as if UTC, in Unix
	// milliseconds; 0: not stored.
	UpdatedMs int64 `json:"updated_ms,omitempty"`
}

// Partitions are the partitions with live files, in the order of their stored form.
func Partitions(s *schema.Schema, live []manifest.Entry) ([]Partition, error) {
	var out []Partition
	last := ""
	for _, group := range byBucket(live) {
		key := string(group[0].Partition)
		if len(out) == 0 || key != last {
			path, err := s.PartitionPath(group[0].Partition)
			if err != nil {
				return nil, err
			}
			out, last = append(out, Partition{Path: path}), key
		}
		p := &out[len(out)-1]
		p.Buckets++
		for i := range group {
			p.add(&group[i].File)
			if at := group[i].File.CreationTime; !at.IsZero() {
				p.UpdatedMs = max(p.UpdatedMs, at.UnixMilli())
			}
		}
	}
	return out, nil
}

// Level is the files of one level of a bucket.
type Level struct {
	Level int `json:"level"`
	Sizes
}

// Bucket is one bucket of a partition. Runs are its sorted runs: every file of level 0 and every other level
// with files is one; 0 for append tables, which are not sorted.
type Bucket struct {
	Path   string `json:"partition"`
	Bucket int    `json:"bucket"` // -2: rows that are not yet in a bucket
	Sizes
	Runs   int     `json:"sorted_runs"`
	Levels []Level `json:"levels"`
}

// Buckets are the buckets with live files, in the order of partition and number.
func Buckets(s *schema.Schema, live []manifest.Entry) ([]Bucket, error) {
	var out []Bucket
	for _, group := range byBucket(live) {
		path, err := s.PartitionPath(group[0].Partition)
		if err != nil {
			return nil, err
		}
		b := Bucket{Path: path, Bucket: group[0].Bucket}
		at := map[int]*Level{}
		for i := range group {
			f := &group[i].File
			b.add(f)
			l := at[f.Level]
			if l == nil {
				l = &Level{Level: f.Level}
				at[f.Level] = l
			}
			l.add(f)
		}
		for _, l := range at {
			b.Levels = append(b.Levels, *l)
		}
		slices.SortFunc(b.Levels, func(a, c Level) int { return a.Level - c.Level })
		if s.HasPrimaryKey() && b.Bucket >= 0 {
			b.Runs = len(scan.Runs(s, group))
		}
		out = append(out, b)
	}
	return out, nil
}

// byBucket groups entries, in the order of partition and bucket.
func byBucket(live []manifest.Entry) [][]manifest.Entry {
	at := map[manifest.BucketID]int{}
	var out [][]manifest.Entry
	for _, e := range live {
		i, ok := at[e.BucketID()]
		if !ok {
			i = len(out)
			at[e.BucketID()] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], e)
	}
	slices.SortFunc(out, func(a, b []manifest.Entry) int {
		return cmp.Or(slices.Compare(a[0].Partition, b[0].Partition), a[0].Bucket-b[0].Bucket)
	})
	return out
}
