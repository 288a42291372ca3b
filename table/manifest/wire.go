package manifest

import (
	"math"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/weir-lake/weir/internal/errkind"
)

// The schemas are Paimon's: record names and field order as its Java writer has
// them, so that Java resolves our files without aliases.
const (
	statsFields = `"fields":[{"name":"_MIN_VALUES","type":"bytes"},{"name":"_MAX_VALUES","type":"bytes"},` +
		`{"name":"_NULL_COUNTS","type":["null",{"type":"array","items":["null","long"]}],"default":null}]`
	recordHead = `{"type":"record","name":"record","namespace":"org.apache.paimon.avro.generated","fields":[`

	metaSchemaText = recordHead + `{"name":"_VERSION","type":"int"},{"name":"_FILE_NAME","type":"string"},{"name":"_FILE_SIZE","type":"long"},` +
		`{"name":"_NUM_ADDED_FILES","type":"long"},{"name":"_NUM_DELETED_FILES","type":"long"},` +
		`{"name":"_PARTITION_STATS","type":{"type":"record","name":"record__PARTITION_STATS",` + statsFields + `}},` +
		`{"name":"_SCHEMA_ID","type":"long"},` +
		`{"name":"_MIN_BUCKET","type":["null","int"],"default":null},{"name":"_MAX_BUCKET","type":["null","int"],"default":null},` +
		`{"name":"_MIN_LEVEL","type":["null","int"],"default":null},{"name":"_MAX_LEVEL","type":["null","int"],"default":null},` +
		`{"name":"_MIN_ROW_ID","type":["null","long"],"default":null},{"name":"_MAX_ROW_ID","type":["null","long"],"default":null}]}`

	entrySchemaText = recordHead + `{"name":"_VERSION","type":"int"},{"name":"_KIND","type":"int"},{"name":"_PARTITION","type":"bytes"},` +
		`{"name":"_BUCKET","type":"int"},{"name":"_TOTAL_BUCKETS","type":"int"},{"name":"_FILE","type":{"type":"record","name":"record__FILE","fields":[` +
		`{"name":"_FILE_NAME","type":"string"},{"name":"_FILE_SIZE","type":"long"},{"name":"_ROW_COUNT","type":"long"},` +
		`{"name":"_MIN_KEY","type":"bytes"},{"name":"_MAX_KEY","type":"bytes"},` +
		`{"name":"_KEY_STATS","type":{"type":"record","name":"record__FILE__KEY_STATS",` + statsFields + `}},` +
		`{"name":"_VALUE_STATS","type":{"type":"record","name":"record__FILE__VALUE_STATS",` + statsFields + `}},` +
		`{"name":"_MIN_SEQUENCE_NUMBER","type":"long"},{"name":"_MAX_SEQUENCE_NUMBER","type":"long"},{"name":"_SCHEMA_ID","type":"long"},` +
		`{"name":"_LEVEL","type":"int"},{"name":"_EXTRA_FILES","type":{"type":"array","items":"string"}},` +
		`{"name":"_CREATION_TIME","type":["null",{"type":"long","logicalType":"timestamp-millis"}],"default":null},` +
		`{"name":"_DELETE_ROW_COUNT","type":["null","long"],"default":null},{"name":"_EMBEDDED_FILE_INDEX","type":["null","bytes"],"default":null},` +
		`{"name":"_FILE_SOURCE","type":["null","int"],"default":null},` +
		`{"name":"_VALUE_STATS_COLS","type":["null",{"type":"array","items":"string"}],"default":null},` +
		`{"name":"_EXTERNAL_PATH","type":["null","string"],"default":null},{"name":"_FIRST_ROW_ID","type":["null","long"],"default":null},` +
		`{"name":"_WRITE_COLS","type":["null",{"type":"array","items":"string"}],"default":null}]}}]}`

	indexSchemaText = recordHead + `{"name":"_VERSION","type":"int"},{"name":"_KIND","type":"int"},{"name":"_PARTITION","type":"bytes"},` +
		`{"name":"_BUCKET","type":"int"},{"name":"_INDEX_TYPE","type":"string"},{"name":"_FILE_NAME","type":"string"},` +
		`{"name":"_FILE_SIZE","type":"long"},{"name":"_ROW_COUNT","type":"long"},` +
		`{"name":"_DELETIONS_VECTORS_RANGES","type":["null",{"type":"array","items":["null",{"type":"record","name":"record__DELETIONS_VECTORS_RANGES","fields":[` +
		`{"name":"f0","type":"string"},{"name":"f1","type":"int"},{"name":"f2","type":"int"},{"name":"_CARDINALITY","type":["null","long"],"default":null}]}]}],"default":null},` +
		`{"name":"_EXTERNAL_PATH","type":["null","string"],"default":null},` +
		`{"name":"_GLOBAL_INDEX","type":["null",{"type":"record","name":"record__GLOBAL_INDEX","fields":[` +
		`{"name":"_ROW_RANGE_START","type":"long"},{"name":"_ROW_RANGE_END","type":"long"},{"name":"_INDEX_FIELD_ID","type":"int"},` +
		`{"name":"_EXTRA_FIELD_IDS","type":["null",{"type":"array","items":"int"}],"default":null},` +
		`{"name":"_INDEX_META","type":["null","bytes"],"default":null}]}],"default":null}]}`
)

