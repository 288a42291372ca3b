package objstoretest

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/weir-lake/weir/storage/objstore"
)

func testCreate(t *testing.T, s objstore.Store) {
	w, err := s.Create(t.Context(), "bucket-0/data-1.parquet")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"PAR1", "", "body", "PAR1"} {
		if n, err := io.WriteString(w, part); err != nil || n != len(part) {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
	if keys := list(t, s, ""); len(keys) != 0 {
		t.Errorf("listed before Close: %q", keys)
	}
	if dirs, err := s.ListDirs(t.Context(), "bucket-0"); err != nil || len(dirs) != 0 {
		t.Errorf("ListDirs before Close: %q, %v", dirs, err)
	}
	if _, err := s.Stat(t.Context(), "bucket-0/data-1.parquet"); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("visible before Close: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w.Abort() // without effect
	if got := get(t, s, "bucket-0/data-1.parquet"); got != "PAR1bodyPAR1" {
		t.Errorf("got %q", got)
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("write after Close succeeded")
	}
	if err := w.Close(); err == nil {
		t.Error("second Close succeeded")
	}
	empty, err := s.Create(t.Context(), "empty")
	if err != nil {
		t.Fatal(err)
	}
	if err := empty.Close(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "empty"); got != "" {
		t.Errorf("empty object has %q", got)
	}
}

func testCreateTaken(t *testing.T, s objstore.Store) {
	w, err := s.Create(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "late"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "k", "early")
	if err := w.Close(); !errors.Is(err, objstore.ErrExists) {
		t.Errorf("Close over another's object: %v", err)
	}
	if got := get(t, s, "k"); got != "early" {
		t.Errorf("got %q", got)
	}
}

func testAbort(t *testing.T, s objstore.Store) {
	for _, size := range []int{0, 10, bigBytes} {
		w, err := s.Create(t.Context(), "aborted")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		w.Abort()
		w.Abort()
		if err := w.Close(); err == nil {
			t.Error("Close after Abort succeeded")
		}
		if keys := list(t, s, ""); len(keys) != 0 {
			t.Errorf("after Abort of %d bytes: %q", size, keys)
		}
	}
}

// bigBytes is more than two parts of a multipart upload at S3's smallest part size.
const bigBytes = 11 << 20

func bigData() []byte {
	data := make([]byte, bigBytes)
	x := uint32(1)
	for i := range data {
		x = x*1664525 + 1013904223
		data[i] = byte(x >> 24)
	}
	return data
}

func testBigObject(t *testing.T, s objstore.Store) {
	data := bigData()
	w, err := s.Create(t.Context(), "big")
	if err != nil {
		t.Fatal(err)
	}
	// Pieces that do not divide the part size.
	for rest := data; len(rest) > 0; {
		n := min(len(rest), 1_000_003)
		if _, err := w.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "big"); got != string(data) {
		t.Errorf("big object differs (%d of %d bytes)", len(got), len(data))
	}
	r, err := s.Get(t.Context(), "big", 5<<20-3, 7)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, data[5<<20-3:5<<20+4]) {
		t.Errorf("range over a part's edge: %x, %v", got, err)
	}
	second, err := s.Create(t.Context(), "big")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Write(make([]byte, bigBytes)); err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); !errors.Is(err, objstore.ErrExists) {
		t.Errorf("second big object under one key: %v", err)
	}
	if got := get(t, s, "big"); got != string(data) {
		t.Error("the loser changed the object")
	}
}
