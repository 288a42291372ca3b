package lsm

// RunSize is one sorted run of a bucket as Pick sees it.
type RunSize struct {
	Level int
	Bytes int64
}

// PickOptions are the options of universal compaction, under Paimon's names. The
// zero value means Paimon's defaults.
type PickOptions struct {
	RunTrigger       int // num-sorted-run.compaction-trigger; 0 means 5
	NumLevels        int // num-levels; 0 means RunTrigger + 1
	SizeAmpPercent   int // compaction.max-size-amplification-percent; 0 means 200
	SizeRatioPercent int // compaction.size-ratio; negative means 1
}

// Reason says which rule chose a compaction.
type Reason string

// The reasons.
const (
	ReasonFull     Reason = "full"
	ReasonSizeAmp  Reason = "size-amplification"
	ReasonRatio    Reason = "size-ratio"
	ReasonRunCount Reason = "run-count"
)

// Choice is a compaction to do: the first Runs runs go to Output.
type Choice struct {
	Runs   int
	Output int // level
	Reason Reason
}

func (o PickOptions) withDefaults() PickOptions {
	if o.RunTrigger <= 0 {
		o.RunTrigger = 5
	}
	if o.NumLevels <= 0 {
		o.NumLevels = o.RunTrigger + 1
	}
	if o.SizeAmpPercent <= 0 {
		o.SizeAmpPercent = 200
	}
	if o.SizeRatioPercent < 0 {
		o.SizeRatioPercent = 1
	}
	return o
}

// Pick is Paimon's universal compaction: runs are the level-0 files from newest
// to oldest, then the non-empty levels ascending. False means nothing to do.
func Pick(runs []RunSize, opts PickOptions) (Choice, bool) {
	opts = opts.withDefaults()
	top := opts.NumLevels - 1
	if len(runs) >= opts.RunTrigger {
		if upper := sum(runs[:len(runs)-1]); upper*100 > int64(opts.SizeAmpPercent)*runs[len(runs)-1].Bytes {
			return Choice{len(runs), top, ReasonSizeAmp}, true
		}
		if c, ok := pickRatio(runs, opts, 1, ReasonRatio); ok {
			return c, true
		}
	}
	if len(runs) > opts.RunTrigger {
		return pickRatio(runs, opts, len(runs)-opts.RunTrigger+1, ReasonRunCount)
	}
	return Choice{}, false
}

// PickFull compacts everything to the top level; false if it is there already.
func PickFull(runs []RunSize, opts PickOptions) (Choice, bool) {
	top := opts.withDefaults().NumLevels - 1
	if len(runs) == 0 || (len(runs) == 1 && runs[0].Level == top) {
		return Choice{}, false
	}
	return Choice{len(runs), max(top, runs[len(runs)-1].Level), ReasonFull}, true
}

func pickRatio(runs []RunSize, opts PickOptions, n int, why Reason) (Choice, bool) {
	size := sum(runs[:n])
	chosen := n > 1
	for i := n; i < len(runs); i++ {
		next := runs[i]
		if float64(size)*float64(100+opts.SizeRatioPercent)/100 < float64(next.Bytes) {
			// Level 1 is taken along: leaving it would leave no level to write to.
			if !chosen || next.Level > 1 {
				break
			}
		}
		size += next.Bytes
		n++
		chosen = true
	}
	if !chosen {
		return Choice{}, false
	}
	return unit(runs, opts.NumLevels-1, n, why), true
}

// unit finds the output level: below the next run, never 0, the top if all go.
func unit(runs []RunSize, top, n int, why Reason) Choice {
	out := top
	if n < len(runs) {
		out = max(0, runs[n].Level-1)
	}
	if out == 0 {
		for n < len(runs) {
			level := runs[n].Level
			n++
			if level != 0 {
				out = level
				break
			}
		}
	}
	if n == len(runs) {
		out = top
	}
	return Choice{n, out, why}
}

func sum(runs []RunSize) int64 {
	n := int64(0)
	for _, r := range runs {
		n += r.Bytes
	}
	return n
}
