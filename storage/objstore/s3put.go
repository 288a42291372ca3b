package objstore

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/weir-lake/weir/internal/errkind"
)

// Put implements Store.
func (s *S3) Put(ctx context.Context, key string, data []byte) error {
	if err := s.ready("put", key); err != nil {
		return err
	}
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(s.bucket), Key: s.object(key), Body: bytes.NewReader(data),
	})
	return s.wrap("put", key, err)
}

// PutIfAbsent implements Store.
func (s *S3) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	if err := s.ready("put", key); err != nil {
		return err
	}
	return s.putOnce(ctx, key, newToken(), data)
}

func (s *S3) putOnce(ctx context.Context, key, token string, data []byte) error {
	if data == nil {
		data = []byte{} // isMine takes nil for "not at hand"
	}
	send := func(opt func(*s3.Options)) error {
		_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String(s.bucket), Key: s.object(key), Body: bytes.NewReader(data),
			IfNoneMatch: aws.String("*"), Metadata: map[string]string{putTokenKey: token},
		}, opt)
		return err
	}
	return s.publish(ctx, key, send, func(ctx context.Context) (bool, error) { return s.isMine(ctx, key, token, data) })
}

// publish sends a conditional request until its outcome is known. The SDK's own
// retries are off: they would turn "lost reply, then 412" into a plain 412 and a
// winner into a loser. mine tells whether the object there is ours.
func (s *S3) publish(ctx context.Context, key string, send func(func(*s3.Options)) error, mine func(context.Context) (bool, error)) error {
	noRetry := func(o *s3.Options) { o.Retryer = aws.NopRetryer{} }
	open := false // an earlier attempt may have succeeded unseen
	var err error
	for attempt := range s.opts.AttemptsMax {
		if attempt > 0 {
			if werr := s.wait(ctx, attempt); werr != nil {
				return fmt.Errorf("put %s: %w", s.URI(key), werr)
			}
		}
		err = send(noRetry)
		if err == nil {
			return nil
		}
		if decided(err) {
			if !open {
				return s.wrap("put", key, err)
			}
			break
		}
		// A 409 (another conditional put is under way) did nothing.
		open = open || httpStatus(err) != http.StatusConflict
		if ctx.Err() != nil {
			return fmt.Errorf("put %s: outcome unknown: %w", s.URI(key), ctx.Err())
		}
	}
	won, rerr := mine(ctx)
	switch {
	case rerr != nil:
		return errkind.Errorf(errkind.Unavailable, "put %s: outcome unknown: read back: %w (after %w)", s.URI(key), rerr, err)
	case won:
		return nil
	}
	return fmt.Errorf("put %s: %w", s.URI(key), ErrExists)
}

// decided reports whether the reply says for certain what this attempt did.
func decided(err error) bool {
	status := httpStatus(err)
	switch {
	case status == 0, status >= 500, status == http.StatusConflict, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return false
	}
	return apiCode(err) != "RequestTimeout" && apiCode(err) != "SlowDown"
}

func (s *S3) wait(ctx context.Context, attempt int) error {
	delay, err := backoff(s.opts.Backoff).BackoffDelay(attempt, nil)
	if err != nil {
		return err
	}
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// isMine compares the token of the object there, and the bytes if the store does
// not keep metadata. data is nil when they are no longer at hand.
func (s *S3) isMine(ctx context.Context, key, token string, data []byte) (bool, error) {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(s.bucket), Key: s.object(key)})
	if err != nil {
		return false, s.wrap("stat", key, err)
	}
	if got, ok := out.Metadata[putTokenKey]; ok {
		return got == token, nil
	}
	if data == nil {
		return false, errkind.Errorf(errkind.Unavailable, "the store does not keep metadata, so the writer of %s is unknown", s.URI(key))
	}
	if aws.ToInt64(out.ContentLength) != int64(len(data)) {
		return false, nil
	}
	there, err := ReadAll(ctx, s, key)
	return err == nil && bytes.Equal(there, data), err
}

// Delete implements Store.
func (s *S3) Delete(ctx context.Context, key string) error {
	if err := s.ready("delete", key); err != nil {
		return err
	}
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(s.bucket), Key: s.object(key)})
	if httpStatus(err) == http.StatusNotFound && apiCode(err) != "NoSuchBucket" {
		return nil
	}
	return s.wrap("delete", key, err)
}

