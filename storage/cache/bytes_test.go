package cache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/weir-lake/weir/storage/cache"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
)

func manifestKey(n int) string {
	return fmt.Sprintf("t/manifest/manifest-%s-0", uuid.NewSHA1(uuid.Nil, fmt.Append(nil, n)))
}

func getBytes(t *testing.T, b *cache.Bytes, s objstore.Store, key string) string {
	t.Helper()
	data, err := b.Get(t.Context(), s, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestBytesKeepsImmutableObjects(t *testing.T) {
	s := newStore(t, "")
	put(t, s, manifestKey(1), "avro")
	put(t, s, "t/snapshot/LATEST", "1")
	b := cache.NewBytes(1000)
	for i := range 3 {
		if got := getBytes(t, b, s, manifestKey(1)); got != "avro" {
			t.Errorf("got %q", got)
		}
		put(t, s, "t/snapshot/LATEST", fmt.Sprint(i))
		if got := getBytes(t, b, s, "t/snapshot/LATEST"); got != fmt.Sprint(i) {
			t.Errorf("a hint was cached: %q", got)
		}
	}
	if hits, misses, used := b.Stats(); hits != 2 || misses != 1 || used != 4 {
		t.Errorf("hits %d, misses %d, used %d", hits, misses, used)
	}
	if n := s.Counts()[faultstore.OpGet]; n != 4 {
		t.Errorf("%d gets", n)
	}
}

func TestBytesEvictsLeastRecentlyUsed(t *testing.T) {
	s := newStore(t, "")
	for i := range 12 {
		put(t, s, manifestKey(i), strings.Repeat("x", 10))
	}
	put(t, s, manifestKey(99), strings.Repeat("x", 11))
	b := cache.NewBytes(80)
	for i := range 8 {
		getBytes(t, b, s, manifestKey(i))
	}
	getBytes(t, b, s, manifestKey(0))
	for i := 8; i < 12; i++ {
		getBytes(t, b, s, manifestKey(i))
	}
	for range 2 {
		getBytes(t, b, s, manifestKey(99)) // more than an eighth: not kept
	}
	before := s.Counts()[faultstore.OpGet]
	for _, i := range []int{0, 5, 6, 7, 8, 9, 10, 11} {
		getBytes(t, b, s, manifestKey(i))
	}
	if n := s.Counts()[faultstore.OpGet] - before; n != 0 {
		t.Errorf("%d gets of what should be kept", n)
	}
	getBytes(t, b, s, manifestKey(1))
	if n := s.Counts()[faultstore.OpGet] - before; n != 1 {
		t.Errorf("the oldest was kept")
	}
	if _, _, used := b.Stats(); used != 80 {
		t.Errorf("used %d", used)
	}
}

func TestBytesOfNothing(t *testing.T) {
	s := newStore(t, "")
	put(t, s, manifestKey(1), "x")
	b := cache.NewBytes(0)
	for range 2 {
		getBytes(t, b, s, manifestKey(1))
	}
	if _, _, used := b.Stats(); used != 0 {
		t.Errorf("used %d", used)
	}
}

func TestBytesErrorsAreNotKept(t *testing.T) {
	s := newStore(t, "get ** 1st: error")
	put(t, s, manifestKey(1), "x")
	b := cache.NewBytes(1000)
	if _, err := b.Get(t.Context(), s, manifestKey(1)); !errors.Is(err, faultstore.ErrInjected) {
		t.Errorf("got %v", err)
	}
	if got := getBytes(t, b, s, manifestKey(1)); got != "x" {
		t.Errorf("got %q", got)
	}
}

func TestBytesCancelledCallerLeavesOthers(t *testing.T) {
	gate := make(chan struct{})
	s, err := faultstore.New(objstore.NewMem(), faultstore.Options{
		Rules: "get **: delay 1s",
		Sleep: func(context.Context, time.Duration) error { <-gate; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, manifestKey(1), "x")
	b := cache.NewBytes(1000)
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := b.Get(ctx, s, manifestKey(1))
		first <- err
	}()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if data, err := b.Get(t.Context(), s, manifestKey(1)); err != nil || string(data) != "x" {
				t.Errorf("got %q, %v", data, err)
			}
		})
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled caller: %v", err)
	}
	close(gate)
	wg.Wait()
}
