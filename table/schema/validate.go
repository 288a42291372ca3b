package schema

import (
	"slices"
	"strings"

	"github.com/weir-lake/weir/internal/errkind"
)

// Validate checks that the schema is one Paimon allows.
func (s *Schema) Validate() error {
	if err := s.validate(); err != nil {
		return errkind.Errorf(errkind.Invalid, "table definition: %w", err)
	}
	return nil
}

func (s *Schema) validate() error {
	if len(s.Fields) == 0 {
		return errkind.Errorf(errkind.Invalid, "a table needs at least one column")
	}
	if err := s.checkKeys(); err != nil {
		return err
	}
	for _, f := range s.Fields {
		if err := checkColumnName(f.Name); err != nil {
			return err
		}
		if !storable(f.Type) {
			return errkind.Errorf(errkind.Invalid, "column %q: %s cannot be stored", f.Name, f.Type)
		}
	}
	if s.Connector() {
		return nil
	}
	for what, fields := range map[string][]Field{"partition": s.PartitionFields(), "primary": s.mustSelect(s.PrimaryKeys)} {
		for _, f := range fields {
			if !Rowable(f.Type) {
				return errkind.Errorf(errkind.Invalid, "%s key column %q: %s cannot be part of a key", what, f.Name, f.Type)
			}
		}
	}
	if s.HasPrimaryKey() && len(s.PartitionKeys) > 0 {
		outside := slices.DeleteFunc(slices.Clone(s.PrimaryKeys), func(k string) bool { return slices.Contains(s.PartitionKeys, k) })
		if len(outside) == 0 {
			return errkind.Errorf(errkind.Invalid, "the primary key (%s) is the same as the partition key: each partition could hold one row only", strings.Join(s.PrimaryKeys, ", "))
		}
	}
	o, err := s.TableOptions()
	if err != nil {
		return err
	}
	if !s.HasPrimaryKey() && o.ChangelogProducer != "none" {
		return errkind.Errorf(errkind.Invalid, "table option '%s' = '%s' needs a primary key", OptChangelogProducer, o.ChangelogProducer)
	}
	if err := s.mustExist("option '"+OptSequenceField+"': column", o.SequenceFields); err != nil {
		return err
	}
	return s.validateBucket(o)
}

func storable(t Type) bool {
	switch t.Kind {
	case Invalid, Null, IntervalYearMonth, IntervalDayTime:
		return false
	case Array, Multiset:
		return storable(*t.Elem)
	case Map:
		return storable(*t.Key) && storable(*t.Elem)
	case Row:
		return !slices.ContainsFunc(t.Fields, func(f Field) bool { return !storable(f.Type) })
	default:
		return true
	}
}

func (s *Schema) validateBucket(o Options) error {
	key := splitList(s.Options[OptBucketKey])
	if o.Bucket < 1 {
		if o.Bucket == 0 || o.Bucket < BucketPostpone {
			return errkind.Errorf(errkind.Invalid, "table option '%s' = '%d': it must be at least 1, or -1", OptBucket, o.Bucket)
		}
		if len(key) > 0 {
			return errkind.Errorf(errkind.Invalid, "table option '%s' needs a fixed number of buckets: set '%s' to at least 1", OptBucketKey, OptBucket)
		}
		return nil
	}
	if err := s.mustExist("option '"+OptBucketKey+"': column", key); err != nil {
		return err
	}
	for _, k := range key {
		switch {
		case slices.Contains(s.PartitionKeys, k):
			return errkind.Errorf(errkind.Invalid, "table option '%s' names partition column %q: all its rows would share a bucket", OptBucketKey, k)
		case s.HasPrimaryKey() && !slices.Contains(s.PrimaryKeys, k):
			return errkind.Errorf(errkind.Invalid, "table option '%s' names %q, which is not in the primary key: versions of one row would part", OptBucketKey, k)
		case !Rowable(s.Fields[s.FieldIndex(k)].Type):
			return errkind.Errorf(errkind.Invalid, "table option '%s' names %q, whose type %s has no hash", OptBucketKey, k, s.Fields[s.FieldIndex(k)].Type)
		}
	}
	if !s.HasPrimaryKey() && len(key) == 0 {
		return errkind.Errorf(errkind.Invalid, "table option '%s' = '%d' of a table without primary key needs option '%s'", OptBucket, o.Bucket, OptBucketKey)
	}
	return nil
}

// Writable checks that weir can write the table, beyond what Paimon allows. The
// error names the option or column that stands against it.
func (s *Schema) Writable() error {
	o, err := s.TableOptions()
	if err != nil {
		return err
	}
	no := func(option, value, instead string) error {
		return errkind.Errorf(errkind.Invalid, "table option '%s' = '%s': weir does not write such tables yet: %s", option, value, instead)
	}
	switch {
	case s.Connector():
		return errkind.Errorf(errkind.Invalid, "the table is a definition for connector '%s', not a Paimon table", s.Options[OptConnector])
	case s.HasPrimaryKey() && o.Bucket == BucketUnaware:
		return no(OptBucket, "-1", "primary-key tables need a fixed number of buckets, at least 1")
	case o.Bucket == BucketPostpone:
		return no(OptBucket, "-2", "use a fixed number of buckets, at least 1")
	case s.crossPartition():
		return errkind.Errorf(errkind.Invalid, "the primary key (%s) lacks a partition column of (%s): weir does not move rows between partitions yet; add the partition columns to the key", strings.Join(s.PrimaryKeys, ", "), strings.Join(s.PartitionKeys, ", "))
	case o.BucketFunction == "hive":
		return no(OptBucketFunction, o.BucketFunction, "use 'default' or 'mod'")
	case o.DeletionVectors:
		return no(OptDeletionVectors, "true", "leave it out")
	case o.RowTracking:
		return no(OptRowTracking, "true", "leave it out")
	case o.DataEvolution:
		return no(OptDataEvolution, "true", "leave it out")
	case o.FileFormat != "parquet":
		return no(OptFileFormat, o.FileFormat, "use 'parquet'")
	case s.Options["file.format.per.level"] != "":
		return no("file.format.per.level", s.Options["file.format.per.level"], "use '"+OptFileFormat+"' = 'parquet'")
	case o.ThinMode:
		return no(OptThinMode, "true", "leave it out")
	case o.RowKindField != "":
		return no(OptRowKindField, o.RowKindField, "leave it out; row kinds come with the rows")
	case s.HasPrimaryKey() && (o.MergeEngine == "aggregation" || o.MergeEngine == "first-row"):
		return no(OptMergeEngine, o.MergeEngine, "use 'deduplicate' or 'partial-update'")
	case o.ChangelogProducer == "lookup" || o.ChangelogProducer == "full-compaction":
		return no(OptChangelogProducer, o.ChangelogProducer, "use 'none' or 'input'")
	}
	for _, f := range s.Fields {
		if f.Type.Kind == Blob || f.Type.Kind == Variant {
			return errkind.Errorf(errkind.Invalid, "column %q: weir does not write %s yet", f.Name, f.Type)
		}
	}
	return nil
}

// crossPartition reports a key by which a row may move to another partition.
func (s *Schema) crossPartition() bool {
	return s.HasPrimaryKey() && slices.ContainsFunc(s.PartitionKeys, func(k string) bool { return !slices.Contains(s.PrimaryKeys, k) })
}
