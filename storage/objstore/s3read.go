package objstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Get implements Store. A connection lost in the middle is taken up again where it
// broke, as long as the object is the same.
func (s *S3) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := validateRange(key, offset); err != nil {
		return nil, err
	}
	if length == 0 { // a Range header cannot say "no bytes"
		if _, err := s.Stat(ctx, key); err != nil {
			return nil, err
		}
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	r := &s3Reader{ctx: ctx, store: s, key: key, offset: offset, left: length}
	if err := r.open(); err != nil {
		if httpStatus(err) == http.StatusRequestedRangeNotSatisfiable {
			return io.NopCloser(bytes.NewReader(nil)), nil
		}
		return nil, s.wrap("get", key, err)
	}
	return r, nil
}

// s3Reader streams a range of one version of an object.
type s3Reader struct {
	ctx    context.Context // of Get: an io.Reader has no other way to be cancelled
	store  *S3
	key    string
	offset int64  // of the next byte
	left   int64  // bytes still to come; negative until the first reply says
	etag   string // of the first reply; later requests insist on it
	body   io.ReadCloser
	resume int // times the body was opened again
}

func (r *s3Reader) open() error {
	in := &s3.GetObjectInput{Bucket: aws.String(r.store.bucket), Key: r.store.object(r.key)}
	switch {
	case r.left >= 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", r.offset, r.offset+r.left-1))
	case r.offset > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", r.offset))
	}
	if r.etag != "" {
		in.IfMatch = aws.String(r.etag)
	}
	out, err := r.store.client.GetObject(r.ctx, in)
	if err != nil {
		return err
	}
	if out.ContentLength == nil { // without it a cut-off body would look complete
		_ = out.Body.Close()
		return errors.New("the store's reply has no Content-Length")
	}
	r.body, r.left, r.etag = out.Body, aws.ToInt64(out.ContentLength), aws.ToString(out.ETag)
	return nil
}

func (r *s3Reader) Read(p []byte) (int, error) {
	for {
		if r.left == 0 {
			return 0, io.EOF
		}
		n, err := r.body.Read(p)
		r.offset += int64(n)
		r.left -= int64(n)
		if n > 0 || err == nil || r.left == 0 {
			if r.left > 0 || err == io.EOF {
				err = nil // the next call sees the end or the failure
			}
			return n, err
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if r.ctx.Err() != nil {
			return 0, fmt.Errorf("get %s: %w", r.store.URI(r.key), r.ctx.Err())
		}
		if r.resume++; r.resume >= r.store.opts.AttemptsMax {
			return 0, r.store.wrap("get", r.key, err)
		}
		_ = r.body.Close()
		if err := r.open(); err != nil {
			r.body = http.NoBody
			return 0, r.store.wrap("get", r.key, err)
		}
	}
}

func (r *s3Reader) Close() error { return r.body.Close() }

// Stat implements Store.
func (s *S3) Stat(ctx context.Context, key string) (Info, error) {
	if err := ValidateKey(key); err != nil {
		return Info{}, err
	}
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(s.bucket), Key: s.object(key)})
	if err != nil {
		return Info{}, s.wrap("stat", key, err)
	}
	return Info{Key: key, Size: aws.ToInt64(out.ContentLength), ModTime: aws.ToTime(out.LastModified), ETag: aws.ToString(out.ETag)}, nil
}

// List implements Store. Folder markers (empty objects whose key ends in a slash,
// as Hadoop and consoles make them) are left out.
func (s *S3) List(ctx context.Context, prefix string, fn func(Info) error) error {
	if err := validatePrefix(prefix); err != nil {
		return err
	}
	return s.pages(ctx, prefix, "", func(out *s3.ListObjectsV2Output) error {
		for _, o := range out.Contents {
			key := strings.TrimPrefix(aws.ToString(o.Key), s.prefix)
			if key == "" || strings.HasSuffix(key, "/") {
				continue
			}
			info := Info{Key: key, Size: aws.ToInt64(o.Size), ModTime: aws.ToTime(o.LastModified), ETag: aws.ToString(o.ETag)}
			if err := fn(info); err != nil {
				return err
			}
		}
		return nil
	})
}

// ListDirs implements Store.
func (s *S3) ListDirs(ctx context.Context, dir string) ([]string, error) {
	dir, err := cleanDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	add := func(key *string) {
		name := strings.TrimPrefix(aws.ToString(key), s.prefix+dir)
		if name = strings.TrimSuffix(name, "/"); name != "" {
			names = append(names, name)
		}
	}
	err = s.pages(ctx, dir, "/", func(out *s3.ListObjectsV2Output) error {
		for _, p := range out.CommonPrefixes {
			add(p.Prefix)
		}
		for _, o := range out.Contents {
			add(o.Key)
		}
		return nil
	})
	slices.Sort(names)
	return slices.Compact(names), err
}

func (s *S3) pages(ctx context.Context, prefix, delimiter string, fn func(*s3.ListObjectsV2Output) error) error {
	in := &s3.ListObjectsV2Input{Bucket: aws.String(s.bucket), Prefix: aws.String(s.prefix + prefix)}
	if delimiter != "" {
		in.Delimiter = aws.String(delimiter)
	}
	for p := s3.NewListObjectsV2Paginator(s.client, in); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		if err != nil {
			return s.wrap("list", prefix, err)
		}
		if err := fn(out); err != nil {
			return err
		}
	}
	return nil
}
