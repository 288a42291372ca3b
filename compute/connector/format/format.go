package format

import (
	"bytes"
	"fmt"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
)

// Names are the formats made of messages or lines.
var names = []string{"json", "debezium-json", "csv", "raw"}

// Decoder turns one message into rows. On an error no row of the message is left in b.
type Decoder interface {
	Decode(msg []byte, b *Batch) error
}

// Policy is what happens to a row that cannot be decoded.
type Policy uint8

// The policies: a dead letter by default, stopping by 'bad-rows' = 'fail', skipping by
// the format's own 'ignore-parse-errors'.
const (
	DeadLetters Policy = iota
	Fail
	Skip
)

// Format is a table's format with its options.
type Format struct {
	Name   string
	Policy Policy
	json   jsonOptions
	encode jsonEncodeOptions
	csv    csvOptions
	raw    rawOptions
}

// Read reads the format named by option prefix+"format" and its options (prefix+"json.…")
// from r; prefix is empty, "key." or "value.". Wrong values fail r.
func Read(r *connector.OptionReader, prefix, name string) *Format {
	f := &Format{Name: name}
	p := prefix + name + "."
	switch name {
	case "json", "debezium-json":
		f.json = jsonOptions{
			ignoreErrors: r.Bool(p+"ignore-parse-errors", false),
			iso:          r.Enum(p+"timestamp-format.standard", "SQL", "ISO-8601") == "ISO-8601",
		}
		if name == "json" {
			f.json.failOnMissing = r.Bool(p+"fail-on-missing-field", false)
		} else {
			f.json.schemaInclude = r.Bool(p+"schema-include", false)
		}
		f.encode = readJSONEncodeOptions(r, p)
		if f.json.failOnMissing && f.json.ignoreErrors {
			r.Fail(p+"fail-on-missing-field", "cannot be combined with '%signore-parse-errors'", p)
		}
	case "csv":
		f.csv = readCSVOptions(r, p)
	case "raw":
		f.raw = rawOptions{little: r.Enum(p+"endianness", "big-endian", "little-endian") == "little-endian"}
		r.Enum(p+"charset", "UTF-8")
	default:
		r.Fail(prefix+"format", "expected one of %v", names)
	}
	if r.Enum("bad-rows", "dead-letter", "fail") == "fail" {
		f.Policy = Fail
	}
	if f.json.ignoreErrors || f.csv.ignoreErrors {
		f.Policy = Skip
	}
	return f
}

// Decoder makes a decoder that fills the columns cols of batches of fields.
func (f *Format) Decoder(fields []connector.Field, cols []int) (Decoder, error) {
	switch f.Name {
	case "json":
		return newJSONDecoder(fields, cols, f.json)
	case "debezium-json":
		d, err := newJSONDecoder(fields, cols, f.json)
		return &debeziumDecoder{d}, err
	case "csv":
		return newCSVDecoder(fields, cols, f.csv)
	case "raw":
		return newRawDecoder(fields, cols, f.raw)
	}
	return nil, errkind.Errorf(errkind.Invalid, "format '%s' is unknown; known are %v", f.Name, names)
}

// Changes reports whether rows of the format carry kinds other than +I.
func (f *Format) Changes() bool { return f.Name == "debezium-json" }

// Place is where a message comes from, for errors and dead letters.
type Place struct{ Split, Position string }

// Take decodes a message into b and applies the policy to a bad one: it returns an error
// only if the policy is to fail.
func (f *Format) Take(d Decoder, msg []byte, at Place, b *Batch) error {
	err := d.Decode(msg, b)
	if err == nil {
		return nil
	}
	return f.Bad(err, msg, at, b)
}

// Bad applies the policy to a message that could not be taken.
func (f *Format) Bad(reason error, msg []byte, at Place, b *Batch) error {
	switch f.Policy {
	case Skip:
		return nil
	case Fail:
		return errkind.Errorf(errkind.Invalid, "%s at %s: %w ('bad-rows' = 'fail' is set)", at.Split, at.Position, reason)
	}
	b.Dead(at.Split, at.Position, reason.Error(), msg)
	return nil
}

// MaxRecordBytes bounds one record of a file: a longer one is most likely a file in another
// format, and holding it would not be bounded by anything else.
const MaxRecordBytes = 16 << 20

// Split is a bufio.SplitFunc that cuts a file into the format's records: lines, or for csv
// lines that do not end inside quotes. A last record without line end counts.
func (f *Format) Split(data []byte, atEOF bool) (advance int, record []byte, err error) {
	end := -1
	if f.Name == "csv" {
		end = f.csv.recordEnd(data)
	} else {
		end = bytes.IndexByte(data, '\n')
	}
	switch {
	case end >= 0:
		return end + 1, bytes.TrimSuffix(data[:end], []byte{'\r'}), nil
	case len(data) > MaxRecordBytes:
		return 0, nil, fmt.Errorf("record is longer than %d MiB: is the format %s right?", MaxRecordBytes>>20, f.Name)
	case atEOF && len(data) > 0:
		return len(data), bytes.TrimSuffix(data, []byte{'\r'}), nil
	}
	return 0, nil, nil
}

// Blank reports whether a record of a file holds nothing and is passed over.
func (f *Format) Blank(record []byte) bool {
	switch f.Name {
	case "raw":
		return false
	case "csv":
		return len(record) == 0 || f.csv.comments && record[0] == '#'
	}
	return len(bytes.TrimSpace(record)) == 0
}

// HasHeader reports whether the first record of a file names its columns.
func (f *Format) HasHeader() bool { return f.csv.header }
