package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/schema"
)

// OverwriteOptions say what an Overwrite replaces and how it is recorded.
type OverwriteOptions struct {
	InsertOptions
	// Replaces reports whether the partition with these values, as text in the order of the partition columns, is
	// replaced; rows for others are refused. Nil: what INSERT OVERWRITE replaces.
	Replaces func(values []string) bool
	// Properties are put on the snapshot.
	Properties map[string]string
}

// Overwritten is what an Overwrite did. Snapshot is 0 when every partition was equal already.
type Overwritten struct {
	Rows      int64 // that the query gave
	Changed   int   // partitions replaced
	Unchanged int   // partitions with equal rows, which were left alone
	Written   int64 // rows of the partitions replaced
	Epoch     int64
	Snapshot  int64
}

// Overwrite replaces partitions by the rows of a batch query as one commit in the next epoch. Partitions whose merged
// rows are equal before and after are left alone; if all are, nothing is committed. Partitions that are replaced and
// get no row become empty.
func (m *Manager) Overwrite(ctx context.Context, s *plan.Sink, rows RowSource, o OverwriteOptions) (Overwritten, error) {
	w, err := m.oneShot(ctx, s.Table.Path)
	if err != nil {
		return Overwritten{}, err
	}
	defer w.abort(ctx)
	var done Overwritten
	if done.Rows, err = w.drain(ctx, s, rows); err != nil {
		return Overwritten{}, err
	}
	messages, err := w.writer.Prepare(ctx)
	if err != nil {
		return Overwritten{}, err
	}
	at, err := w.replaceChanged(ctx, s, messages, o, &done)
	if err != nil && !errors.Is(err, commit.ErrUnknown) {
		w.discard(ctx, messages)
		return Overwritten{}, err
	}
	done.Epoch, done.Snapshot = at.Epoch, at.Snapshot
	return done, err
}

// drain writes all rows and counts them.
func (w *oneShotWriter) drain(ctx context.Context, s *plan.Sink, rows RowSource) (int64, error) {
	merge, err := materializer(s, nil)
	if err != nil {
		return 0, err
	}
	n := int64(0)
	for {
		rec, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		n += rec.NumRows()
		err = w.add(ctx, merge, rec)
		rec.Release()
		if err != nil {
			return 0, err
		}
	}
}

func (w *oneShotWriter) discard(ctx context.Context, messages []commit.Message) {
	if err := w.writer.Discard(context.WithoutCancel(ctx), messages); err != nil {
		w.m.opts.Logger.Warn("abort_write", "table", w.path, "error", err)
	}
}

// replaceChanged commits the partitions that differ; the files of the others are deleted.
func (w *oneShotWriter) replaceChanged(ctx context.Context, s *plan.Sink, messages []commit.Message, o OverwriteOptions, done *Overwritten) (Pushed, error) {
	match, err := w.matcher(s, messages, o.Replaces)
	if err != nil {
		return Pushed{}, err
	}
	for _, msg := range messages {
		if !match(msg.Partition) {
			return Pushed{}, errkind.Errorf(errkind.Invalid, "the query gives rows of partition %s of %s.%s, which is not among those that are replaced: let it give rows of the range alone",
				w.partitionName(msg.Partition), s.Table.Database, s.Table.Name)
		}
	}
	changed, same, err := w.changedPartitions(ctx, match, messages)
	if err != nil {
		return Pushed{}, err
	}
	done.Changed, done.Unchanged = len(changed), same
	var keep, drop []commit.Message
	for _, msg := range messages {
		if changed[string(msg.Partition)] {
			keep = append(keep, msg)
			for _, f := range msg.Added {
				done.Written += f.RowCount
			}
		} else {
			drop = append(drop, msg)
		}
	}
	if len(changed) > 0 {
		over := &commit.Overwrite{Match: func(p []byte) bool { return changed[string(p)] }}
		at, err := w.m.publishNext(ctx, w, keep, over, o)
		if err != nil {
			return Pushed{}, err
		}
		w.discard(ctx, drop)
		return at, nil
	}
	w.discard(ctx, drop)
	return Pushed{}, nil
}

// publishNext publishes in the next epoch, decided for this writer alone.
func (m *Manager) publishNext(ctx context.Context, w *oneShotWriter, messages []commit.Message, over *commit.Overwrite, o OverwriteOptions) (Pushed, error) {
	writer := epoch.Writer("insert:" + w.user)
	e, err := m.openEpoch(ctx, writer, w.path)
	if err != nil {
		return Pushed{}, err
	}
	var at Pushed
	if err = m.frontier.Gate(ctx, writer, e); err == nil {
		at, err = w.publish(ctx, e, messages, over, o.InsertOptions, o.Properties)
	}
	m.frontier.Done(writer, epoch.Interval{From: e, To: e}, at.Snapshot != 0)
	m.frontier.Remove(writer)
	return at, err
}

// replaced says what an INSERT OVERWRITE replaces.
func (w *oneShotWriter) replaced(s *plan.Sink, messages []commit.Message) (*commit.Overwrite, error) {
	match, err := w.matcher(s, messages, nil)
	if err != nil {
		return nil, err
	}
	return &commit.Overwrite{Match: match}, nil
}

// matcher says which partitions an INSERT OVERWRITE replaces: those that replaces names; else the static partition, or
// with dynamic partitions those that the new rows are in; a table without partitions as a whole.
func (w *oneShotWriter) matcher(s *plan.Sink, messages []commit.Message, replaces func([]string) bool) (func([]byte) bool, error) {
	if len(w.schema.PartitionKeys) == 0 {
		return func([]byte) bool { return true }, nil
	}
	opts, err := w.schema.TableOptions()
	if err != nil {
		return nil, err
	}
	if replaces == nil && len(s.Partition) == 0 && opts.DynamicPartitionOverwrite {
		return func(p []byte) bool {
			return slices.ContainsFunc(messages, func(m commit.Message) bool { return bytes.Equal(m.Partition, p) })
		}, nil
	}
	fields := w.schema.PartitionFields()
	return func(p []byte) bool {
		values, err := w.partitionValues(p)
		if err != nil {
			return false
		}
		for i, f := range fields {
			want, set := s.Partition[f.Name]
			if strings.TrimSpace(want) == "" {
				want = opts.PartitionDefaultName // as NULL and blanks are stored
			}
			if set && values[i] != want {
				return false
			}
		}
		return replaces == nil || replaces(values)
	}, nil
}

// partitionValues are a partition's values as a cast to STRING gives them, as PARTITION (column = value) has them: not
// as the folder's name, in which a DATE may be a number.
func (w *oneShotWriter) partitionValues(p []byte) ([]string, error) {
	opts, err := w.schema.TableOptions()
	if err != nil {
		return nil, err
	}
	opts.PartitionLegacyName = false
	fields := w.schema.PartitionFields()
	row, err := schema.DecodeRow(schema.TypesOf(fields), p)
	if err != nil {
		return nil, fmt.Errorf("partition of %s: %w", w.path, err)
	}
	out := make([]string, len(fields))
	for i, f := range fields {
		if out[i], err = schema.PartitionText(f.Type, row[i], opts); err != nil {
			return nil, fmt.Errorf("partition of %s: column %s: %w", w.path, f.Name, err)
		}
	}
	return out, nil
}

// partitionName is a partition for people.
func (w *oneShotWriter) partitionName(p []byte) string {
	values, err := w.partitionValues(p)
	if err != nil {
		return "?"
	}
	parts := make([]string, len(values))
	for i, f := range w.schema.PartitionFields() {
		parts[i] = f.Name + "=" + values[i]
	}
	return strings.Join(parts, "/")
}
