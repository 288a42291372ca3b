package filesystem

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/format"
)

// Redecode implements connector.Redecoder: what was kept of the line is read again. Its file is looked at for the
// names in its first line and for metadata alone.
func (s *source) Redecode(ctx context.Context, d connector.DeadLetter) (connector.Chunk, error) {
	path, ok := strings.CutPrefix(d.Split, splitPrefix)
	text, isText := s.reader.(*textReader)
	if !ok || !isText || !s.owns(filepath.FromSlash(path)) {
		return connector.Chunk{}, connector.ErrOtherTable
	}
	if err := ctx.Err(); err != nil {
		return connector.Chunk{}, err
	}
	if !d.Whole() {
		return d.Still("only the beginning of the line was kept"), nil
	}
	return text.again(file{path: filepath.FromSlash(path)}, d)
}

// owns reports whether the file lies where the table reads, whether or not it is still there.
func (s *source) owns(path string) bool {
	for at := path; ; at = filepath.Dir(at) {
		if at == filepath.Clean(s.opts.path) {
			return true
		}
		if ok, err := filepath.Match(s.opts.path, at); err == nil && ok {
			return true
		}
		if at == filepath.Dir(at) {
			return false
		}
	}
}

// again decodes one line of a file.
func (r *textReader) again(f file, d connector.DeadLetter) (connector.Chunk, error) {
	dec, err := r.format.Decoder(r.fields, physical(r.fields))
	if err != nil {
		return connector.Chunk{}, err
	}
	info, err := os.Stat(f.path)
	switch {
	case err == nil:
		f = describe(f.path, info)
	case r.format.HasHeader() || r.needsFile():
		return d.Still("%v", fileError("open", f.path, err)), nil
	}
	if r.format.HasHeader() {
		fh, err := os.Open(f.path)
		if err != nil {
			return d.Still("%v", fileError("open", f.path, err)), nil
		}
		defer fh.Close()
		if err := r.header(fh, f, dec); err != nil {
			return d.Still("%v", err), nil
		}
	}
	b, err := format.NewBatch(memory.DefaultAllocator, r.fields)
	if err != nil {
		return connector.Chunk{}, err
	}
	defer b.Release()
	if err := dec.Decode(d.Raw, b); err != nil {
		return d.Still("%v", err), nil
	}
	fillMetadata(b, r.fields, f)
	return b.Flush()
}

// needsFile reports metadata that only the file itself tells.
func (r *textReader) needsFile() bool {
	for _, f := range r.fields {
		if f.Metadata != "" && f.Metadata != "file.name" && f.Metadata != "file.path" {
			return true
		}
	}
	return false
}