// Row versions that weir writes and the newest it reads.
const (
	entryVersion = 2
	metaVersion  = 2
	indexVersion = 1
)

type wireStats struct {
	Min        []byte    `avro:"_MIN_VALUES"`
	Max        []byte    `avro:"_MAX_VALUES"`
	NullCounts *[]*int64 `avro:"_NULL_COUNTS"`
}

type wireMeta struct {
	Version        int32     `avro:"_VERSION"`
	FileName       string    `avro:"_FILE_NAME"`
	FileSize       int64     `avro:"_FILE_SIZE"`
	NumAdded       int64     `avro:"_NUM_ADDED_FILES"`
	NumDeleted     int64     `avro:"_NUM_DELETED_FILES"`
	PartitionStats wireStats `avro:"_PARTITION_STATS"`
	SchemaID       int64     `avro:"_SCHEMA_ID"`
	MinBucket      *int32    `avro:"_MIN_BUCKET"`
	MaxBucket      *int32    `avro:"_MAX_BUCKET"`
	MinLevel       *int32    `avro:"_MIN_LEVEL"`
	MaxLevel       *int32    `avro:"_MAX_LEVEL"`
	MinRowID       *int64    `avro:"_MIN_ROW_ID"`
	MaxRowID       *int64    `avro:"_MAX_ROW_ID"`
}

type wireFile struct {
	Name           string     `avro:"_FILE_NAME"`
	Size           int64      `avro:"_FILE_SIZE"`
	RowCount       int64      `avro:"_ROW_COUNT"`
	MinKey         []byte     `avro:"_MIN_KEY"`
	MaxKey         []byte     `avro:"_MAX_KEY"`
	KeyStats       wireStats  `avro:"_KEY_STATS"`
	ValueStats     wireStats  `avro:"_VALUE_STATS"`
	MinSequence    int64      `avro:"_MIN_SEQUENCE_NUMBER"`
	MaxSequence    int64      `avro:"_MAX_SEQUENCE_NUMBER"`
	SchemaID       int64      `avro:"_SCHEMA_ID"`
	Level          int32      `avro:"_LEVEL"`
	ExtraFiles     []string   `avro:"_EXTRA_FILES"`
	CreationTime   *time.Time `avro:"_CREATION_TIME"`
	DeleteRowCount *int64     `avro:"_DELETE_ROW_COUNT"`
	EmbeddedIndex  *[]byte    `avro:"_EMBEDDED_FILE_INDEX"`
	Source         *int32     `avro:"_FILE_SOURCE"`
	ValueStatsCols *[]string  `avro:"_VALUE_STATS_COLS"`
	ExternalPath   *string    `avro:"_EXTERNAL_PATH"`
	FirstRowID     *int64     `avro:"_FIRST_ROW_ID"`
	WriteCols      *[]string  `avro:"_WRITE_COLS"`
}

type wireEntry struct {
	Version      int32    `avro:"_VERSION"`
	Kind         int32    `avro:"_KIND"`
	Partition    []byte   `avro:"_PARTITION"`
	Bucket       int32    `avro:"_BUCKET"`
	TotalBuckets int32    `avro:"_TOTAL_BUCKETS"`
	File         wireFile `avro:"_FILE"`
}

