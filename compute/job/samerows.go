package job

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/rowkey"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/snapshot"
)

// rowSum stands for a multiset of rows: how many, and the sum of their SHA-256. Two different multisets have equal sums
// only by a collision that nobody has ever seen, so partitions are compared without holding their rows.
type rowSum struct {
	rows int64
	sum  [4]uint64 // little end first
}

func (s *rowSum) add(row []byte) {
	h := sha256.Sum256(row)
	carry := uint64(0)
	for i := range s.sum {
		s.sum[i], carry = bits.Add64(s.sum[i], binary.LittleEndian.Uint64(h[8*i:]), carry)
	}
	s.rows++
}

// addBatch adds the rows of a batch, whose -0.0 and 0.0 are two values.
func (s *rowSum) addBatch(rec arrow.RecordBatch) error {
	enc, err := rowkey.NewEncoder(rec.Columns())
	if err != nil {
		return err
	}
	var buf []byte
	for i := range int(rec.NumRows()) {
		buf = enc.Append(buf[:0], i)
		s.add(buf)
	}
	return nil
}

// changedPartitions compares the merged rows of what was written with those of the partitions that match, as they are
// now. It gives the partitions that differ, and the number of those that are equal and not empty.
func (w *oneShotWriter) changedPartitions(ctx context.Context, match func([]byte) bool, messages []commit.Message) (changed map[string]bool, same int, err error) {
	scanner, err := scan.New(w.store, w.schema, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("read table %s: %w", w.path, err)
	}
	latest, err := snapshot.NewManager(w.store, "").Latest(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		latest, err = nil, nil
	}
	if err != nil {
		return nil, 0, err
	}
	p, err := scanner.Plan(ctx, latest, scan.Request{})
	if err != nil {
		return nil, 0, err
	}
	p.Splits = slices.DeleteFunc(p.Splits, func(s scan.Split) bool { return !match(s.Partition) })
	before, err := sumPartitions(ctx, p)
	if err != nil {
		return nil, 0, err
	}
	if p.Snapshot == nil {
		p.Snapshot = &snapshot.Snapshot{} // named in errors of reading
	}
	p.Splits = splitsOf(messages)
	after, err := sumPartitions(ctx, p)
	if err != nil {
		return nil, 0, fmt.Errorf("read what was written: %w", err)
	}
	changed = map[string]bool{}
	for part, sum := range after {
		if before[part] == sum {
			same++
		} else {
			changed[part] = true
		}
	}
	for part := range before {
		if _, ok := after[part]; !ok {
			changed[part] = true // it becomes empty
		}
	}
	return changed, same, nil
}

// splitsOf are the files that messages add, to be read as a version of the table would.
func splitsOf(messages []commit.Message) []scan.Split {
	var out []scan.Split
	for _, m := range messages {
		s := scan.Split{Partition: m.Partition, Bucket: m.Bucket}
		for _, f := range m.Added {
			s.Files = append(s.Files, manifest.Entry{Kind: manifest.Add, Partition: m.Partition, Bucket: m.Bucket, TotalBuckets: m.TotalBuckets, File: f})
			s.Rows += f.RowCount
		}
		out = append(out, s)
	}
	return out
}

// sumPartitions reads the merged rows of a plan, partition by partition; empty ones are left out.
func sumPartitions(ctx context.Context, p *scan.Plan) (map[string]rowSum, error) {
	out := map[string]rowSum{}
	for _, split := range p.Splits {
		one := *p
		one.Splits = []scan.Split{split}
		sum := out[string(split.Partition)]
		if err := one.Each(ctx, sum.addBatch); err != nil {
			return nil, err
		}
		if sum.rows > 0 {
			out[string(split.Partition)] = sum
		}
	}
	return out, nil
}
