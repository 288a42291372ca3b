package objstoretest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/weir-lake/weir/storage/objstore"
)

const (
	raceWriters     = 8
	raceRounds      = 50
	raceRoundsShort = 10
)

// testRace: of eight writers exactly one wins, and the object is the winner's.
func testRace(t *testing.T, s objstore.Store) {
	race(t, s, func(key string, data []byte) error { return s.PutIfAbsent(t.Context(), key, data) })
}

// testRaceCreate: the same for streamed objects.
func testRaceCreate(t *testing.T, s objstore.Store) {
	race(t, s, func(key string, data []byte) error {
		w, err := s.Create(t.Context(), key)
		if err != nil {
			return err
		}
		defer w.Abort()
		if _, err := w.Write(data); err != nil {
			return err
		}
		return w.Close()
	})
}

func race(t *testing.T, s objstore.Store, write func(key string, data []byte) error) {
	rounds := raceRounds
	if testing.Short() {
		rounds = raceRoundsShort
	}
	for round := range rounds {
		key := fmt.Sprintf("race-%d/snapshot-1", round) // a new folder each time: making it races too
		errs := make([]error, raceWriters)
		start := make(chan struct{})
		var wg sync.WaitGroup
		for i := range raceWriters {
			wg.Go(func() {
				<-start
				errs[i] = write(key, fmt.Appendf(nil, "writer %d", i))
			})
		}
		close(start)
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner >= 0:
				t.Fatalf("round %d: writers %d and %d both won", round, winner, i)
			case err == nil:
				winner = i
			case !errors.Is(err, objstore.ErrExists):
				t.Fatalf("round %d, writer %d: %v", round, i, err)
			}
		}
		if winner < 0 {
			t.Fatalf("round %d: nobody won", round)
		}
		if got, want := get(t, s, key), fmt.Sprintf("writer %d", winner); got != want {
			t.Fatalf("round %d: object of %q, winner %q", round, got, want)
		}
	}
}

// testWhole: while an object is replaced, readers and listings see one version or
// the other, never a part.
func testWhole(t *testing.T, s objstore.Store) {
	const versions = 30
	body := func(v int) []byte { return bytes.Repeat([]byte{byte('a' + v%26)}, 1000+7000*(v%2)) }
	if err := s.Put(t.Context(), "k", body(0)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		for v := range versions {
			if err := s.Put(t.Context(), "k", body(v)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for {
		got, err := objstore.ReadAll(t.Context(), s, "k")
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 1000 && len(got) != 8000 || bytes.Count(got, got[:1]) != len(got) {
			t.Fatalf("read a mixture of %d bytes", len(got))
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
	}
}
