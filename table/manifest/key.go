package manifest

import (
	"fmt"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// ErrExternal: the file lies outside the table's folder and has no key in it.
var ErrExternal = errkind.New(errkind.Invalid, "manifest: the file lies outside the table")

// FileKey is the key of an entry's file, relative to the table, or ErrExternal.
func FileKey(s *schema.Schema, e *Entry) (string, error) {
	if e.File.ExternalPath != "" {
		return "", fmt.Errorf("%w: %s", ErrExternal, e.File.ExternalPath)
	}
	dir, err := s.BucketDir(e.Partition, e.Bucket)
	if err != nil {
		return "", fmt.Errorf("file %s: %w", e.File.Name, err)
	}
	return dir + "/" + e.File.Name, nil
}

// FileKeys are FileKey and the keys of the extra files beside it.
func FileKeys(s *schema.Schema, e *Entry) ([]string, error) {
	key, err := FileKey(s, e)
	if err != nil {
		return nil, err
	}
	keys := []string{key}
	dir := key[:len(key)-len(e.File.Name)]
	for _, x := range e.File.ExtraFiles {
		keys = append(keys, dir+x)
	}
	return keys, nil
}

// IndexKey is the key of an index file, relative to the table, or ErrExternal.
func IndexKey(e *IndexEntry) (string, error) {
	if e.ExternalPath != "" {
		return "", fmt.Errorf("%w: %s", ErrExternal, e.ExternalPath)
	}
	return schema.DirIndex + "/" + e.FileName, nil
}
