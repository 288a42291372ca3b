package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weir-lake/weir/internal/errkind"
)

// Change is one step of ALTER TABLE.
type Change interface {
	// apply changes s in place; the caller works on a clone.
	apply(s *Schema) error
}

// AddColumn appends a column, or puts it After another; First puts it in front.
// It must be nullable: old files read as NULL.
type AddColumn struct {
	Field Field // its ID is assigned
	After string
	First bool
}

// DropColumn removes a column that is in no key. Its id is never used again.
type DropColumn struct{ Name string }

// RenameColumn renames a column that is in no key; old files stay readable.
type RenameColumn struct{ From, To string }

// WidenColumn gives a column a type that holds every value of the old one.
type WidenColumn struct {
	Name string
	Type Type
}

// SetOption sets a table option; an empty Value is kept as such.
type SetOption struct{ Name, Value string }

// ResetOption removes a table option.
type ResetOption struct{ Name string }

// SetComment replaces the table's comment.
type SetComment struct{ Comment string }

// Apply makes the next version of the schema; id, time and checks included. It
// does not change s.
func Apply(s *Schema, timeMillis int64, changes ...Change) (*Schema, error) {
	next := s.Clone()
	for _, c := range changes {
		if err := c.apply(next); err != nil {
			return nil, err
		}
	}
	next.ID, next.TimeMillis, next.Version = s.ID+1, timeMillis, FileVersion
	if err := next.checkKeys(); err != nil {
		return nil, errkind.Wrap(errkind.Invalid, err)
	}
	return next, nil
}

func (c AddColumn) apply(s *Schema) error {
	if s.FieldIndex(c.Field.Name) >= 0 {
		return errkind.Errorf(errkind.Exists, "add column %q: it exists already", c.Field.Name)
	}
	if c.Field.Type.NotNull {
		return errkind.Errorf(errkind.Invalid, "add column %q: it must be nullable, because rows written before have no value", c.Field.Name)
	}
	if err := checkColumnName(c.Field.Name); err != nil {
		return err
	}
	f := c.Field
	f.ID, f.Type = s.assignIDs(f.Type)
	at := len(s.Fields)
	switch {
	case c.First:
		at = 0
	case c.After != "":
		i := s.FieldIndex(c.After)
		if i < 0 {
			return errkind.Errorf(errkind.NotFound, "add column %q after %q: there is no such column; the table has %s", f.Name, c.After, s.columnList())
		}
		at = i + 1
	}
	s.Fields = slices.Insert(s.Fields, at, f)
	return nil
}

// assignIDs takes fresh ids for a column and the ROW fields inside its type, in
// Java's order: the column first.
func (s *Schema) assignIDs(t Type) (int, Type) {
	s.HighestFieldID++
	id := s.HighestFieldID
	return id, s.assignInner(t)
}

func (s *Schema) assignInner(t Type) Type {
	if t.Elem != nil {
		if t.Key != nil {
			k := s.assignInner(*t.Key)
			t.Key = &k
		}
		e := s.assignInner(*t.Elem)
		t.Elem = &e
	}
	if t.Kind == Row {
		fields := slices.Clone(t.Fields)
		for i := range fields {
			fields[i].ID, fields[i].Type = s.assignIDs(fields[i].Type)
		}
		t.Fields = fields
	}
	return t
}

// column finds a column that may be changed: it exists and is in no key.
func (s *Schema) column(what, name string) (int, error) {
	i := s.FieldIndex(name)
	if i < 0 {
		return 0, errkind.Errorf(errkind.NotFound, "%s column %q: there is no such column; the table has %s", what, name, s.columnList())
	}
	keys := slices.Concat(s.PartitionKeys, s.PrimaryKeys, s.BucketKeyNames())
	if slices.Contains(keys, name) {
		return 0, errkind.Errorf(errkind.Invalid, "%s column %q: it is part of a key", what, name)
	}
	return i, nil
}

func (c DropColumn) apply(s *Schema) error {
	i, err := s.column("drop", c.Name)
	if err != nil {
		return err
	}
	if len(s.Fields) == 1 {
		return errkind.Errorf(errkind.Invalid, "drop column %q: it is the last one", c.Name)
	}
	if err := s.notInOption("drop", c.Name); err != nil {
		return err
	}
	s.Fields = slices.Delete(s.Fields, i, i+1)
	return nil
}

// notInOption refuses changes of columns that options refer to by name.
func (s *Schema) notInOption(what, name string) error {
	for opt, value := range s.Options {
		if (opt == OptSequenceField || opt == OptRowKindField) && slices.Contains(splitList(value), name) ||
			strings.HasPrefix(opt, "fields.") && slices.Contains(splitList(strings.Split(opt, ".")[1]), name) {
			return errkind.Errorf(errkind.Invalid, "%s column %q: table option '%s' = '%s' names it", what, name, opt, value)
		}
	}
	return nil
}

func (c RenameColumn) apply(s *Schema) error {
	i, err := s.column("rename", c.From)
	if err != nil {
		return err
	}
	if s.FieldIndex(c.To) >= 0 {
		return errkind.Errorf(errkind.Exists, "rename column %q to %q: that name is taken", c.From, c.To)
	}
	if err := checkColumnName(c.To); err != nil {
		return err
	}
	if err := s.notInOption("rename", c.From); err != nil {
		return err
	}
	s.Fields[i].Name = c.To
	return nil
}

