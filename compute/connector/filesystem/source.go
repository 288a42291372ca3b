package filesystem

import (
	"context"
	"sort"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/format"
	"github.com/weir-lake/weir/compute/connector/replay"
	"github.com/weir-lake/weir/internal/errkind"
)

// reader reads files of one format.
type reader interface {
	// skip is the position at most n records behind from, and whether the file ends there.
	skip(ctx context.Context, f file, from position, n int) (to position, records int, end bool, err error)
	// read streams the records of [from, to).
	read(ctx context.Context, f file, from, to position, fn func(connector.Chunk) error) error
}

// source reads the files of a path. It is used by one goroutine at a time.
type source struct {
	opts   options
	reader reader
	now    func() time.Time

	files  []file
	listed time.Time // zero: never
	ended  map[string]bool
}

func openSource(ctx context.Context, c connector.Context) (connector.Source, error) {
	o, err := parse(c.Table, c.Options)
	if err != nil {
		return nil, err
	}
	if c.Bounded || o.isReplay {
		o.monitor = 0
	}
	s := &source{opts: o, now: c.Now, ended: map[string]bool{}}
	if s.now == nil {
		s.now = time.Now
	}
	fields := connector.Fields(c.Table)
	if o.replay.Query != "" {
		if c.RunQuery == nil {
			return nil, errkind.Errorf(errkind.Invalid, "option 'replay.query' needs a session that can run it; it is not available here")
		}
		return replay.Open(c, o.replay, func(ctx context.Context) (array.RecordReader, error) {
			return c.RunQuery(ctx, o.replay.Query, physicalColumns(c.Table))
		})
	}
	if s.reader, err = newReader(o, fields); err != nil {
		return nil, err
	}
	if o.isReplay {
		return replay.Open(c, o.replay, func(ctx context.Context) (array.RecordReader, error) { return s.all(ctx, fields) })
	}
	return s, ctx.Err()
}

func newReader(o options, fields []connector.Field) (reader, error) {
	if o.text == nil {
		return newParquetReader(fields)
	}
	_, err := o.text.Decoder(fields, physical(fields))
	return &textReader{format: o.text, fields: fields}, err
}

// refresh lists the files at the first call and, when watching, after each interval.
func (s *source) refresh() error {
	now := s.now()
	if !s.listed.IsZero() && (s.opts.monitor == 0 || now.Sub(s.listed) < s.opts.monitor) {
		return nil
	}
	files, err := list(s.opts.path)
	if err != nil {
		return err
	}
	if len(files) == 0 && s.opts.monitor == 0 {
		return errkind.Errorf(errkind.NotFound, "filesystem: no file at %s", s.opts.path)
	}
	s.files, s.listed = files, now
	return nil
}

// Poll implements connector.Source. Files are read in path order, one after the other.
func (s *source) Poll(ctx context.Context, from connector.Offsets, maxRows int) (connector.Offsets, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	if err := s.refresh(); err != nil {
		return nil, false, err
	}
	known := make(map[string]bool, len(s.files))
	for _, f := range s.files {
		known[f.split()] = true
	}
	for split := range from {
		if !known[split] {
			return nil, false, lost(split)
		}
	}
	to, end, moved := from, true, false
	for _, f := range s.files {
		p, err := f.at(from)
		if err != nil {
			return nil, false, err
		}
		key := f.split() + string(p.String())
		if s.ended[key] {
			continue
		}
		if maxRows <= 0 {
			end = false
			break
		}
		next, n, done, err := s.reader.skip(ctx, f, p, maxRows)
		if err != nil {
			return nil, false, err
		}
		if next != p {
			if !moved {
				to, moved = from.Clone(), true
			}
			to[f.split()] = next.String()
		}
		if done {
			s.ended[f.split()+string(next.String())] = true
		}
		maxRows -= n
		end = end && done
	}
	return to, end && s.opts.monitor == 0, nil
}

// Read implements connector.Source.
func (s *source) Read(ctx context.Context, from, to connector.Offsets, fn func(connector.Chunk) error) error {
	splits := make([]string, 0, len(to))
	for split, p := range to {
		if from[split] != p {
			splits = append(splits, split)
		}
	}
	sort.Strings(splits)
	for _, split := range splits {
		f, err := find(split)
		if err != nil {
			return err
		}
		end, err := f.at(to)
		if err != nil {
			return err
		}
		start, err := f.at(from)
		if err != nil {
			return err
		}
		if err := s.reader.read(ctx, f, start, end, fn); err != nil {
			return err
		}
	}
	return nil
}

// all reads every row of every file, for a replay.
func (s *source) all(ctx context.Context, fields []connector.Field) (array.RecordReader, error) {
	schema, err := connector.ArrowSchema(fields)
	if err != nil {
		return nil, err
	}
	to, end := connector.Offsets(nil), false
	const step = 1 << 20 // rows at a time; the positions between do not matter here
	for !end {
		if to, end, err = s.Poll(ctx, to, step); err != nil {
			return nil, err
		}
	}
	var recs []arrow.RecordBatch
	defer func() {
		for _, r := range recs {
			r.Release()
		}
	}()
	err = s.Read(ctx, nil, to, func(c connector.Chunk) error {
		if len(c.Dead) > 0 {
			d := c.Dead[0]
			return errkind.Errorf(errkind.Invalid, "filesystem: %s, %s: %s; a replay needs every row", d.Split, d.Position, d.Reason)
		}
		c.Rows.Retain()
		recs = append(recs, c.Rows)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return array.NewRecordReader(schema, recs)
}

// Commit implements connector.Source: files keep no position of their readers.
func (s *source) Commit(context.Context, connector.Offsets) error { return nil }

// Close implements connector.Source.
func (s *source) Close() error { return nil }

// fillMetadata appends a file's metadata for rows that were decoded without it.
func fillMetadata(b *format.Batch, fields []connector.Field, f file) {
	for i, field := range fields {
		if field.Metadata == "" {
			continue
		}
		for col := b.Column(i); col.Len() < b.Mark(); {
			appendMetadata(col, field.Metadata, f)
		}
	}
}

// metadataColumn is a file's metadata as n values.
func metadataColumn(field connector.Field, f file, n int) (arrow.Array, error) {
	t, err := field.Type.ArrowType()
	if err != nil {
		return nil, err
	}
	b := array.NewBuilder(memory.DefaultAllocator, t)
	defer b.Release()
	for range n {
		appendMetadata(b, field.Metadata, f)
	}
	return b.NewArray(), nil
}
