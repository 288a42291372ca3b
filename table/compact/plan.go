package compact

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
)

// smallPercent of the target size is the size below which a file is small, as in Paimon.
const smallPercent = 70

// Mode of a plan.
type Mode uint8

// The modes.
const (
	Auto Mode = iota // what universal compaction asks for, joins of enough small files
	Full             // everything to the top level, all small files joined
)

// Task is one compaction of one bucket. Tasks of one plan touch different files
// and may run in any order or at once.
type Task struct {
	Partition    []byte // stored form
	Bucket       int
	TotalBuckets int
	Files        []manifest.Entry // read and replaced
	Output       int              // level; 0 for append tables
	DropDeletes  bool             // nothing below the output can hold an older row
	Reason       lsm.Reason
}

// Bytes is the size of the task's files.
func (t *Task) Bytes() int64 {
	n := int64(0)
	for i := range t.Files {
		n += t.Files[i].File.Size
	}
	return n
}

// ReasonSmallFiles is the reason of joins in append tables.
const ReasonSmallFiles lsm.Reason = "small-files"

// Plan decides what to compact among the live files of a table of schema s. It is
// pure; most urgent first: tasks are ordered by falling number of files.
func Plan(s *schema.Schema, live []manifest.Entry, mode Mode) ([]Task, error) {
	opts, err := s.TableOptions()
	if err != nil {
		return nil, err
	}
	var out []Task
	for _, files := range byBucket(live) {
		if !s.HasPrimaryKey() {
			out = append(out, joins(files, opts, mode)...)
			continue
		}
		if t, ok := merge(s, files, opts, mode); ok {
			out = append(out, t)
		}
	}
	slices.SortStableFunc(out, func(a, b Task) int { return cmp.Compare(len(b.Files), len(a.Files)) })
	return out, nil
}

// byBucket groups entries, in the order of partition and bucket.
func byBucket(live []manifest.Entry) [][]manifest.Entry {
	at := map[manifest.BucketID]int{}
	var out [][]manifest.Entry
	for _, e := range live {
		if e.Bucket < 0 {
			continue // postponed files are not in the tree
		}
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

func task(files []manifest.Entry) Task {
	return Task{Partition: files[0].Partition, Bucket: files[0].Bucket, TotalBuckets: files[0].TotalBuckets, Files: files}
}

func merge(s *schema.Schema, files []manifest.Entry, opts schema.Options, mode Mode) (Task, bool) {
	runs := scan.Runs(s, files)
	choice, ok := choose(runs, opts, mode)
	if !ok {
		return Task{}, false
	}
	if choice.Runs < len(runs) && removesRows(s, opts) && anyDeletes(runs[:choice.Runs]) {
		// A removal folded with a later row gives a row that no longer removes: values
		// of the levels below would show through it.
		choice, _ = lsm.PickFull([]lsm.RunSize{{}, {Level: runs[len(runs)-1].Level}}, pickOptions(opts))
		choice.Runs = len(runs)
	}
	var in []manifest.Entry
	for _, r := range runs[:choice.Runs] {
		in = append(in, r.Files...)
	}
	t := task(in)
	t.Output, t.Reason = choice.Output, choice.Reason
	t.DropDeletes = choice.Output >= runs[len(runs)-1].Level
	return t, true
}

// removesRows reports tables whose deletions remove values that later rows do not bring.
func removesRows(s *schema.Schema, opts schema.Options) bool {
	return opts.MergeEngine == "partial-update" && s.Options["partial-update.remove-record-on-delete"] == "true"
}

func anyDeletes(runs []scan.Run) bool {
	for _, r := range runs {
		for i := range r.Files {
			if n := r.Files[i].File.DeleteRowCount; n == nil || *n > 0 {
				return true
			}
		}
	}
	return false
}

func choose(runs []scan.Run, opts schema.Options, mode Mode) (lsm.Choice, bool) {
	sizes := make([]lsm.RunSize, len(runs))
	for i, r := range runs {
		sizes[i].Level = r.Level
		for _, f := range r.Files {
			sizes[i].Bytes += f.File.Size
		}
	}
	pick := lsm.Pick
	if mode == Full {
		pick = lsm.PickFull
	}
	return pick(sizes, pickOptions(opts))
}

func pickOptions(opts schema.Options) lsm.PickOptions {
	return lsm.PickOptions{RunTrigger: opts.SortedRunTrigger, NumLevels: opts.NumLevels,
		SizeAmpPercent: opts.SizeAmplification, SizeRatioPercent: opts.SizeRatio}
}

// joins packs small files of a bucket of an append table, neighbours only, so
// that rows keep their order.
func joins(files []manifest.Entry, opts schema.Options, mode Mode) []Task {
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b manifest.Entry) int {
		return cmp.Or(cmp.Compare(a.File.MinSequence, b.File.MinSequence), a.File.CreationTime.Compare(b.File.CreationTime))
	})
	least := max(opts.MinFileNum, 2)
	if mode == Full {
		least = 2
	}
	var out []Task
	var pack []manifest.Entry
	size := int64(0)
	end := func(full bool) {
		if len(pack) >= least || (full && len(pack) >= 2) {
			t := task(slices.Clone(pack))
			t.Reason = ReasonSmallFiles
			out = append(out, t)
		}
		pack, size = pack[:0], 0
	}
	for _, f := range files {
		if f.File.Size >= opts.TargetFileSize*smallPercent/100 {
			continue
		}
		pack = append(pack, f)
		if size += f.File.Size; size >= opts.TargetFileSize {
			end(true)
		}
	}
	end(false)
	return out
}

// Pressure is the largest number of sorted runs in a bucket of a primary-key
// table: above num-sorted-run.stop-trigger writers must wait for compaction.
func Pressure(s *schema.Schema, live []manifest.Entry) int {
	if !s.HasPrimaryKey() {
		return 0
	}
	most := 0
	for _, files := range byBucket(live) {
		most = max(most, len(scan.Runs(s, files)))
	}
	return most
}

// section is files whose key ranges overlap, directly or by others of them.
type section struct {
	files []manifest.Entry
	hi    []any
}

// sections splits files into groups without common keys, in key order.
func sections(s *schema.Schema, files []manifest.Entry) ([]section, error) {
	types := schema.TypesOf(s.KeyFields())
	type keyed struct {
		lo, hi []any
		e      manifest.Entry
	}
	all := make([]keyed, len(files))
	for i, e := range files {
		lo, err := schema.DecodeRow(types, e.File.MinKey)
		if err != nil {
			return nil, fmt.Errorf("file %s: smallest key: %w", e.File.Name, err)
		}
		hi, err := schema.DecodeRow(types, e.File.MaxKey)
		if err != nil {
			return nil, fmt.Errorf("file %s: greatest key: %w", e.File.Name, err)
		}
		all[i] = keyed{lo, hi, e}
	}
	slices.SortStableFunc(all, func(a, b keyed) int { return schema.CompareRows(a.lo, b.lo) })
	var out []section
	for _, k := range all {
		n := len(out)
		if n == 0 || schema.CompareRows(out[n-1].hi, k.lo) < 0 {
			out = append(out, section{[]manifest.Entry{k.e}, k.hi})
			continue
		}
		out[n-1].files = append(out[n-1].files, k.e)
		if schema.CompareRows(k.hi, out[n-1].hi) > 0 {
			out[n-1].hi = k.hi
		}
	}
	return out, nil
}
