package manifest

import (
	"fmt"

	"github.com/weir-lake/weir/table/schema"
)

// Summarize describes entries as a manifest list does: counts, partition
// statistics and the ranges of buckets, levels and row ids.
func Summarize(entries []Entry, partitionTypes []schema.Type, schemaID int64) (Meta, error) {
	m := Meta{SchemaID: schemaID}
	stats := newPartitionStats(partitionTypes)
	rowIDs := len(entries) > 0
	for i := range entries {
		e := &entries[i]
		if e.Kind == Add {
			m.NumAdded++
		} else {
			m.NumDeleted++
		}
		if err := stats.add(e.Partition); err != nil {
			return Meta{}, fmt.Errorf("manifest entry of %s: %w", e.File.Name, err)
		}
		m.MinBucket, m.MaxBucket = extend(m.MinBucket, m.MaxBucket, e.Bucket)
		m.MinLevel, m.MaxLevel = extend(m.MinLevel, m.MaxLevel, e.File.Level)
		if e.File.FirstRowID == nil {
			rowIDs = false
			continue
		}
		first := *e.File.FirstRowID
		m.MinRowID, m.MaxRowID = extend(m.MinRowID, m.MaxRowID, first)
		m.MinRowID, m.MaxRowID = extend(m.MinRowID, m.MaxRowID, first+max(e.File.RowCount-1, 0))
	}
	if !rowIDs {
		m.MinRowID, m.MaxRowID = nil, nil // a range that leaves files out would prune them
	}
	var err error
	m.PartitionStats, err = stats.stats()
	return m, err
}

func extend[T int | int64](lo, hi *T, v T) (*T, *T) {
	if lo == nil {
		a, b := v, v
		return &a, &b
	}
	*lo, *hi = min(*lo, v), max(*hi, v)
	return lo, hi
}

// partitionStats gathers minima, maxima and null counts of partition values.
type partitionStats struct {
	types    []schema.Type
	min, max []any
	nulls    []int64
	last     []byte // the partition decoded last, and its values
	values   []any
}

func newPartitionStats(types []schema.Type) *partitionStats {
	return &partitionStats{types: types, min: make([]any, len(types)), max: make([]any, len(types)), nulls: make([]int64, len(types))}
}

func (s *partitionStats) add(partition []byte) error {
	if len(s.types) == 0 {
		return nil
	}
	if s.last == nil || string(s.last) != string(partition) {
		values, err := schema.DecodeRow(s.types, partition)
		if err != nil {
			return fmt.Errorf("partition: %w", err)
		}
		s.last, s.values = partition, values
	}
	for i, v := range s.values {
		if v == nil {
			s.nulls[i]++
			continue
		}
		if s.min[i] == nil || schema.CompareValues(v, s.min[i]) < 0 {
			s.min[i] = v
		}
		if s.max[i] == nil || schema.CompareValues(v, s.max[i]) > 0 {
			s.max[i] = v
		}
	}
	return nil
}

func (s *partitionStats) stats() (Stats, error) {
	lo, err := schema.EncodeRow(s.types, s.min)
	if err != nil {
		return Stats{}, err
	}
	hi, err := schema.EncodeRow(s.types, s.max)
	if err != nil {
		return Stats{}, err
	}
	return Stats{Min: lo, Max: hi, NullCounts: s.nulls}, nil
}
