package job

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/predicate"
)

// lettersMax bounds the dead letters that a recovery compares with what its sources give now: more of them mean that
// the whole source is unreadable, and hold memory.
const lettersMax = 100_000

// What was a dead letter in its epoch stays one when the epoch is read again, though the source may be defined
// otherwise by now and give it as a row: it came to the job with its replay, or not at all.

// lettersFrom are the dead letters that the job met in epochs from the given one on, replayed or not, by epoch.
func (m *Manager) lettersFrom(ctx context.Context, rec epoch.JobRecord, from int64) (map[int64][]connector.DeadLetter, error) {
	out, n := map[int64][]connector.DeadLetter{}, 0
	seen := map[string]bool{}
	add := func(d DeadLetter) error {
		if d.Job != rec.Name || d.Epoch < max(from, rec.FromEpoch) || seen[d.ID] {
			return nil
		}
		if n++; n > lettersMax {
			return errEnough
		}
		seen[d.ID] = true
		out[d.Epoch] = append(out[d.Epoch], d.message())
		return nil
	}
	err := m.replayedLetters(ctx, rec.ID, add)
	if err == nil && rec.Sink != "" {
		var t *deadTable
		if t, err = m.openDead(ctx, rec.Sink); err == nil && t != nil {
			t.filter = predicate.And{{Column: deadFields[1].Name, Op: predicate.Ge, Values: []any{from}}}
			err = t.each(ctx, rec.Sink, func(d DeadLetter, _ arrow.RecordBatch, _ int) error { return add(d) })
		}
	}
	if errors.Is(err, errEnough) {
		m.opts.Logger.Warn("dead_letters_not_compared", "job", rec.Name, "more_than", lettersMax)
		err = nil
	}
	return out, err
}

// knowLetters finds the letters of the epochs that a recovery may read again.
func (r *runner) knowLetters(ctx context.Context, from int64) (err error) {
	r.letters = nil
	if slices.ContainsFunc(r.inputs, func(in *input) bool { return in.conn != nil }) {
		r.letters, err = r.m.lettersFrom(ctx, r.rec, from)
	}
	return err
}

// lettersUpTo are the letters of epochs that were not read yet, up to the given one.
func (r *runner) lettersUpTo(e int64) (out []connector.DeadLetter) {
	for at, list := range r.letters {
		if at <= e {
			out = append(out, list...)
		}
	}
	return out
}

// passLetters forgets those of epochs that have been read.
func (r *runner) passLetters(e int64) {
	maps.DeleteFunc(r.letters, func(at int64, _ []connector.DeadLetter) bool { return at <= e })
}

// replayedLetters calls fn with the letters of the job's decided replays.
func (m *Manager) replayedLetters(ctx context.Context, job string, fn func(DeadLetter) error) error {
	var keys []string
	err := m.opts.Store.List(ctx, replayRoot+"/"+job+"/", func(i objstore.Info) error {
		if isReplay(i.Key) {
			keys = append(keys, i.Key)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list replays: %w", err)
	}
	for _, k := range keys {
		rec, err := m.readReplayRecord(ctx, k)
		if err != nil {
			return err
		}
		if !m.decided(rec) {
			continue
		}
		for _, d := range rec.Letters {
			if err := fn(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// decided reports whether the epoch log names the replay.
func (m *Manager) decided(rec *replayRecord) bool {
	return slices.ContainsFunc(rec.Sources, func(i int) bool {
		return slices.Contains(m.log.Replays(rec.Job, i, m.frontier.Clock()), rec.ID)
	})
}

// forgotten takes rows out of what a source gives: those of messages that were dead letters.
type forgotten struct {
	left map[string]int // rows to take out, encoded with their weight
}

// forget finds what the input gives now for the letters; nil for nothing.
func (in *input) forget(ctx context.Context, letters []connector.DeadLetter, env *expr.Env) (*forgotten, error) {
	if in.conn == nil || len(letters) == 0 {
		return nil, nil
	}
	src, ok := in.conn.src.(connector.Redecoder)
	if !ok {
		return nil, nil
	}
	mark := in.now // they say nothing of the time
	defer func() { in.now = mark }()
	f := &forgotten{left: map[string]int{}}
	for _, l := range letters {
		c, err := src.Redecode(ctx, l)
		if errors.Is(err, connector.ErrOtherTable) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("dead letter at %s %s: %w", l.Split, l.Position, err)
		}
		if c.Rows == nil {
			continue
		}
		err = f.add(in, c, env)
		c.Rows.Release()
		if err != nil {
			return nil, err
		}
	}
	if len(f.left) == 0 {
		return nil, nil
	}
	return f, nil
}

func (f *forgotten) add(in *input, c connector.Chunk, env *expr.Env) error {
	picked, err := in.pick(c.Rows)
	if err != nil {
		return err
	}
	defer picked.Release()
	d, err := in.delta(picked, c.Kinds, env)
	if err != nil {
		return err
	}
	defer d.Rows.Release()
	return eachWeighted(d, func(_ int, row []byte) { f.left[string(row)]++ })
}

// eachWeighted calls fn with every row of the delta, encoded with its weight. It is valid during the call.
func eachWeighted(d stream.Delta, fn func(i int, row []byte)) error {
	enc, err := rowkey.NewEncoder(d.Rows.Columns())
	if err != nil {
		return err
	}
	var row []byte
	for i := range int(d.Rows.NumRows()) {
		weight := byte('+')
		if d.Weights != nil && d.Weights[i] < 0 {
			weight = '-'
		}
		fn(i, enc.Append(append(row[:0], weight), i))
	}
	return nil
}

// without gives the delta but for the rows to take out, each once. It takes the delta over.
func (f *forgotten) without(d stream.Delta) (stream.Delta, error) {
	if f == nil || len(f.left) == 0 || d.Rows == nil {
		return d, nil
	}
	var keep []lsm.Ref
	var weights []int32
	err := eachWeighted(d, func(i int, row []byte) {
		if n := f.left[string(row)]; n > 0 {
			if f.left[string(row)] = n - 1; n == 1 {
				delete(f.left, string(row))
			}
			return
		}
		keep = append(keep, lsm.Ref{Row: int32(i)})
		if d.Weights != nil {
			weights = append(weights, d.Weights[i])
		}
	})
	if err != nil || len(keep) == int(d.Rows.NumRows()) {
		return d, err
	}
	defer d.Rows.Release()
	rows, err := lsm.GatherBatch(d.Rows.Schema(), []arrow.RecordBatch{d.Rows}, keep)
	return stream.Delta{Rows: rows, Weights: weights}, err
}
