package manifest

import (
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// rowOrEmpty gives a row that may be missing in Go its stored form.
func rowOrEmpty(row []byte) []byte {
	if row == nil {
		return schema.EmptyRow()
	}
	return row
}

func indexFromWire(w wireIndex) (IndexEntry, error) {
	e := IndexEntry{
		Kind: EntryKind(w.Kind), Partition: w.Partition, Bucket: int(w.Bucket), IndexType: w.IndexType,
		FileName: w.FileName, FileSize: w.FileSize, RowCount: w.RowCount, ExternalPath: orZero(w.ExternalPath),
	}
	if w.Version > indexVersion {
		return e, errkind.Errorf(errkind.Invalid, "index entry version %d is newer than %d, the newest this weir reads: update weir", w.Version, indexVersion)
	}
	if e.Kind != Add && e.Kind != Delete || e.FileName == "" {
		return e, errkind.Errorf(errkind.Corrupt, "index entry of file %q has kind %d", e.FileName, w.Kind)
	}
	for _, v := range orZero(w.Vectors) {
		if v == nil {
			continue
		}
		if v.Offset < 0 || v.Length < 0 {
			return e, errkind.Errorf(errkind.Corrupt, "index file %s: vector of %s at %d has length %d", e.FileName, v.DataFile, v.Offset, v.Length)
		}
		e.Vectors = append(e.Vectors, VectorRange{DataFile: v.DataFile, Offset: int(v.Offset), Length: int(v.Length), Cardinality: v.Cardinality})
	}
	if g := w.Global; g != nil {
		e.Global = &GlobalIndex{RowRangeStart: g.RowRangeStart, RowRangeEnd: g.RowRangeEnd, FieldID: int(g.FieldID), Meta: orZero(g.Meta)}
		for _, id := range orZero(g.ExtraFieldIDs) {
			e.Global.ExtraFieldIDs = append(e.Global.ExtraFieldIDs, int(id))
		}
	}
	return e, nil
}

func indexToWire(e *IndexEntry) wireIndex {
	w := wireIndex{
		Version: indexVersion, Kind: int32(e.Kind), Partition: rowOrEmpty(e.Partition), Bucket: int32(e.Bucket),
		IndexType: e.IndexType, FileName: e.FileName, FileSize: e.FileSize, RowCount: e.RowCount,
		ExternalPath: orNil(e.ExternalPath, e.ExternalPath != ""),
	}
	if e.Vectors != nil {
		vectors := make([]*wireVector, len(e.Vectors))
		for i, v := range e.Vectors {
			vectors[i] = &wireVector{DataFile: v.DataFile, Offset: int32(v.Offset), Length: int32(v.Length), Cardinality: v.Cardinality}
		}
		w.Vectors = &vectors
	}
	if g := e.Global; g != nil {
		w.Global = &wireGlobal{
			RowRangeStart: g.RowRangeStart, RowRangeEnd: g.RowRangeEnd, FieldID: int32(g.FieldID),
			Meta: orNil(g.Meta, g.Meta != nil),
		}
		if g.ExtraFieldIDs != nil {
			ids := make([]int32, len(g.ExtraFieldIDs))
			for i, id := range g.ExtraFieldIDs {
				ids[i] = int32(id)
			}
			w.Global.ExtraFieldIDs = &ids
		}
	}
	return w
}