type wireVector struct {
	DataFile    string `avro:"f0"`
	Offset      int32  `avro:"f1"`
	Length      int32  `avro:"f2"`
	Cardinality *int64 `avro:"_CARDINALITY"`
}

type wireGlobal struct {
	RowRangeStart int64    `avro:"_ROW_RANGE_START"`
	RowRangeEnd   int64    `avro:"_ROW_RANGE_END"`
	FieldID       int32    `avro:"_INDEX_FIELD_ID"`
	ExtraFieldIDs *[]int32 `avro:"_EXTRA_FIELD_IDS"`
	Meta          *[]byte  `avro:"_INDEX_META"`
}

type wireIndex struct {
	Version      int32          `avro:"_VERSION"`
	Kind         int32          `avro:"_KIND"`
	Partition    []byte         `avro:"_PARTITION"`
	Bucket       int32          `avro:"_BUCKET"`
	IndexType    string         `avro:"_INDEX_TYPE"`
	FileName     string         `avro:"_FILE_NAME"`
	FileSize     int64          `avro:"_FILE_SIZE"`
	RowCount     int64          `avro:"_ROW_COUNT"`
	Vectors      *[]*wireVector `avro:"_DELETIONS_VECTORS_RANGES"`
	ExternalPath *string        `avro:"_EXTERNAL_PATH"`
	Global       *wireGlobal    `avro:"_GLOBAL_INDEX"`
}

// decoderLimits bound what one value of a hostile file may allocate. Embedded
// indexes and keys are the largest values; Paimon keeps both far below.
var decoderLimits = avro.Config{MaxByteSliceSize: 64 << 20, MaxSliceAllocSize: 1 << 20}.Freeze()

func statsFromWire(w wireStats) Stats {
	s := Stats{Min: w.Min, Max: w.Max}
	if w.NullCounts != nil {
		s.NullCounts = make([]int64, len(*w.NullCounts))
		for i, n := range *w.NullCounts {
			s.NullCounts[i] = -1
			if n != nil {
				s.NullCounts[i] = *n
			}
		}
	}
	return s
}

func statsToWire(s Stats) wireStats {
	w := wireStats{Min: rowOrEmpty(s.Min), Max: rowOrEmpty(s.Max)}
	if s.NullCounts != nil {
		counts := make([]*int64, len(s.NullCounts))
		for i, n := range s.NullCounts {
			if n >= 0 {
				counts[i] = &n
			}
		}
		w.NullCounts = &counts
	}
	return w
}

// orNil turns the absent value of T into Avro's null.
func orNil[T any](v T, present bool) *T {
	if !present {
		return nil
	}
	return &v
}

func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func fileFromWire(w wireFile) (DataFile, error) {
	f := DataFile{
		Name: w.Name, Size: w.Size, RowCount: w.RowCount, MinKey: w.MinKey, MaxKey: w.MaxKey,
		KeyStats: statsFromWire(w.KeyStats), ValueStats: statsFromWire(w.ValueStats),
		MinSequence: w.MinSequence, MaxSequence: w.MaxSequence, SchemaID: w.SchemaID, Level: int(w.Level),
		ExtraFiles: w.ExtraFiles, CreationTime: orZero(w.CreationTime), DeleteRowCount: w.DeleteRowCount,
		EmbeddedIndex: orZero(w.EmbeddedIndex), ValueStatsCols: orZero(w.ValueStatsCols),
		ExternalPath: orZero(w.ExternalPath), FirstRowID: w.FirstRowID, WriteCols: orZero(w.WriteCols),
	}
	if len(f.ExtraFiles) == 0 {
		f.ExtraFiles = nil
	}
	if w.ValueStatsCols != nil && f.ValueStatsCols == nil {
		f.ValueStatsCols = []string{}
	}
	if w.Source != nil {
		switch *w.Source {
		case 0:
			f.Source = SourceAppend
		case 1:
			f.Source = SourceCompact
		default:
			return f, errkind.Errorf(errkind.Corrupt, "file %s: _FILE_SOURCE %d is not known", w.Name, *w.Source)
		}
	}
	if f.Name == "" || f.Size < 0 || f.RowCount < 0 || f.Level < 0 {
		return f, errkind.Errorf(errkind.Corrupt, "file %q: empty name or negative size, row count or level", w.Name)
	}
	return f, nil
}

