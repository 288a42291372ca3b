package objstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/s3test"
)

var errCut = errors.New("connection reset by the test")

// lossy sends requests to the server and, while drop is positive, throws away the
// replies to those that match: done, but reported failed.
type lossy struct {
	match func(*http.Request) bool
	drop  atomic.Int64
	seen  atomic.Int64
	after func() // called after each dropped reply; nil is nothing
}

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || !l.match(r) {
		return resp, err
	}
	l.seen.Add(1)
	if l.drop.Add(-1) < 0 {
		return resp, nil
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if l.after != nil {
		l.after()
	}
	return nil, errCut
}

func conditional(r *http.Request) bool { return r.Header.Get("If-None-Match") == "*" }

func openLossy(t *testing.T, server *s3test.Server, l *lossy) *objstore.S3 {
	t.Helper()
	opts := server.Options()
	opts.HTTPClient = &http.Client{Transport: l}
	opts.PartBytes = 5 << 20
	s, err := objstore.NewS3(t.Context(), server.Bucket(t), "wh", opts)
	if err != nil {
		t.Fatal(err)
	}
	l.seen.Store(0)
	return s
}

func TestS3LostReplyToSuccessfulPut(t *testing.T) {
	server := s3test.Start(t)
	for drops := int64(1); drops <= 5; drops++ { // five are all attempts: only reading back helps
		l := &lossy{match: conditional}
		s := openLossy(t, server, l)
		l.drop.Store(drops)
		if err := s.PutIfAbsent(t.Context(), "snapshot/snapshot-1", []byte("mine")); err != nil {
			t.Errorf("%d lost replies: the winner was told %v", drops, err)
		}
		l.drop.Store(0)
		if err := s.PutIfAbsent(t.Context(), "snapshot/snapshot-1", []byte("mine")); !errors.Is(err, objstore.ErrExists) {
			t.Errorf("%d lost replies: a second put of the same bytes: %v", drops, err)
		}
	}
}

// The loser whose reply was lost must not take the winner's equal bytes for its own.
func TestS3LostReplyToLosingPut(t *testing.T) {
	server := s3test.Start(t)
	for _, drops := range []int64{1, 5} {
		l := &lossy{match: conditional}
		s := openLossy(t, server, l)
		if err := s.PutIfAbsent(t.Context(), "k", []byte("same")); err != nil {
			t.Fatal(err)
		}
		l.drop.Store(drops)
		if err := s.PutIfAbsent(t.Context(), "k", []byte("same")); !errors.Is(err, objstore.ErrExists) {
			t.Errorf("%d lost replies: got %v, want ErrExists", drops, err)
		}
	}
}

func TestS3LostReplyToMultipartComplete(t *testing.T) {
	server := s3test.Start(t)
	for _, drops := range []int64{1, 5} {
		l := &lossy{match: func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") }}
		s := openLossy(t, server, l)
		l.drop.Store(drops)
		w, err := s.Create(t.Context(), "data/big")
		if err != nil {
			t.Fatal(err)
		}
		data := bytes.Repeat([]byte("weir"), 3<<20)
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Errorf("%d lost replies: %v", drops, err)
		}
		if got, err := objstore.ReadAll(t.Context(), s, "data/big"); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d lost replies: read %d bytes, %v", drops, len(got), err)
		}
	}
}

func TestS3CancelWhileReplyIsOpen(t *testing.T) {
	server := s3test.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	l := &lossy{match: conditional, after: cancel}
	s := openLossy(t, server, l)
	l.drop.Store(1)
	err := s.PutIfAbsent(ctx, "k", []byte("x"))
	if !errors.Is(err, context.Canceled) || errors.Is(err, objstore.ErrExists) {
		t.Errorf("got %v", err)
	}
	if n := l.seen.Load(); n != 1 {
		t.Errorf("%d requests after the cancel", n)
	}
}

func TestS3RetriesAreBounded(t *testing.T) {
	var asked atomic.Int64
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer down.Close()
	opts := objstore.S3Options{Endpoint: down.URL, AccessKey: "a", SecretKey: "b", AttemptsMax: 3, Backoff: time.Millisecond}
	_, err := objstore.NewS3(t.Context(), "bucket", "", opts)
	if !errkind.Is(err, errkind.Unavailable) || errors.Is(err, objstore.ErrNoConditionalPut) {
		t.Errorf("got %v", err)
	}
	if n := asked.Load(); n != 6 { // three puts, three read-backs
		t.Errorf("%d requests", n)
	}
}

// ignoringProxy stands before the server and takes If-None-Match off every request,
// so that together they are a store that ignores it. It signs anew: the signature
// covers the header.
func ignoringProxy(t *testing.T, server *s3test.Server) string {
	t.Helper()
	target, err := url.Parse(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	opts := server.Options()
	creds := aws.Credentials{AccessKeyID: opts.AccessKey, SecretAccessKey: opts.SecretKey}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	p := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = target.Host
		r.Out.Header.Del("If-None-Match")
		r.Out.Header.Del("Authorization")
		hash := r.Out.Header.Get("X-Amz-Content-Sha256")
		if err := signer.SignHTTP(r.Out.Context(), creds, r.Out, hash, "s3", opts.Region, time.Now()); err != nil {
			t.Error(err)
		}
	}}
	front := httptest.NewServer(p)
	t.Cleanup(front.Close)
	return front.URL
}

