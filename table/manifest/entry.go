package manifest

import (
	"encoding/binary"
	"time"
)

// EntryKind says whether an entry adds or removes its file.
type EntryKind int32

// The kinds, as _KIND holds them.
const (
	Add    EntryKind = 0
	Delete EntryKind = 1
)

// FileSource says who wrote a data file (_FILE_SOURCE).
type FileSource int8

// The sources. SourceUnknown stands for a missing field.
const (
	SourceUnknown FileSource = iota
	SourceAppend             // 0 on disk
	SourceCompact            // 1 on disk
)

// Stats are minima, maxima and null counts of some columns. Min and Max are rows
// in stored form (schema.DecodeRow).
type Stats struct {
	Min, Max   []byte
	NullCounts []int64 // one a column; -1: not known; nil: none stored
}

// DataFile describes one data or changelog file (_FILE of a manifest entry).
type DataFile struct {
	Name                     string
	Size                     int64 // bytes
	RowCount                 int64
	MinKey, MaxKey           []byte // trimmed primary key, stored form; append tables: schema.EmptyRow
	KeyStats                 Stats
	ValueStats               Stats // of the columns ValueStatsCols
	MinSequence, MaxSequence int64
	SchemaID                 int64
	Level                    int
	ExtraFiles               []string
	CreationTime             time.Time  // milliseconds of the writer's wall clock, as if UTC; zero: not stored
	DeleteRowCount           *int64     // nil: not stored
	EmbeddedIndex            []byte     // nil: none
	Source                   FileSource // append or compact
	// ValueStatsCols names the columns of ValueStats in their order. Nil: every
	// column of the file's schema; empty: none.
	ValueStatsCols []string
	ExternalPath   string   // full path of a file outside the table; empty: in its bucket's folder
	FirstRowID     *int64   // row tracking; nil: none
	WriteCols      []string // data evolution; nil: all columns
}

// Entry adds or removes one file.
type Entry struct {
	Kind         EntryKind
	Partition    []byte // stored form; schema.EmptyRow without partitions
	Bucket       int
	TotalBuckets int // of the partition when the file was written; -1 unaware or dynamic, -2 postpone
	File         DataFile
}

// Identity is what makes two entries speak of the same file at the same place;
// comparable. Level belongs to it: an upgrade is a delete and an add.
type Identity string

// Identity of the entry.
func (e *Entry) Identity() Identity {
	b := make([]byte, 0, 64+len(e.Partition)+len(e.File.Name))
	b = appendPart(b, e.Partition)
	b = binary.AppendVarint(b, int64(e.Bucket))
	b = binary.AppendVarint(b, int64(e.File.Level))
	b = appendPart(b, []byte(e.File.Name))
	b = binary.AppendUvarint(b, uint64(len(e.File.ExtraFiles)))
	for _, x := range e.File.ExtraFiles {
		b = appendPart(b, []byte(x))
	}
	b = appendPart(b, e.File.EmbeddedIndex)
	b = appendPart(b, []byte(e.File.ExternalPath))
	return Identity(b)
}

func appendPart(b, part []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(part))), part...)
}

// BucketID names a bucket of a partition; comparable.
type BucketID struct {
	Partition string // stored form
	Bucket    int
}

// BucketID of the entry.
func (e *Entry) BucketID() BucketID { return BucketID{string(e.Partition), e.Bucket} }

// Meta is one row of a manifest list: a manifest and what is in it.
type Meta struct {
	FileName       string
	FileSize       int64 // bytes
	NumAdded       int64
	NumDeleted     int64
	PartitionStats Stats // over the partition columns
	SchemaID       int64
	// Ranges over the entries; nil where the writer stored none.
	MinBucket, MaxBucket *int
	MinLevel, MaxLevel   *int
	MinRowID, MaxRowID   *int64
}

// IndexEntry is one row of an index manifest: an index file of a bucket.
type IndexEntry struct {
	Kind         EntryKind
	Partition    []byte
	Bucket       int
	IndexType    string // IndexDeletionVectors, IndexHash or a global index
	FileName     string
	FileSize     int64 // bytes
	RowCount     int64
	Vectors      []VectorRange // of IndexDeletionVectors
	ExternalPath string
	Global       *GlobalIndex
}

// Index types that Paimon keeps for each bucket.
const (
	IndexDeletionVectors = "DELETION_VECTORS"
	IndexHash            = "HASH"
)

// VectorRange locates the deletion vector of one data file in an index file.
type VectorRange struct {
	DataFile    string
	Offset      int // bytes from the file's begin to the vector's size field
	Length      int // v1: without size and checksum, v2: with both
	Cardinality *int64
}

// GlobalIndex is kept for other engines; weir does not read such indexes.
type GlobalIndex struct {
	RowRangeStart, RowRangeEnd int64
	FieldID                    int
	ExtraFieldIDs              []int
	Meta                       []byte
}
