package objstore

import (
	"strings"
	"unicode/utf8"

	"github.com/weir-lake/weir/internal/errkind"
)

const (
	// keyBytesMax is S3's limit; keeping to it everywhere lets a local warehouse
	// be copied to S3 without renaming.
	keyBytesMax = 1024
	// segmentBytesMax is NAME_MAX of the common local file systems.
	segmentBytesMax = 255
	// tempPrefix begins the names of files that local disk has not published yet.
	// They are never listed and no key may use them.
	tempPrefix = ".weir-tmp-"
)

// ValidateKey reports as kind Invalid why key cannot name an object; nil if it can.
func ValidateKey(key string) error {
	if key == "" {
		return errkind.Errorf(errkind.Invalid, "objstore: empty key: name an object")
	}
	if len(key) > keyBytesMax {
		return errkind.Errorf(errkind.Invalid, "objstore: key %.40q... has %d bytes: at most %d are allowed", key, len(key), keyBytesMax)
	}
	if !utf8.ValidString(key) || strings.IndexByte(key, 0) >= 0 {
		return errkind.Errorf(errkind.Invalid, "objstore: key %q: must be UTF-8 without NUL", key)
	}
	for seg := range strings.SplitSeq(key, "/") {
		switch {
		case seg == "":
			return errkind.Errorf(errkind.Invalid, "objstore: key %q has an empty segment: remove the extra slash", key)
		case seg == "." || seg == "..":
			return errkind.Errorf(errkind.Invalid, "objstore: key %q: segment %q is not allowed", key, seg)
		case len(seg) > segmentBytesMax:
			return errkind.Errorf(errkind.Invalid, "objstore: key %.40q...: a segment has %d bytes, at most %d are allowed", key, len(seg), segmentBytesMax)
		case strings.HasPrefix(seg, tempPrefix):
			return errkind.Errorf(errkind.Invalid, "objstore: key %q: names beginning with %q are reserved", key, tempPrefix)
		}
	}
	return nil
}

// validatePrefix accepts what List takes: "" or the beginning of a valid key.
func validatePrefix(prefix string) error {
	dir := strings.TrimSuffix(prefix, "/")
	if prefix == "" {
		return nil
	}
	if dir == "" || strings.HasSuffix(dir, "/") {
		return errkind.Errorf(errkind.Invalid, "objstore: prefix %q has an empty segment: remove the extra slash", prefix)
	}
	// The last segment may be cut short, so "." could begin ".weir".
	if i := strings.LastIndexByte(dir, '/'); prefix == dir && (dir[i+1:] == "." || dir[i+1:] == "..") {
		if i < 0 {
			return nil
		}
		dir = dir[:i]
	}
	return ValidateKey(dir)
}

// cleanDir checks a folder as ListDirs takes it and returns "" or "a/b/".
func cleanDir(dir string) (string, error) {
	dir = strings.TrimSuffix(dir, "/")
	if dir == "" {
		return "", nil
	}
	if err := ValidateKey(dir); err != nil {
		return "", err
	}
	return dir + "/", nil
}

func validateRange(key string, offset int64) error {
	if err := ValidateKey(key); err != nil {
		return err
	}
	if offset < 0 {
		return errkind.Errorf(errkind.Invalid, "objstore: get %q: offset %d is negative", key, offset)
	}
	return nil
}
