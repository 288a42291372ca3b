package inspect

import (
	"fmt"

	"github.com/weir-lake/weir/table/compact"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
)

// smallPercent of the target size is the size below which a file is small, as compaction has it.
const smallPercent = 70

// Score says how far a table's files are from what compaction would make of them. 100 is as good as it gets;
// below 50 reads or writes suffer.
type Score struct {
	Score    int    `json:"score"`
	Sentence string `json:"sentence"` // what is the matter, and what is done about it
	Sizes
	SmallFiles int   `json:"small_files"`
	SmallBytes int64 `json:"small_bytes"`
	// Runs is the largest number of sorted runs of a bucket; compaction begins at RunTrigger, writers wait
	// above RunStop. All 0 for append tables.
	Runs       int   `json:"sorted_runs"`
	RunTrigger int   `json:"run_trigger"`
	RunStop    int   `json:"run_stop"`
	DeleteRows int64 `json:"delete_rows"` // rows kept only to remove others
	// Due is how many compactions would run now, and how many bytes they would read.
	Due      int   `json:"compactions_due"`
	DueBytes int64 `json:"compaction_bytes"`
}

// ScoreOf scores the live files of a table.
func ScoreOf(s *schema.Schema, live []manifest.Entry) (Score, error) {
	opts, err := s.TableOptions()
	if err != nil {
		return Score{}, err
	}
	out := Score{Sizes: Sum(live)}
	buckets := len(byBucket(live))
	for i := range live {
		f := &live[i].File
		if f.Size < opts.TargetFileSize*smallPercent/100 {
			out.SmallFiles++
			out.SmallBytes += f.Size
		}
		if f.DeleteRowCount != nil {
			out.DeleteRows += *f.DeleteRowCount
		}
	}
	tasks, err := compact.Plan(s, live, compact.Auto)
	if err != nil {
		return Score{}, err
	}
	out.Due = len(tasks)
	for i := range tasks {
		out.DueBytes += tasks[i].Bytes()
	}
	if s.HasPrimaryKey() {
		out.Runs, out.RunTrigger, out.RunStop = compact.Pressure(s, live), opts.SortedRunTrigger, opts.SortedRunStop
	}
	out.Score, out.Sentence = judge(out, buckets, opts.WriteOnly)
	return out, nil
}

// judge turns the figures into points and a sentence. Of the small files one a bucket is no fault: a bucket
// with few rows cannot have larger ones.
func judge(s Score, buckets int, writeOnly bool) (int, string) {
	if s.Files == 0 {
		return 100, "The table has no files."
	}
	who := "the service compacts it beside the writers"
	if writeOnly {
		who = "its option write-only leaves that to a compaction started by hand"
	}
	spare := max(0, s.SmallFiles-buckets)
	points := 100 - 60*spare/s.Files
	if s.RunStop > 0 && s.Runs > 1 {
		points = min(points, 100-60*(s.Runs-1)/s.RunStop)
	}
	deletes := int64(0)
	if s.Rows > 0 {
		deletes = 100 * s.DeleteRows / s.Rows
		points -= int(deletes / 4)
	}
	points = max(0, min(100, points))
	switch {
	case s.RunStop > 0 && s.Runs > s.RunStop:
		return min(points, 20), fmt.Sprintf("Writers wait: a bucket has %d sorted runs, more than %d; %s.", s.Runs, s.RunStop, who)
	case s.Due > 0:
		return points, fmt.Sprintf("%s due over %d MB; %s.", plural(s.Due, "compaction is", "compactions are"), s.DueBytes>>20, who)
	case s.Runs > 1:
		return points, fmt.Sprintf("Up to %d sorted runs a bucket, below the %d at which compaction begins.", s.Runs, s.RunTrigger)
	case spare > 0:
		return points, fmt.Sprintf("%s, fewer than compaction joins.", plural(spare, "file is small", "files are small"))
	case deletes > 0:
		return points, fmt.Sprintf("%d%% of the rows only remove others; a full compaction drops them.", deletes)
	}
	return points, "Nothing to compact."
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
