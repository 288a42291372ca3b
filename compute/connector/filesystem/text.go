package filesystem

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/format"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
)

// textReader reads files of records: JSON lines, CSV, raw lines.
type textReader struct {
	format *format.Format
	fields []connector.Field
}

// records walks the records of a section of a file.
type records struct {
	s     *bufio.Scanner
	at    position // behind the current record
	start position // of the current record
}

const (
	scanBuffer = 256 << 10 // first buffer; grows up to a record's limit
	// checkEvery is how many records pass between looks at the context.
	checkEvery = 4096
)

func (r *textReader) scan(section io.Reader, from position) *records {
	rs := &records{at: from, start: from}
	rs.s = bufio.NewScanner(section)
	rs.s.Buffer(make([]byte, scanBuffer), format.MaxRecordBytes+1<<20)
	rs.s.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		n, rec, err := r.format.Split(data, atEOF)
		if n > 0 {
			rs.start = rs.at
			rs.at.bytes += int64(n)
			rs.at.records += int64(bytes.Count(data[:n], []byte{'\n'}))
			if rec == nil {
				rec = []byte{} // a blank record is still one
			}
		}
		return n, rec, err
	})
	return rs
}

// skip implements reader.
func (r *textReader) skip(ctx context.Context, f file, from position, n int) (position, int, bool, error) {
	fh, err := os.Open(f.path)
	if err != nil {
		return from, 0, false, fileError("open", f.path, err)
	}
	defer fh.Close()
	rs := r.scan(io.NewSectionReader(fh, from.bytes, f.size-from.bytes), from)
	count := 0
	for i := 0; count < n && rs.s.Scan(); i++ {
		if i%checkEvery == 0 && ctx.Err() != nil {
			return from, 0, false, ctx.Err()
		}
		if !r.format.Blank(rs.s.Bytes()) && !(r.format.HasHeader() && rs.start.bytes == 0) {
			count++
		}
	}
	if err := rs.s.Err(); err != nil {
		return from, 0, false, r.broken(f, rs, err)
	}
	return rs.at, count, rs.at.bytes >= f.size, nil
}

func (r *textReader) broken(f file, rs *records, err error) error {
	return errkind.Errorf(errkind.Invalid, "filesystem: %s: line %d: %w", f.path, rs.at.records+1, err)
}

// read implements reader.
func (r *textReader) read(ctx context.Context, f file, from, to position, fn func(connector.Chunk) error) error {
	fh, err := os.Open(f.path)
	if err != nil {
		return fileError("open", f.path, err)
	}
	defer fh.Close()
	dec, err := r.format.Decoder(r.fields, physical(r.fields))
	if err != nil {
		return err
	}
	if r.format.HasHeader() {
		if err := r.header(fh, f, dec); err != nil {
			return err
		}
	}
	b, err := format.NewBatch(memory.DefaultAllocator, r.fields)
	if err != nil {
		return err
	}
	defer b.Release()
	rs := r.scan(io.NewSectionReader(fh, from.bytes, to.bytes-from.bytes), from)
	for rs.s.Scan() {
		rec := rs.s.Bytes()
		if r.format.Blank(rec) || r.format.HasHeader() && rs.start.bytes == 0 {
			continue
		}
		if rs.start.bytes == 0 {
			rec = bytes.TrimPrefix(rec, []byte("\ufeff"))
		}
		if err := dec.Decode(rec, b); err != nil {
			at := format.Place{Split: f.split(), Position: fmt.Sprintf("line %d", rs.start.records+1)}
			if err := r.format.Bad(err, rec, at, b); err != nil {
				return err
			}
		}
		fillMetadata(b, r.fields, f)
		if b.Mark()+b.DeadLen() >= connector.MaxChunkRows/2 { // a record may hold an array of rows
			if err := flush(ctx, b, fn); err != nil {
				return err
			}
		}
	}
	if err := rs.s.Err(); err != nil {
		return r.broken(f, rs, err)
	}
	return flush(ctx, b, fn)
}

// header gives the decoder the names in a file's first record.
func (r *textReader) header(fh *os.File, f file, dec format.Decoder) error {
	rs := r.scan(io.NewSectionReader(fh, 0, f.size), position{})
	if !rs.s.Scan() {
		return rs.s.Err()
	}
	if err := dec.(format.HeaderDecoder).Header(rs.s.Bytes()); err != nil {
		return errkind.Errorf(errkind.Invalid, "filesystem: %s: %w", f.path, err)
	}
	return nil
}

// flush hands the batch on, in chunks within the limit.
func flush(ctx context.Context, b *format.Batch, fn func(connector.Chunk) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.Len() == 0 && b.DeadLen() == 0 {
		return nil
	}
	c, err := b.Flush()
	if err != nil {
		return err
	}
	defer c.Rows.Release()
	return connector.Cut(c, fn)
}

// physicalColumns are the columns a replay query must give.
func physicalColumns(t *plan.Table) []plan.Column {
	fields := connector.Fields(t)
	out := make([]plan.Column, len(fields))
	for i, f := range fields {
		out[i] = plan.Column{Name: f.Name, Type: f.Type}
	}
	return out
}

func appendMetadata(b array.Builder, key string, f file) {
	switch b := b.(type) {
	case *array.StringBuilder:
		if key == "file.name" {
			b.Append(filepath.Base(f.path))
		} else {
			b.Append(filepath.ToSlash(f.path))
		}
	case *array.Int64Builder:
		b.Append(f.size)
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(f.mod))
	}
}
