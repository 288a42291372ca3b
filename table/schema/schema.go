package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/internal/jsonobj"
)

// FileVersion is the version of schema files that weir writes.
const FileVersion = 3

// ID numbers the versions of a table's schema from 0.
type ID int64

// Schema is one version of a table's schema: the file schema/schema-N. It is
// immutable once written; change a Clone.
type Schema struct {
	Version        int // of the file layout
	ID             ID
	Fields         []Field
	HighestFieldID int // field ids above it were never used
	PartitionKeys  []string
	PrimaryKeys    []string
	Options        map[string]string // known and unknown alike
	Comment        string
	TimeMillis     int64 // when it was made, Unix milliseconds
	// Extra holds fields of the file that weir does not know.
	Extra map[string]json.RawMessage
}

type schemaFile struct {
	Version        int               `json:"version"`
	ID             ID                `json:"id"`
	Fields         []fieldFile       `json:"fields"`
	HighestFieldID int               `json:"highestFieldId"`
	PartitionKeys  []string          `json:"partitionKeys"`
	PrimaryKeys    []string          `json:"primaryKeys"`
	Options        map[string]string `json:"options"`
	Comment        string            `json:"comment,omitempty"`
	TimeMillis     int64             `json:"timeMillis"`
}

// Parse reads a schema file. Unknown fields and options are kept.
func Parse(data []byte) (*Schema, error) {
	f := schemaFile{Version: 1} // files of the first Paimon releases carry no version
	extra, err := jsonobj.Unmarshal(data, &f)
	if err != nil {
		return nil, errkind.Errorf(errkind.Corrupt, "parse schema: %w", err)
	}
	if f.Version > FileVersion {
		return nil, errkind.Errorf(errkind.Invalid, "schema file version %d is newer than %d, the newest this weir reads: update weir", f.Version, FileVersion)
	}
	s := &Schema{
		Version: f.Version, ID: f.ID, HighestFieldID: f.HighestFieldID,
		PartitionKeys: f.PartitionKeys, PrimaryKeys: f.PrimaryKeys, Options: f.Options,
		Comment: f.Comment, TimeMillis: f.TimeMillis, Extra: extra,
	}
	if s.Fields, err = fieldsFromFile(f.Fields); err != nil {
		return nil, errkind.Errorf(errkind.Corrupt, "parse schema %d: %w", f.ID, err)
	}
	if s.Options == nil {
		s.Options = map[string]string{}
	}
	if err := s.checkKeys(); err != nil {
		return nil, errkind.Errorf(errkind.Corrupt, "parse schema %d: %w", f.ID, err)
	}
	return s, nil
}

// JSON is the content of the schema file.
func (s *Schema) JSON() ([]byte, error) {
	f := schemaFile{
		Version: s.Version, ID: s.ID, Fields: fieldsToFile(s.Fields), HighestFieldID: s.HighestFieldID,
		PartitionKeys: orEmpty(s.PartitionKeys), PrimaryKeys: orEmpty(s.PrimaryKeys), Options: s.Options,
		Comment: s.Comment, TimeMillis: s.TimeMillis,
	}
	if f.Options == nil {
		f.Options = map[string]string{}
	}
	data, err := jsonobj.Marshal(f, s.Extra)
	if err != nil {
		return nil, fmt.Errorf("write schema %d: %w", s.ID, err)
	}
	return data, nil
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// Clone copies the schema deeply enough that the copy may be changed, except
// inside nested types.
func (s *Schema) Clone() *Schema {
	c := *s
	c.Fields = slices.Clone(s.Fields)
	c.PartitionKeys = slices.Clone(s.PartitionKeys)
	c.PrimaryKeys = slices.Clone(s.PrimaryKeys)
	c.Options = maps.Clone(s.Options)
	if c.Options == nil {
		c.Options = map[string]string{}
	}
	c.Extra = maps.Clone(s.Extra)
	return &c
}

// FieldIndex is the position of the column of that name, or -1. Names are
// case-sensitive.
func (s *Schema) FieldIndex(name string) int {
	return slices.IndexFunc(s.Fields, func(f Field) bool { return f.Name == name })
}

// FieldByID returns the column with the id.
func (s *Schema) FieldByID(id int) (Field, bool) {
	for _, f := range s.Fields {
		if f.ID == id {
			return f, true
		}
	}
	return Field{}, false
}

// Select returns the named columns in the order of names.
func (s *Schema) Select(names []string) ([]Field, error) {
	out := make([]Field, len(names))
	for i, n := range names {
		j := s.FieldIndex(n)
		if j < 0 {
			return nil, errkind.Errorf(errkind.NotFound, "column %q does not exist: the table has %s", n, s.columnList())
		}
		out[i] = s.Fields[j]
	}
	return out, nil
}

// mustSelect is Select for names that checkKeys has seen.
func (s *Schema) mustSelect(names []string) []Field {
	out, err := s.Select(names)
	if err != nil {
		panic(fmt.Sprintf("schema: key of a checked schema: %v", err))
	}
	return out
}

// HasPrimaryKey reports a primary-key table; others are append tables.
func (s *Schema) HasPrimaryKey() bool { return len(s.PrimaryKeys) > 0 }

// PartitionFields are the partition columns in key order.
func (s *Schema) PartitionFields() []Field { return s.mustSelect(s.PartitionKeys) }

// KeyFields are the trimmed primary key: its columns without partition columns,
// or the whole key where that would leave none.
func (s *Schema) KeyFields() []Field { return s.mustSelect(s.KeyNames()) }

// KeyNames are the names of KeyFields.
func (s *Schema) KeyNames() []string {
	var out []string
	for _, k := range s.PrimaryKeys {
		if !slices.Contains(s.PartitionKeys, k) {
			out = append(out, k)
		}
	}
	if len(out) == 0 {
		return s.PrimaryKeys
	}
	return out
}

// BucketKeyNames are the columns whose hash picks the bucket: option bucket-key,
// else the trimmed primary key; none for unaware append tables.
func (s *Schema) BucketKeyNames() []string {
	if names := splitList(s.Options[OptBucketKey]); len(names) > 0 {
		return names
	}
	return s.KeyNames()
}

// TypesOf lists the types of fields.
func TypesOf(fields []Field) []Type {
	out := make([]Type, len(fields))
	for i, f := range fields {
		out[i] = f.Type
	}
	return out
}

// checkKeys makes sure that what the accessors above rely on holds.
func (s *Schema) checkKeys() error {
	seen := map[string]bool{}
	for _, f := range s.Fields {
		if f.Name == "" {
			return fmt.Errorf("column %d has no name", f.ID)
		}
		if seen[f.Name] {
			return fmt.Errorf("column %q exists twice", f.Name)
		}
		seen[f.Name] = true
	}
	for what, names := range map[string][]string{"partition": s.PartitionKeys, "primary": s.PrimaryKeys} {
		for i, n := range names {
			if !seen[n] {
				return fmt.Errorf("%s key column %q does not exist: the table has %s", what, n, s.columnList())
			}
			if slices.Contains(names[:i], n) {
				return fmt.Errorf("%s key names column %q twice", what, n)
			}
		}
	}
	return nil
}

func (s *Schema) columnList() string {
	const shown = 20 // enough to spot a misspelling, short enough for one line
	out := ""
	for i, f := range s.Fields {
		if i == shown {
			return out + ", ..."
		}
		if i > 0 {
			out += ", "
		}
		out += f.Name
	}
	return out
}
