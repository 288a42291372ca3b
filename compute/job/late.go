package job

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// lateSet are the rows that a job kept in <table>$late, by operator, window and row as JSON, with how many there are.
type lateSet struct {
	rows    map[string]int64
	windows map[int64]bool // window_end in milliseconds of any of them
}

func lateKey(operator string, until int64, row string) string {
	return operator + "\x00" + strconv.FormatInt(until, 10) + "\x00" + row
}

// lateUpTo reads what the job kept in $late up to the epoch of made; nil: nothing.
func (m *Manager) lateUpTo(ctx context.Context, s Status, made *Made) (*lateSet, error) {
	if !made.ByWatermark() {
		return nil, nil
	}
	path := sidePath(made.Sink.Table, LateSuffix)
	store := objstore.Sub(m.opts.Store, path)
	sc, err := schema.NewFiles(store, "").Latest(ctx)
	if errors.Is(err, schema.ErrNoTable) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("late rows: %w", err)
	}
	latest, err := m.snapshots(path).Latest(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("late rows: %w", err)
	}
	x, err := scan.New(store, sc, nil)
	if err != nil {
		return nil, fmt.Errorf("late rows: %w", err)
	}
	names := make([]string, len(lateFields))
	for i, f := range lateFields {
		names[i] = f.Name
	}
	p, err := x.Plan(ctx, latest, scan.Request{Columns: names})
	if err != nil {
		return nil, fmt.Errorf("late rows: %w", err)
	}
	set := &lateSet{rows: map[string]int64{}, windows: map[int64]bool{}}
	err = p.Each(ctx, func(rec arrow.RecordBatch) error {
		set.add(rec, s, made.Epoch)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("late rows: %w", err)
	}
	if len(set.rows) == 0 {
		return nil, nil
	}
	return set, nil
}

// add takes the job's rows up to the epoch.
func (l *lateSet) add(rec arrow.RecordBatch, s Status, upTo int64) {
	jobs, epochs := rec.Column(0).(*array.String), rec.Column(1).(*array.Int64)
	operators, weights := rec.Column(2).(*array.String), rec.Column(3).(*array.Int32)
	rows, untils := rec.Column(4).(*array.String), rec.Column(5).(*array.Timestamp)
	for i := range int(rec.NumRows()) {
		if jobs.Value(i) != s.Name || epochs.Value(i) > upTo || epochs.Value(i) < s.FromEpoch {
			continue
		}
		until := int64(untils.Value(i))
		l.windows[until] = true
		l.rows[lateKey(operators.Value(i), until, rows.Value(i))] += int64(weights.Value(i))
	}
}

// filter says which rows are among the late ones; each of those counts once.
func (l *lateSet) filter(failed *error) func(stream.LateRows) []bool {
	return func(in stream.LateRows) []bool {
		out := make([]bool, len(in.Until))
		var enc func(row int) string
		for i, until := range in.Until {
			if !l.windows[until] {
				continue
			}
			if enc == nil {
				var err error
				if enc, err = jsonRows(in); err != nil {
					*failed = errors.Join(*failed, err)
					return out
				}
			}
			key := lateKey(in.Operator, until, enc(i))
			if l.rows[key] > 0 {
				l.rows[key]--
				out[i] = true
			}
		}
		return out
	}
}
