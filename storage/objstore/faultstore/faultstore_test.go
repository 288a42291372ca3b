package faultstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
	"github.com/weir-lake/weir/storage/objstore/objstoretest"
)

func newStore(t *testing.T, rules string) (*faultstore.Store, *objstore.Mem) {
	t.Helper()
	base := objstore.NewMem()
	s, err := faultstore.New(base, faultstore.Options{Rules: rules, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s, base
}

func content(t *testing.T, s objstore.Store, key string) string {
	t.Helper()
	data, err := objstore.ReadAll(t.Context(), s, key)
	if errors.Is(err, objstore.ErrNotFound) {
		return "(none)"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWithoutFaultsConforms(t *testing.T) {
	objstoretest.Run(t, func(t *testing.T) objstore.Store {
		s, _ := newStore(t, "any never/used: error")
		return s
	})
}

func TestWriteFaults(t *testing.T) {
	write := map[string]func(ctx context.Context, s objstore.Store) error{
		"overwrite": func(ctx context.Context, s objstore.Store) error { return s.Put(ctx, "d/k", []byte("new")) },
		"absent":    func(ctx context.Context, s objstore.Store) error { return s.PutIfAbsent(ctx, "d/k", []byte("new")) },
		"close": func(ctx context.Context, s objstore.Store) error {
			w, err := s.Create(ctx, "d/k")
			if err != nil {
				return err
			}
			defer w.Abort()
			if _, err := w.Write([]byte("new")); err != nil {
				return err
			}
			return w.Close()
		},
	}
	for _, tc := range []struct {
		fault string
		kind  errkind.Kind
		there string
	}{
		{"error", errkind.Unavailable, "(none)"},
		{"lost-reply", errkind.Unavailable, "new"},
		{"denied", errkind.Denied, "(none)"},
		{"enospc", errkind.Exhausted, "(none)"},
		{"crash", errkind.Unavailable, "(none)"},
		{"crash-after", errkind.Unavailable, "new"},
	} {
		for op, fn := range write {
			s, base := newStore(t, op+" d/*: "+tc.fault)
			err := fn(t.Context(), s)
			if errkind.Of(err) != tc.kind || !errors.Is(err, faultstore.ErrInjected) || !strings.Contains(err.Error(), "d/k") {
				t.Errorf("%s %s: %v", op, tc.fault, err)
			}
			if got := content(t, base, "d/k"); got != tc.there {
				t.Errorf("%s %s: store has %q, want %q", op, tc.fault, got, tc.there)
			}
			if tc.fault == "enospc" && !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("%s enospc: not ENOSPC: %v", op, err)
			}
		}
	}
}

func TestCrashLastsUntilRevive(t *testing.T) {
	s, base := newStore(t, "absent snapshot/snapshot-2: crash-after")
	for i := range 4 {
		err := s.PutIfAbsent(t.Context(), fmt.Sprintf("snapshot/snapshot-%d", i), []byte("x"))
		if crashed := errors.Is(err, faultstore.ErrCrashed); crashed != (i >= 2) {
			t.Errorf("put %d: %v", i, err)
		}
	}
	if _, err := s.Stat(t.Context(), "snapshot/snapshot-1"); !errors.Is(err, faultstore.ErrCrashed) {
		t.Errorf("stat while down: %v", err)
	}
	s.Revive()
	if got := content(t, s, "snapshot/snapshot-2"); got != "x" {
		t.Errorf("after restart: %q", got)
	}
	if got := content(t, base, "snapshot/snapshot-3"); got != "(none)" {
		t.Errorf("a dead process wrote %q", got)
	}
}

func TestReadFaults(t *testing.T) {
	s, _ := newStore(t, "")
	if err := s.Put(t.Context(), "k", []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		rule           string
		offset, length int64
		want           string
		fails          bool
	}{
		{"get k: truncate 4", 0, -1, "0123", false},
		{"get k: truncate 4", 2, 5, "23", false},
		{"get k: truncate 4", 6, 2, "", false},
		{"get k: truncate 100", 0, -1, "0123456789", false},
		{"get k: cut 3", 0, -1, "012", true},
		{"get k: cut 3", 2, 6, "234", true},
		{"get k: error", 0, -1, "", true},
		{"get k: lost-reply", 0, -1, "", true},
		{"get k: not-found", 0, -1, "", true},
		{"get other: error", 0, -1, "0123456789", false},
	} {
		if err := s.SetRules(tc.rule); err != nil {
			t.Fatal(err)
		}
		var got []byte
		r, err := s.Get(t.Context(), "k", tc.offset, tc.length)
		if err == nil {
			got, err = io.ReadAll(r)
			r.Close()
		}
		if string(got) != tc.want || (err != nil) != tc.fails {
			t.Errorf("%s [%d,%d): got %q, %v", tc.rule, tc.offset, tc.length, got, err)
		}
		if strings.HasSuffix(tc.rule, "not-found") && !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("%s: %v", tc.rule, err)
		}
	}
}

func TestCorruptFlipsOneSeededBit(t *testing.T) {
	const data = "0123456789"
	read := func(seed uint64) string {
		base := objstore.NewMem()
		s, err := faultstore.New(base, faultstore.Options{Rules: "get k: corrupt", Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Put(t.Context(), "k", []byte(data)); err != nil {
			t.Fatal(err)
		}
		return content(t, s, "k")
	}
	if first, again := read(7), read(7); first != again {
		t.Error("one seed, two damages")
	}
	seen := map[string]bool{}
	for seed := range uint64(20) {
		got, bits := read(seed), 0
		for i := range data {
			for x := got[i] ^ data[i]; x != 0; x &= x - 1 {
				bits++
			}
		}
		if bits != 1 {
			t.Errorf("seed %d: %d bits changed", seed, bits)
		}
		seen[got] = true
	}
	if len(seen) < 10 {
		t.Errorf("20 seeds gave only %d damages", len(seen))
	}
}

func TestWhen(t *testing.T) {
	for when, want := range map[string]string{
		"":          "XXXXXXXXXX",
		"3rd":       "..X.......",
		"1st":       "X.........",
		"8th+":      ".......XXX",
		"every 4th": "...X...X..",
		"@2":        ".X........",
		"@9+":       "........XX",
		"100%":      "XXXXXXXXXX",
	} {
		s, _ := newStore(t, "put ** "+when+": error")
		var got strings.Builder
		for i := range 10 {
			if s.Put(t.Context(), fmt.Sprintf("a/%d", i%3), nil) != nil {
				got.WriteByte('X')
			} else {
				got.WriteByte('.')
			}
		}
		if got.String() != want {
			t.Errorf("%q: got %s, want %s", when, got.String(), want)
		}
	}
}

func TestGlobs(t *testing.T) {
	for glob, want := range map[string][]string{
		"snapshot/*": {"snapshot/LATEST", "snapshot/snapshot-1"},
		"**":         {"snapshot/LATEST", "snapshot/snapshot-1", "x/bucket-0/data.parquet"},
		"**.parquet": {"x/bucket-0/data.parquet"},
		"*":          nil,
		"x/*/data.*": {"x/bucket-0/data.parquet"},
		"**-?":       {"snapshot/snapshot-1"},
		"(.+)":       nil,
	} {
		s, _ := newStore(t, "overwrite "+glob+": error")
		var got []string
		for _, key := range []string{"snapshot/LATEST", "snapshot/snapshot-1", "x/bucket-0/data.parquet"} {
			if s.Put(t.Context(), key, nil) != nil {
				got = append(got, key)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", glob, got, want)
		}
	}
}

func TestSharesFollowSeedNotOrder(t *testing.T) {
	run := func(seed uint64, concurrent bool) string {
		s, err := faultstore.New(objstore.NewMem(), faultstore.Options{Rules: "put ** 30%: error", Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		failed := make([]bool, 200)
		var wg sync.WaitGroup
		for i := range failed {
			one := func() { failed[i] = s.Put(t.Context(), fmt.Sprintf("k%d", i), nil) != nil }
			if concurrent {
				wg.Go(one)
			} else {
				one()
			}
		}
		wg.Wait()
		return fmt.Sprint(failed)
	}
	if run(1, false) != run(1, true) {
		t.Error("the order of goroutines changed the faults")
	}
	if run(1, false) == run(2, false) {
		t.Error("two seeds, the same faults")
	}
	if n := strings.Count(run(3, false), "true"); n < 30 || n > 90 {
		t.Errorf("30%% of 200 gave %d", n)
	}
}

func TestDelayUsesSleepAndLetsLaterRulesApply(t *testing.T) {
	var slept []time.Duration
	s, err := faultstore.New(objstore.NewMem(), faultstore.Options{
		Rules: "put **: delay 50ms\nput **: delay 1s\nput ** 2nd: error # after both",
		Sleep: func(_ context.Context, d time.Duration) error { slept = append(slept, d); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	first, second := s.Put(t.Context(), "a", nil), s.Put(t.Context(), "b", nil)
	if first != nil || second == nil {
		t.Errorf("got %v, %v", first, second)
	}
	if want := []time.Duration{1050 * time.Millisecond, 1050 * time.Millisecond}; !slices.Equal(slept, want) {
		t.Errorf("slept %v", slept)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	real, _ := newStore(t, "get **: delay 1h")
	if _, err := real.Get(ctx, "a", 0, -1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled delay: %v", err)
	}
}

func TestCountsAndLog(t *testing.T) {
	s, _ := newStore(t, "absent snapshot/* 2nd: lost-reply")
	w, err := s.Create(t.Context(), "data")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := w.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		_ = s.PutIfAbsent(t.Context(), fmt.Sprintf("snapshot/snapshot-%d", i), nil) // the second fails, as the log shows
	}
	counts := s.Counts()
	if s.Ops() != 7 || counts[faultstore.OpWrite] != 2 || counts[faultstore.OpAbsent] != 3 || counts[faultstore.OpGet] != 0 {
		t.Errorf("ops %d, counts %v", s.Ops(), counts)
	}
	want := []string{"6 absent snapshot/snapshot-1: absent snapshot/* 2nd: lost-reply"}
	if got := s.Log(); !slices.Equal(got, want) {
		t.Errorf("log %q", got)
	}
}

// A write on a full disk takes what fits and no object appears, at whichever
// operation the disk is full.
func TestDiskFullAtEveryOperation(t *testing.T) {
	work := func(s objstore.Store) error {
		w, err := s.Create(t.Context(), "data")
		if err != nil {
			return err
		}
		defer w.Abort()
		for range 3 {
			if n, err := w.Write([]byte("0123456789")); err != nil {
				if n > 10 {
					t.Errorf("wrote %d of 10 bytes", n)
				}
				return err
			}
		}
		if err := w.Close(); err != nil {
			return err
		}
		return s.PutIfAbsent(t.Context(), "snapshot-1", []byte("data"))
	}
	s, _ := newStore(t, "")
	if err := work(s); err != nil {
		t.Fatal(err)
	}
	for n := int64(1); n <= s.Ops(); n++ {
		full, base := newStore(t, fmt.Sprintf("write-any ** @%d: enospc", n))
		if err := work(full); !errors.Is(err, syscall.ENOSPC) || errkind.Of(err) != errkind.Exhausted {
			t.Errorf("operation %d: %v", n, err)
		}
		if got := content(t, base, "snapshot-1"); got != "(none)" {
			t.Errorf("operation %d: committed", n)
		}
		if got := content(t, base, "data"); got != "(none)" && n < s.Ops() {
			t.Errorf("operation %d: half an object: %q", n, got)
		}
	}
}

func TestBadRules(t *testing.T) {
	for _, rule := range []string{
		"put", "put a", "put a:error", "fly a: error", "put a: explode", "put a 3: error", "put a 0th: error", "put a -1st: error",
		"put a 0%: error", "put a 101%: error", "put a NaN%: error", "put a every: error", "put a every 5%: error", "put a 1st 2nd: error",
		"put a: delay", "put a: delay x", "put a: delay -1s", "get a: truncate", "get a: truncate -1", "put a: truncate 5", "put a: error 5", "put a @: error", "put a: ",
	} {
		_, err := faultstore.New(objstore.NewMem(), faultstore.Options{Rules: "\n# comment\n" + rule})
		if !errkind.Is(err, errkind.Invalid) || !strings.Contains(err.Error(), "line 3") {
			t.Errorf("%q: %v", rule, err)
		}
	}
}

func FuzzRules(f *testing.F) {
	for _, rule := range []string{
		"put snapshot/* 3rd: lost-reply", "get **.parquet every 10th: truncate 100", "any ** @17+: enospc # x",
		"stat ** 5%: error", "write-any a?b 2nd+: delay 1ms", "put a", "get k: cut 9999999999999999999", ": : :",
	} {
		f.Add(rule)
	}
	f.Fuzz(func(t *testing.T, rules string) {
		s, err := faultstore.New(objstore.NewMem(), faultstore.Options{
			Rules: rules, Sleep: func(context.Context, time.Duration) error { return nil },
		})
		if err != nil {
			if !errkind.Is(err, errkind.Invalid) {
				t.Fatalf("kind of %v", err)
			}
			return
		}
		_ = s.Put(t.Context(), "k", []byte("data")) // may fail, must not panic
		if data, err := objstore.ReadAll(t.Context(), s, "k"); err == nil && len(data) > 4 {
			t.Fatalf("read %q", data)
		}
	})
}
