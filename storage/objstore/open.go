package objstore

import (
	"context"
	"net/url"
	"strings"

	"github.com/weir-lake/weir/internal/errkind"
)

// Options of Open; the zero value is durable and takes S3 settings from the
// environment as the AWS tools do.
type Options struct {
	Local LocalOptions
	S3    S3Options
}

// Open returns the store at uri: a path, "file:///path", "s3://bucket/prefix", or
// "mem:" (a new, empty store at each call). For S3 it asks the store whether it
// honours conditional puts and returns ErrNoConditionalPut if it does not.
func Open(ctx context.Context, uri string, opts Options) (Store, error) {
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok || strings.ContainsAny(scheme, "/.") {
		return NewLocal(uri, opts.Local)
	}
	switch scheme {
	case "mem":
		return NewMem(), nil
	case "file":
		u, err := url.Parse(uri)
		if err != nil || (u.Host != "" && u.Host != "localhost") || !strings.HasPrefix(u.Path, "/") {
			return nil, errkind.Errorf(errkind.Invalid, "open %s: want file:///absolute/path", uri)
		}
		return NewLocal(u.Path, opts.Local)
	case "s3", "s3a", "s3n": // Hadoop's spellings of the same thing
		bucket, prefix, _ := strings.Cut(strings.TrimPrefix(rest, "//"), "/")
		if !strings.HasPrefix(rest, "//") || bucket == "" || strings.ContainsAny(bucket, "@?#") {
			return nil, errkind.Errorf(errkind.Invalid, "open %s: want s3://bucket/prefix (credentials belong into the environment)", scheme+"://"+bucketName(bucket))
		}
		return NewS3(ctx, bucket, prefix, opts.S3)
	}
	return nil, errkind.Errorf(errkind.Invalid, "open %s:...: unknown scheme: want a path, file:, s3: or mem:", scheme)
}

// bucketName drops what may be a secret ("key:secret@bucket").
func bucketName(s string) string {
	return s[strings.LastIndexByte(s, '@')+1:]
}
