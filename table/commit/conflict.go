package commit

import (
	"slices"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// ErrConflict: the change does not fit on what others committed meanwhile.
// Nothing was written; decide again on the newest snapshot.
var ErrConflict = errkind.New(errkind.Conflict, "commit: conflict")

func conflict(format string, args ...any) error {
	return errkind.Errorf(errkind.Conflict, "%w: "+format, append([]any{ErrConflict}, args...)...)
}

// needsBase reports whether a change can only be judged beside the live files
// of its partitions. Pure appends to level 0 cannot clash with other files.
func needsBase(kind snapshot.CommitKind, delta []manifest.Entry) bool {
	return kind != snapshot.Append || slices.ContainsFunc(delta, func(e manifest.Entry) bool {
		return e.Kind == manifest.Delete || e.File.Level > 0
	})
}

// checkDelta checks a change by itself: it must not touch a file twice, nor mix
// numbers of buckets in a partition. Pure.
func checkDelta(delta []manifest.Entry) error {
	seen := map[manifest.Identity]bool{}
	totals := map[string]int{}
	for i := range delta {
		e := &delta[i]
		id := e.Identity()
		if seen[id] {
			return errkind.Errorf(errkind.Bug, "commit: file %s appears twice in one commit", e.File.Name)
		}
		seen[id] = true
		if e.Kind == manifest.Delete || e.TotalBuckets < 1 {
			continue
		}
		if old, ok := totals[string(e.Partition)]; ok && old != e.TotalBuckets {
			return errkind.Errorf(errkind.Invalid, "commit: one partition with both %d and %d buckets", old, e.TotalBuckets)
		}
		totals[string(e.Partition)] = e.TotalBuckets
	}
	return nil
}

// checkTotals refuses another number of buckets than the partition has; only an
// OVERWRITE, which rewrites it, may change it. totals holds what is there. Pure.
func checkTotals(kind snapshot.CommitKind, delta []manifest.Entry, totals map[string]int) error {
	if kind == snapshot.Overwrite {
		return nil
	}
	for i := range delta {
		e := &delta[i]
		old, ok := totals[string(e.Partition)]
		if ok && e.TotalBuckets > 0 && old != e.TotalBuckets {
			return conflict("the partition has %d buckets, the files to commit %d: rewrite the partition with INSERT OVERWRITE to change its buckets", old, e.TotalBuckets)
		}
	}
	return nil
}

// checkBase judges a change beside base, the live files of the partitions it
// touches: files to remove are there, files to add are not, and at levels above
// 0 key ranges stay disjoint. keys are the types of the trimmed primary key, nil
// for append tables. Pure.
func checkBase(base, delta []manifest.Entry, keys []schema.Type) error {
	live := make(map[manifest.Identity]*manifest.Entry, len(base))
	for i := range base {
		live[base[i].Identity()] = &base[i]
	}
	for i := range delta {
		e := &delta[i]
		_, there := live[e.Identity()]
		switch {
		case e.Kind == manifest.Delete && !there:
			return conflict("file %s, which is to be replaced, is gone: somebody compacted or overwrote it", e.File.Name)
		case e.Kind == manifest.Delete:
			delete(live, e.Identity())
		case there:
			return conflict("file %s is in the table already", e.File.Name)
		default:
			live[e.Identity()] = e
		}
	}
	if keys == nil {
		return nil
	}
	return checkLevels(live, delta, keys)
}

type levelID struct {
	bucket manifest.BucketID
	level  int
}

// checkLevels makes sure that the levels which delta adds to hold disjoint files.
func checkLevels(live map[manifest.Identity]*manifest.Entry, delta []manifest.Entry, keys []schema.Type) error {
	touched := map[levelID]bool{}
	for i := range delta {
		if delta[i].Kind == manifest.Add && delta[i].File.Level > 0 {
			touched[levelID{delta[i].BucketID(), delta[i].File.Level}] = true
		}
	}
	levels := map[levelID][]keyRange{}
	for _, e := range live {
		id := levelID{e.BucketID(), e.File.Level}
		if !touched[id] {
			continue
		}
		r, err := rangeOf(e, keys)
		if err != nil {
			return err
		}
		levels[id] = append(levels[id], r)
	}
	for id, ranges := range levels {
		slices.SortFunc(ranges, func(a, b keyRange) int { return schema.CompareRows(a.min, b.min) })
		for i := 1; i < len(ranges); i++ {
			if schema.CompareRows(ranges[i-1].max, ranges[i].min) >= 0 {
				return conflict("files %s and %s of bucket %d overlap at level %d: two compactions ran at once", ranges[i-1].name, ranges[i].name, id.bucket.Bucket, id.level)
			}
		}
	}
	return nil
}

type keyRange struct {
	name     string
	min, max []any
}

func rangeOf(e *manifest.Entry, keys []schema.Type) (keyRange, error) {
	lo, err := schema.DecodeRow(keys, e.File.MinKey)
	if err != nil {
		return keyRange{}, errkind.Errorf(errkind.Corrupt, "smallest key of file %s: %w", e.File.Name, err)
	}
	hi, err := schema.DecodeRow(keys, e.File.MaxKey)
	if err != nil {
		return keyRange{}, errkind.Errorf(errkind.Corrupt, "largest key of file %s: %w", e.File.Name, err)
	}
	return keyRange{e.File.Name, lo, hi}, nil
}
