package objstore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

func exampleContext() context.Context { return context.Background() }

func TestOpenByURI(t *testing.T) {
	dir := t.TempDir()
	for uri, want := range map[string]string{
		dir:                           filepath.Join(dir, "k"),
		dir + "/":                     filepath.Join(dir, "k"),
		"file://" + dir:               filepath.Join(dir, "k"),
		"file:" + dir:                 filepath.Join(dir, "k"),
		"file://localhost" + dir:      filepath.Join(dir, "k"),
		"file://" + dir + "/a%20b":    filepath.Join(dir, "a b", "k"),
		filepath.Join(dir, "x:y"):     filepath.Join(dir, "x:y", "k"),
		filepath.Join(dir, "not/yet"): filepath.Join(dir, "not/yet/k"),
		"mem:":                        "mem:k",
	} {
		s, err := objstore.Open(t.Context(), uri, objstore.Options{})
		if err != nil {
			t.Errorf("%s: %v", uri, err)
			continue
		}
		if got := s.URI("k"); got != want {
			t.Errorf("%s: URI %q, want %q", uri, got, want)
		}
		if err := s.Put(t.Context(), "k", nil); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, uri := range []string{"", "file://host/x", "file:relative", "gs://b/x", "s3:/b", "s3://", "s3:///x", "http://x/y"} {
		if _, err := objstore.Open(t.Context(), uri, objstore.Options{}); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%q: got %v, want kind invalid", uri, err)
		}
	}
	_, err := objstore.Open(t.Context(), "s3://AKIA:verysecret@bucket/x", objstore.Options{})
	if err == nil || strings.Contains(err.Error(), "verysecret") {
		t.Errorf("secret in the URI: %v", err)
	}
}

func TestOpenS3WithoutCredentials(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	_, err := objstore.Open(t.Context(), "s3://bucket/x", objstore.Options{})
	if !errkind.Is(err, errkind.Denied) || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("got %v", err)
	}
}

func TestMemStoresAreSeparate(t *testing.T) {
	a, b := objstore.NewMem(), objstore.NewMem()
	if err := a.Put(t.Context(), "k", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stat(t.Context(), "k"); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("got %v", err)
	}
}

// FuzzValidateKey: an accepted key stays below the root and lists as it was put.
func FuzzValidateKey(f *testing.F) {
	for _, key := range []string{"a", "a/b", "../a", "a//b", "", "é/日本", "a/.b", ".weir-tmp-1", "dt=1%2F2/x", "a\x00b", "a/.."} {
		f.Add(key)
	}
	dir, err := os.MkdirTemp("", "fuzzkey")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { os.RemoveAll(dir) })
	s, err := objstore.NewLocal(dir, objstore.LocalOptions{NoSync: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, key string) {
		err := objstore.ValidateKey(key)
		if putErr := s.Put(t.Context(), key, nil); (err == nil) != (putErr == nil) {
			t.Fatalf("ValidateKey says %v, Put %v", err, putErr)
		}
		if err != nil {
			return
		}
		if path := s.LocalPath(key); !strings.HasPrefix(path, dir+"/") {
			t.Fatalf("%q is outside: %s", key, path)
		}
		var got []string
		err = s.List(t.Context(), key, func(i objstore.Info) error { got = append(got, i.Key); return nil })
		if err != nil || len(got) != 1 || got[0] != key {
			t.Fatalf("put %q, listed %q, %v", key, got, err)
		}
		if err := objstore.RemoveAll(t.Context(), s, ""); err != nil {
			t.Fatal(err)
		}
	})
}

func ExampleOpen() {
	ctx := exampleContext()
	store, err := objstore.Open(ctx, "mem:", objstore.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(store.PutIfAbsent(ctx, "snapshot/snapshot-1", []byte("{}")))
	fmt.Println(store.PutIfAbsent(ctx, "snapshot/snapshot-1", []byte("{}")))
	// Output:
	// <nil>
	// put mem:snapshot/snapshot-1: objstore: object exists
}