func (c WidenColumn) apply(s *Schema) error {
	i, err := s.column("alter", c.Name)
	if err != nil {
		return err
	}
	old := s.Fields[i].Type
	if c.Type.NotNull && !old.NotNull {
		return errkind.Errorf(errkind.Invalid, "alter column %q to %s: rows may hold NULL", c.Name, c.Type)
	}
	if !widens(old, c.Type) {
		return errkind.Errorf(errkind.Invalid, "alter column %q from %s to %s: not every old value fits; weir widens integers, FLOAT, DECIMAL of one scale, and the lengths of strings and bytes", c.Name, old, c.Type)
	}
	s.Fields[i].Type = c.Type
	return nil
}

// widens reports whether every value of old is a value of now.
func widens(old, now Type) bool {
	switch {
	case old.SameRoot(now):
		return true
	case old.IsInteger() && now.IsInteger():
		return now.Kind >= old.Kind
	case old.Kind == Float && now.Kind == Double:
		return true
	case old.Kind == Decimal && now.Kind == Decimal:
		return old.Scale == now.Scale && now.Precision >= old.Precision
	case old.IsString() && now.Kind == VarChar, old.IsBinary() && now.Kind == VarBinary:
		return now.Length >= old.Length
	case old.IsTimestamp() && now.Kind == old.Kind:
		return now.Precision >= old.Precision
	default:
		return false
	}
}

// fixedOptions cannot change once the table exists: files written before would
// be read wrongly.
var fixedOptions = []string{
	OptBucketKey, OptBucketFunction, OptMergeEngine, OptSequenceField, OptRowKindField, OptRowTracking,
	OptDataEvolution, OptDataFilePathDirectory, OptPartitionDefaultName, OptPartitionLegacyName, "primary-key", "partition",
}

func (c SetOption) apply(s *Schema) error {
	if slices.Contains(fixedOptions, c.Name) && s.Options[c.Name] != c.Value {
		return errkind.Errorf(errkind.Invalid, "table option '%s' cannot be changed: files written before depend on it", c.Name)
	}
	s.Options[c.Name] = c.Value
	_, err := s.TableOptions()
	return err
}

func (c ResetOption) apply(s *Schema) error {
	if _, set := s.Options[c.Name]; set && slices.Contains(fixedOptions, c.Name) {
		return errkind.Errorf(errkind.Invalid, "table option '%s' cannot be changed: files written before depend on it", c.Name)
	}
	delete(s.Options, c.Name)
	return nil
}

func (c SetComment) apply(s *Schema) error {
	s.Comment = c.Comment
	return nil
}

// Definition is what CREATE TABLE says.
type Definition struct {
	Fields        []Field // ids are assigned
	PrimaryKeys   []string
	PartitionKeys []string
	Options       map[string]string
	Comment       string
}

// New makes version 0 of a table's schema: ids are assigned, primary key columns
// made NOT NULL, and a primary-key table without option bucket gets one bucket.
// The result has passed Validate and, unless it is a connector's table, Writable.
func New(d Definition, timeMillis int64) (*Schema, error) {
	s := &Schema{Version: FileVersion, HighestFieldID: -1, Comment: d.Comment, TimeMillis: timeMillis}
	s.PartitionKeys, s.PrimaryKeys = slices.Clone(d.PartitionKeys), slices.Clone(d.PrimaryKeys)
	s.Options = map[string]string{}
	for k, v := range d.Options {
		s.Options[k] = v
	}
	for _, f := range d.Fields {
		f.ID, f.Type = s.assignIDs(f.Type)
		if slices.Contains(d.PrimaryKeys, f.Name) {
			f.Type.NotNull = true
		}
		s.Fields = append(s.Fields, f)
	}
	if s.Connector() {
		return s, s.Validate()
	}
	if _, set := s.Options[OptBucket]; !set && s.HasPrimaryKey() {
		// Paimon's default would be dynamic buckets; a stored option means the same to every engine.
		s.Options[OptBucket] = "1"
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return s, s.Writable()
}

// Connector reports a table that is only the definition of something outside
// the warehouse: option connector names what.
func (s *Schema) Connector() bool {
	c := s.Options[OptConnector]
	return c != "" && c != "paimon"
}

func checkColumnName(name string) error {
	if name == "" {
		return errkind.Errorf(errkind.Invalid, "a column needs a name")
	}
	if strings.HasPrefix(name, KeyPrefix) || slices.Contains(systemColumns, name) {
		return errkind.Errorf(errkind.Invalid, "column name %q is reserved: Paimon's files use it", name)
	}
	return nil
}

// KeyPrefix begins the names of key columns in data files.
const KeyPrefix = "_KEY_"

var systemColumns = []string{"_SEQUENCE_NUMBER", "_VALUE_KIND", "_LEVEL", "rowkind", "_ROW_ID"}

func (s *Schema) mustExist(what string, names []string) error {
	for _, n := range names {
		if s.FieldIndex(n) < 0 {
			return fmt.Errorf("%s %q does not exist: the table has %s", what, n, s.columnList())
		}
	}
	return nil
}
