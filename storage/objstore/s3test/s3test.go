package s3test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/weir-lake/weir/internal/testpeer"
	"github.com/weir-lake/weir/storage/objstore"
)

const (
	accessKey = "weir-test"
	secretKey = "weir-test-secret"
	region    = "us-east-1"
	// startTimeout covers a machine that is busy with other tests; the server
	// itself needs a tenth of a second.
	startTimeout = 30 * time.Second
	// startAttempts: a port found free may be taken before the server binds it.
	startAttempts = 3
)

// Server is a running S3 server.
type Server struct {
	Endpoint string // "http://127.0.0.1:port"
	Dir      string // holds the buckets as plain folders
}

// Start runs a server until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	bin := testpeer.Binary(t, "WEIR_VERSITYGW", "versitygw", "scripts/tools.sh versitygw")
	dir := t.TempDir()
	var err error
	for range startAttempts {
		var s *Server
		if s, err = start(t, bin, dir); err == nil {
			return s
		}
	}
	t.Fatalf("start %s: %v", bin, err)
	return nil
}

func start(t testing.TB, bin, dir string) (*Server, error) {
	addr := testpeer.FreeAddr(t)
	cmd := exec.Command(bin, "--port", addr, "--access", accessKey, "--secret", secretKey, "--region", region, "posix", dir)
	cmd.Dir = dir
	p, err := testpeer.Start(t, cmd)
	if err != nil {
		return nil, err
	}
	if err := p.WaitListening(addr, startTimeout); err != nil {
		p.Kill()
		return nil, err
	}
	return &Server{Endpoint: "http://" + addr, Dir: dir}, nil
}

// Options returns the settings to reach the server.
func (s *Server) Options() objstore.S3Options {
	return objstore.S3Options{
		Endpoint: s.Endpoint, Region: region, AccessKey: accessKey, SecretKey: secretKey,
		Backoff: time.Millisecond, // a server on this machine has no congestion to wait for
	}
}

// Env returns the settings to reach the server as environment of a process.
func (s *Server) Env() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + s.Endpoint, "AWS_REGION=" + region,
		"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey,
	}
}

// Bucket makes a new bucket and returns its name. versitygw takes a folder of its
// root as a bucket.
func (s *Server) Bucket(t testing.TB) string {
	t.Helper()
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	name := "bucket-" + hex.EncodeToString(b[:])
	if err := os.Mkdir(filepath.Join(s.Dir, name), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// Store opens a store in a new bucket.
func (s *Server) Store(t testing.TB) *objstore.S3 {
	t.Helper()
	store, err := objstore.NewS3(context.Background(), s.Bucket(t), "wh", s.Options())
	if err != nil {
		t.Fatal(err)
	}
	return store
}