func TestS3RefusesStoreThatIgnoresIfNoneMatch(t *testing.T) {
	server := s3test.Start(t)
	bucket := server.Bucket(t)
	opts := server.Options()
	opts.Endpoint = ignoringProxy(t, server)
	_, err := objstore.Open(t.Context(), "s3://"+bucket+"/wh", objstore.Options{S3: opts})
	if !errors.Is(err, objstore.ErrNoConditionalPut) {
		t.Fatalf("got %v, want ErrNoConditionalPut", err)
	}
	if !strings.Contains(err.Error(), "s3://"+bucket+"/wh") {
		t.Errorf("the error does not name the store: %v", err)
	}
	opts.ReadOnly = true
	s, err := objstore.NewS3(t.Context(), bucket, "wh", opts)
	if err != nil {
		t.Fatalf("to read only: %v", err)
	}
	_, createErr := s.Create(t.Context(), "k")
	for op, err := range map[string]error{
		"put": s.Put(t.Context(), "k", nil), "putIfAbsent": s.PutIfAbsent(t.Context(), "k", nil),
		"create": createErr, "delete": s.Delete(t.Context(), "k"),
	} {
		if !errkind.Is(err, errkind.Denied) {
			t.Errorf("%s on a read-only store: %v", op, err)
		}
	}
}

func TestS3ProbeLeavesNothing(t *testing.T) {
	server := s3test.Start(t)
	s := server.Store(t)
	err := s.List(t.Context(), "", func(i objstore.Info) error { return fmt.Errorf("found %s", i.Key) })
	if err != nil {
		t.Error(err)
	}
}

func TestS3OpenErrors(t *testing.T) {
	server := s3test.Start(t)
	bucket := server.Bucket(t)
	wrong := server.Options()
	wrong.SecretKey = "another"
	refused := server.Options()
	refused.Endpoint, refused.AttemptsMax = "http://127.0.0.1:1", 1
	for _, tc := range []struct {
		name, bucket string
		opts         objstore.S3Options
		kind         errkind.Kind
		want         string
	}{
		{"no bucket", "no-such-bucket", server.Options(), errkind.NotFound, "no-such-bucket"},
		{"wrong secret", bucket, wrong, errkind.Denied, bucket},
		{"nobody listens", bucket, refused, errkind.Unavailable, bucket},
		{"small parts", bucket, objstore.S3Options{AccessKey: "a", SecretKey: "b", PartBytes: 1}, errkind.Invalid, "PartBytes"},
	} {
		_, err := objstore.NewS3(t.Context(), tc.bucket, "", tc.opts)
		if errkind.Of(err) != tc.kind || err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got kind %v: %v", tc.name, errkind.Of(err), err)
		}
		if err != nil && strings.Contains(err.Error(), "weir-test-secret") {
			t.Errorf("%s: the secret is in the error: %v", tc.name, err)
		}
	}
}

func TestS3SettingsFromEnvironment(t *testing.T) {
	server := s3test.Start(t)
	for _, kv := range server.Env() {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	bucket := server.Bucket(t)
	s, err := objstore.Open(t.Context(), "s3://"+bucket+"/a/b/", objstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "c", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(server.Dir, bucket, "a", "b", "c")); err != nil {
		t.Error(err)
	}
	if got := s.URI("c"); got != "s3://"+bucket+"/a/b/c" {
		t.Errorf("URI %q", got)
	}
}

// cutBody ends the first bodies early, as a lost connection does.
type cutBody struct {
	cuts  atomic.Int64
	limit int64
}

func (c *cutBody) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet && c.cuts.Add(-1) >= 0 {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(resp.Body, c.limit), errReader{}), resp.Body}
	}
	return resp, err
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errCut }

func TestS3ReadGoesOnWhereItBroke(t *testing.T) {
	server := s3test.Start(t)
	data := bytes.Repeat([]byte("0123456789"), 10_000)
	opts := server.Options()
	c := &cutBody{limit: 777}
	opts.HTTPClient = &http.Client{Transport: c}
	s, err := objstore.NewS3(t.Context(), server.Bucket(t), "", opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "k", data); err != nil {
		t.Fatal(err)
	}
	c.cuts.Store(3)
	r, err := s.Get(t.Context(), "k", 10, 50_000)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, data[10:50_010]) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	c.cuts.Store(100)
	if _, err := objstore.ReadAll(t.Context(), s, "k"); !errkind.Is(err, errkind.Unavailable) {
		t.Errorf("a connection that always breaks: %v", err)
	}
}

// A read that was broken must not go on in another version of the object.
func TestS3ReadDoesNotMixVersions(t *testing.T) {
	server := s3test.Start(t)
	opts := server.Options()
	c := &cutBody{limit: 10}
	opts.HTTPClient = &http.Client{Transport: c}
	s, err := objstore.NewS3(t.Context(), server.Bucket(t), "", opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "k", bytes.Repeat([]byte("a"), 1000)); err != nil {
		t.Fatal(err)
	}
	c.cuts.Store(1)
	r, err := s.Get(t.Context(), "k", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := s.Put(t.Context(), "k", bytes.Repeat([]byte("b"), 1000)); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err == nil || bytes.Contains(got, []byte("b")) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}