func fileToWire(f *DataFile) wireFile {
	w := wireFile{
		Name: f.Name, Size: f.Size, RowCount: f.RowCount, MinKey: rowOrEmpty(f.MinKey), MaxKey: rowOrEmpty(f.MaxKey),
		KeyStats: statsToWire(f.KeyStats), ValueStats: statsToWire(f.ValueStats),
		MinSequence: f.MinSequence, MaxSequence: f.MaxSequence, SchemaID: f.SchemaID, Level: int32(f.Level),
		ExtraFiles: f.ExtraFiles, DeleteRowCount: f.DeleteRowCount, FirstRowID: f.FirstRowID,
		CreationTime:   orNil(f.CreationTime.UTC(), !f.CreationTime.IsZero()),
		EmbeddedIndex:  orNil(f.EmbeddedIndex, f.EmbeddedIndex != nil),
		ValueStatsCols: orNil(f.ValueStatsCols, f.ValueStatsCols != nil),
		ExternalPath:   orNil(f.ExternalPath, f.ExternalPath != ""),
		WriteCols:      orNil(f.WriteCols, f.WriteCols != nil),
	}
	if f.Source != SourceUnknown {
		w.Source = orNil(int32(f.Source)-1, true)
	}
	return w
}

func entryFromWire(w wireEntry) (Entry, error) {
	e := Entry{Kind: EntryKind(w.Kind), Partition: w.Partition, Bucket: int(w.Bucket), TotalBuckets: int(w.TotalBuckets)}
	if w.Version > entryVersion {
		return e, errkind.Errorf(errkind.Invalid, "entry version %d is newer than %d, the newest this weir reads: update weir", w.Version, entryVersion)
	}
	if e.Kind != Add && e.Kind != Delete {
		return e, errkind.Errorf(errkind.Corrupt, "entry kind %d is not known", w.Kind)
	}
	var err error
	e.File, err = fileFromWire(w.File)
	return e, err
}

func entryToWire(e *Entry) wireEntry {
	return wireEntry{
		Version: entryVersion, Kind: int32(e.Kind), Partition: rowOrEmpty(e.Partition), Bucket: int32(e.Bucket),
		TotalBuckets: int32(e.TotalBuckets), File: fileToWire(&e.File),
	}
}

func metaFromWire(w wireMeta) (Meta, error) {
	m := Meta{
		FileName: w.FileName, FileSize: w.FileSize, NumAdded: w.NumAdded, NumDeleted: w.NumDeleted,
		PartitionStats: statsFromWire(w.PartitionStats), SchemaID: w.SchemaID,
		MinBucket: widen(w.MinBucket), MaxBucket: widen(w.MaxBucket), MinLevel: widen(w.MinLevel), MaxLevel: widen(w.MaxLevel),
		MinRowID: w.MinRowID, MaxRowID: w.MaxRowID,
	}
	if w.Version > metaVersion {
		return m, errkind.Errorf(errkind.Invalid, "manifest list version %d is newer than %d, the newest this weir reads: update weir", w.Version, metaVersion)
	}
	if m.FileName == "" || m.NumAdded < 0 || m.NumDeleted < 0 {
		return m, errkind.Errorf(errkind.Corrupt, "manifest %q: empty name or negative counts", w.FileName)
	}
	return m, nil
}

func metaToWire(m *Meta) wireMeta {
	return wireMeta{
		Version: metaVersion, FileName: m.FileName, FileSize: m.FileSize, NumAdded: m.NumAdded, NumDeleted: m.NumDeleted,
		PartitionStats: statsToWire(m.PartitionStats), SchemaID: m.SchemaID,
		MinBucket: narrow(m.MinBucket), MaxBucket: narrow(m.MaxBucket), MinLevel: narrow(m.MinLevel), MaxLevel: narrow(m.MaxLevel),
		MinRowID: m.MinRowID, MaxRowID: m.MaxRowID,
	}
}

func widen(p *int32) *int {
	if p == nil {
		return nil
	}
	return orNil(int(*p), true)
}

func narrow(p *int) *int32 {
	if p == nil || *p > math.MaxInt32 || *p < math.MinInt32 {
		return nil
	}
	return orNil(int32(*p), true)
}