// Create implements Store. Up to one part is sent as a single conditional put at
// Close, more as a multipart upload. Close returns ErrExists if the key is taken.
func (s *S3) Create(ctx context.Context, key string) (Writer, error) {
	if err := s.ready("put", key); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("put %s: %w", s.URI(key), err)
	}
	return &s3Writer{ctx: ctx, store: s, key: key, token: newToken()}, nil
}

type s3Writer struct {
	ctx    context.Context // of Create: an io.Writer has no other way to be cancelled
	store  *S3
	key    string
	token  string
	buf    []byte // at most PartBytes
	upload string // id of the multipart upload; "" before the second part begins
	parts  []types.CompletedPart
	done   bool
}

func (w *s3Writer) Write(p []byte) (int, error) {
	if w.done {
		return 0, errClosedWriter(w.key)
	}
	if err := w.ctx.Err(); err != nil {
		return 0, fmt.Errorf("write %s: %w", w.store.URI(w.key), err)
	}
	written := 0
	for written < len(p) {
		if len(w.buf) == w.store.opts.PartBytes {
			if err := w.flush(); err != nil {
				return written, err
			}
		}
		n := min(len(p)-written, w.store.opts.PartBytes-len(w.buf))
		w.buf = append(w.buf, p[written:written+n]...)
		written += n
	}
	return written, nil
}

// flush sends the buffer as the next part.
func (w *s3Writer) flush() error {
	s := w.store
	if w.upload == "" {
		out, err := s.client.CreateMultipartUpload(w.ctx, &s3.CreateMultipartUploadInput{
			Bucket: aws.String(s.bucket), Key: s.object(w.key), Metadata: map[string]string{putTokenKey: w.token},
		})
		if err != nil {
			return s.wrap("write", w.key, err)
		}
		w.upload = aws.ToString(out.UploadId)
	}
	number := int32(len(w.parts) + 1)
	if number > s3PartsMax {
		return errkind.Errorf(errkind.Exhausted, "write %s: larger than %d parts of %d bytes: raise PartBytes", s.URI(w.key), s3PartsMax, s.opts.PartBytes)
	}
	out, err := s.client.UploadPart(w.ctx, &s3.UploadPartInput{
		Bucket: aws.String(s.bucket), Key: s.object(w.key), UploadId: aws.String(w.upload),
		PartNumber: aws.Int32(number), Body: bytes.NewReader(w.buf),
	})
	if err != nil {
		return s.wrap("write", w.key, err)
	}
	w.parts = append(w.parts, types.CompletedPart{
		PartNumber: aws.Int32(number), ETag: out.ETag,
		ChecksumCRC32: out.ChecksumCRC32, ChecksumCRC32C: out.ChecksumCRC32C, ChecksumCRC64NVME: out.ChecksumCRC64NVME,
	})
	w.buf = w.buf[:0]
	return nil
}

func (w *s3Writer) Close() error {
	if w.done {
		return errClosedWriter(w.key)
	}
	defer w.Abort()
	s := w.store
	if w.upload == "" {
		return s.putOnce(w.ctx, w.key, w.token, w.buf)
	}
	if err := w.flush(); err != nil {
		return err
	}
	send := func(opt func(*s3.Options)) error {
		_, err := s.client.CompleteMultipartUpload(w.ctx, &s3.CompleteMultipartUploadInput{
			Bucket: aws.String(s.bucket), Key: s.object(w.key), UploadId: aws.String(w.upload), IfNoneMatch: aws.String("*"),
			MultipartUpload: &types.CompletedMultipartUpload{Parts: w.parts},
		}, opt)
		return err
	}
	err := s.publish(w.ctx, w.key, send, func(ctx context.Context) (bool, error) { return s.isMine(ctx, w.key, w.token, nil) })
	if err == nil {
		w.upload = "" // nothing left to abort
	}
	return err
}

// Abort implements Writer.
func (w *s3Writer) Abort() {
	if w.done {
		return
	}
	w.done, w.buf = true, nil
	if w.upload == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), s3CleanupTimeout)
	defer cancel()
	// The parts of an upload nobody aborts stay hidden; buckets have a lifecycle
	// rule for them, so a failure here costs storage only.
	_, _ = w.store.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: aws.String(w.store.bucket), Key: w.store.object(w.key), UploadId: aws.String(w.upload),
	})
}
