package inspect

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
)

// File is one data file.
type File struct {
	Name   string `json:"path"` // below the table; the full path of a file outside of it
	Path   string `json:"partition"`
	Bucket int    `json:"bucket"`
	Level  int    `json:"level"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	// Deletes are rows that remove others; nil: not stored.
	Deletes     *int64 `json:"deletes,omitempty"`
	MinSequence int64  `json:"min_sequence"`
	MaxSequence int64  `json:"max_sequence"`
	SchemaID    int64  `json:"schema_id"`
	// Source says who wrote it: append or compact; empty: not stored.
	Source string `json:"source,omitempty"`
	// CreatedMs is Unix milliseconds of the writer's wall clock as if UTC; 0: not stored.
	CreatedMs int64 `json:"created_ms,omitempty"`
	// MinKey and MaxKey are the least and the greatest primary key; nil: the table has none.
	MinKey []Cell `json:"min_key,omitempty"`
	MaxKey []Cell `json:"max_key,omitempty"`
	// Columns are those of which statistics are stored.
	Columns []ColumnStats `json:"columns,omitempty"`
}

// Cell is a value as text; nil is NULL or not known.
type Cell = *string

// ColumnStats are the least and the greatest value of a column in a file and how many are NULL.
type ColumnStats struct {
	Name string `json:"name"`
	Min  Cell   `json:"min"`
	Max  Cell   `json:"max"`
	// Nulls is -1 when not stored.
	Nulls int64 `json:"nulls"`
}

// Describe tells about a file. Statistics are read as the schema the file was written with, which schemaOf
// gives.
func Describe(ctx context.Context, s *schema.Schema, e *manifest.Entry, schemaOf func(context.Context, schema.ID) (*schema.Schema, error)) (File, error) {
	path, err := s.PartitionPath(e.Partition)
	if err != nil {
		return File{}, err
	}
	f := &e.File
	out := File{Path: path, Bucket: e.Bucket, Level: f.Level, Rows: f.RowCount, Bytes: f.Size, Deletes: f.DeleteRowCount,
		MinSequence: f.MinSequence, MaxSequence: f.MaxSequence, SchemaID: f.SchemaID, Source: sourceText(f.Source)}
	out.Name, err = manifest.FileKey(s, e)
	if errors.Is(err, manifest.ErrExternal) {
		out.Name, err = f.ExternalPath, nil
	}
	if err != nil {
		return File{}, err
	}
	if !f.CreationTime.IsZero() {
		out.CreatedMs = f.CreationTime.UnixMilli()
	}
	wrap := func(err error) error { return fmt.Errorf("file %s: %w", f.Name, err) }
	if s.HasPrimaryKey() {
		types := schema.TypesOf(s.KeyFields())
		if out.MinKey, err = cells(types, f.MinKey, schema.DecodeRow); err != nil {
			return out, wrap(err)
		}
		if out.MaxKey, err = cells(types, f.MaxKey, schema.DecodeRow); err != nil {
			return out, wrap(err)
		}
	}
	written, err := schemaOf(ctx, schema.ID(f.SchemaID))
	if err != nil {
		return out, wrap(err)
	}
	if out.Columns, err = columnStats(written, f); err != nil {
		return out, wrap(err)
	}
	return out, nil
}

func sourceText(s manifest.FileSource) string {
	switch s {
	case manifest.SourceAppend:
		return "append"
	case manifest.SourceCompact:
		return "compact"
	}
	return ""
}

// columnStats reads the statistics of a file's columns; none are stored where the table says so.
func columnStats(s *schema.Schema, f *manifest.DataFile) ([]ColumnStats, error) {
	fields := s.Fields
	switch {
	case f.ValueStatsCols != nil:
		var err error
		if fields, err = s.Select(f.ValueStatsCols); err != nil {
			return nil, err
		}
	case f.WriteCols != nil:
		return nil, nil // of a part of the columns, which data evolution joins
	}
	if len(fields) == 0 || len(f.ValueStats.Min) == 0 {
		return nil, nil
	}
	types := schema.TypesOf(fields)
	lo, err := cells(types, f.ValueStats.Min, schema.DecodeStats)
	if err != nil {
		return nil, fmt.Errorf("least values: %w", err)
	}
	hi, err := cells(types, f.ValueStats.Max, schema.DecodeStats)
	if err != nil {
		return nil, fmt.Errorf("greatest values: %w", err)
	}
	out := make([]ColumnStats, len(fields))
	for i, field := range fields {
		out[i] = ColumnStats{Name: field.Name, Min: lo[i], Max: hi[i], Nulls: -1}
		if i < len(f.ValueStats.NullCounts) {
			out[i].Nulls = f.ValueStats.NullCounts[i]
		}
	}
	return out, nil
}

func cells(types []schema.Type, row []byte, decode func([]schema.Type, []byte) ([]any, error)) ([]Cell, error) {
	values, err := decode(types, row)
	if err != nil {
		return nil, err
	}
	out := make([]Cell, len(values))
	for i, v := range values {
		if v == nil {
			continue
		}
		text, err := textOf(types[i], v)
		if err != nil {
			return nil, err
		}
		out[i] = &text
	}
	return out, nil
}

// textOf is a value as its partition folder would spell it; strings as they are, bytes in hexadecimal.
func textOf(t schema.Type, v any) (string, error) {
	switch x := v.(type) {
	case string:
		return x, nil
	case []byte:
		return hex.EncodeToString(x), nil
	}
	return schema.PartitionText(t, v, schema.Options{})
}
