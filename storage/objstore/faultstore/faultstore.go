package faultstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

// Sentinels of injected faults; wrapped with the operation and key.
var (
	// ErrInjected is in the chain of every error this package makes.
	ErrInjected = errkind.New(errkind.Unavailable, "faultstore: injected")
	// ErrCrashed: the store is down since a crash fault, until Revive.
	ErrCrashed = errkind.New(errkind.Unavailable, "faultstore: crashed")
)

// Options of a Store; the zero value injects nothing and counts operations.
type Options struct {
	// Seed decides shares and damaged bits.
	Seed uint64
	// Rules as the package comment says.
	Rules string
	// Sleep waits for delay faults; nil waits in real time.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Store is a store with faults. It is not a LocalPather: its faults would be passed by.
type Store struct {
	base objstore.Store
	opts Options

	mu struct {
		sync.Mutex
		rules   []*rule
		matches []int64           // by rule
		byKey   map[ruleKey]int64 // matches by rule and key
		counts  map[Op]int64      // operations begun
		ops     int64             // their sum
		crashed bool
		log     []string // faults injected, oldest first
	}
}

type ruleKey struct {
	rule int
	key  string
}

// logMax bounds the log of a simulation that injects for ever.
const logMax = 10_000

// New wraps base. A rule that cannot be read is of kind Invalid.
func New(base objstore.Store, opts Options) (*Store, error) {
	s := &Store{base: base, opts: opts}
	if s.opts.Sleep == nil {
		s.opts.Sleep = sleep
	}
	s.mu.counts = make(map[Op]int64)
	return s, s.SetRules(opts.Rules)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// SetRules replaces the rules; their matches count from 1 again.
func (s *Store) SetRules(text string) error {
	rules, err := parseRules(text)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.rules = rules
	s.mu.matches = make([]int64, len(rules))
	s.mu.byKey = make(map[ruleKey]int64)
	return nil
}

// Revive ends a crash, as a restart of the process does.
func (s *Store) Revive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.crashed = false
}

// Ops returns how many operations were begun: the upper bound of N when a test goes
// through "any ** @N: ...".
func (s *Store) Ops() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.ops
}

// Counts returns how many operations of each kind were begun.
func (s *Store) Counts() map[Op]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.mu.counts)
}

// Log returns the faults injected so far, at most 10,000, as "17 absent
// snapshot/snapshot-3: put snapshot/* 3rd: lost-reply".
func (s *Store) Log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mu.log)
}

// verdict is what happens to one operation.
type verdict struct {
	fault fault
	delay time.Duration
	bytes int64  // of truncate and cut
	draw  uint64 // of corrupt: which bit
}

func (s *Store) decide(op Op, key string) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.ops++
	s.mu.counts[op]++
	var v verdict
	if s.mu.crashed {
		v.fault = faultCrash
		return v
	}
	for i, r := range s.mu.rules {
		if !slices.Contains(r.ops, op) || !r.glob.MatchString(key) {
			continue
		}
		if r.fault.onlyReads() && op != OpGet {
			continue
		}
		s.mu.matches[i]++
		rk := ruleKey{i, key}
		s.mu.byKey[rk]++
		draw := s.draw(r, key, s.mu.byKey[rk])
		if !r.applies(s.mu.matches[i], s.mu.ops, draw) {
			continue
		}
		if len(s.mu.log) < logMax {
			s.mu.log = append(s.mu.log, fmt.Sprintf("%d %s %s: %s", s.mu.ops, op, key, r.text))
		}
		if r.fault == faultDelay {
			v.delay += r.delay
			continue
		}
		v.fault, v.bytes, v.draw = r.fault, r.bytes, draw
		s.mu.crashed = r.fault == faultCrash || r.fault == faultCrashAfter
		break
	}
	return v
}

// draw returns 64 bits that depend on nothing but its arguments and the seed.
func (s *Store) draw(r *rule, key string, nth int64) uint64 {
	return xxhash.Sum64String(fmt.Sprintf("%d\x00%s\x00%s\x00%d", s.opts.Seed, r.text, key, nth))
}

// before does what happens ahead of the operation; a non-nil error replaces it.
func (s *Store) before(ctx context.Context, op Op, key string) (verdict, error) {
	v := s.decide(op, key)
	where := string(op) + " " + s.base.URI(key)
	if v.delay > 0 {
		if err := s.opts.Sleep(ctx, v.delay); err != nil {
			return v, fmt.Errorf("%s: %w", where, err)
		}
	}
	switch v.fault {
	case faultError:
		return v, errkind.Errorf(errkind.Unavailable, "%s: %w: not done", where, ErrInjected)
	case faultDenied:
		return v, errkind.Errorf(errkind.Denied, "%s: %w: denied", where, ErrInjected)
	case faultNotFound:
		return v, fmt.Errorf("%s: %w: %w", where, objstore.ErrNotFound, ErrInjected)
	case faultNoSpace:
		return v, errkind.Errorf(errkind.Exhausted, "%s: disk full: %w: %w", where, syscall.ENOSPC, ErrInjected)
	case faultCrash:
		return v, fmt.Errorf("%s: %w: %w", where, ErrCrashed, ErrInjected)
	}
	return v, nil
}

// after turns the operation's own result into what the caller is told.
func (s *Store) after(v verdict, op Op, key string, err error) error {
	where := string(op) + " " + s.base.URI(key)
	switch v.fault {
	case faultLostReply:
		return errkind.Errorf(errkind.Unavailable, "%s: %w: reply lost", where, ErrInjected)
	case faultCrashAfter:
		return fmt.Errorf("%s: %w: %w", where, ErrCrashed, ErrInjected)
	}
	return err
}

// do runs an operation that answers only with an error.
func (s *Store) do(ctx context.Context, op Op, key string, fn func() error) error {
	v, err := s.before(ctx, op, key)
	if err != nil {
		return err
	}
	return s.after(v, op, key, fn())
}

// Get implements objstore.Store.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	v, err := s.before(ctx, OpGet, key)
	if err != nil {
		return nil, err
	}
	if v.fault == faultTruncate {
		// The object seems to have v.bytes bytes, wherever the range begins.
		left := max(0, v.bytes-offset)
		if length < 0 || length > left {
			length = left
		}
	}
	r, err := s.base.Get(ctx, key, offset, length)
	if err := s.after(v, OpGet, key, err); err != nil {
		if r != nil {
			r.Close()
		}
		return nil, err
	}
	switch v.fault {
	case faultCut:
		return &cutReader{ReadCloser: r, left: v.bytes, where: s.base.URI(key)}, nil
	case faultCorrupt:
		return corrupt(v.draw, r)
	}
	return r, nil
}

// corrupt flips the drawn bit of what r delivers.
func corrupt(draw uint64, r io.ReadCloser) (io.ReadCloser, error) {
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	if len(data) > 0 {
		bit := draw % (uint64(len(data)) * 8)
		data[bit/8] ^= 1 << (bit % 8)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// cutReader fails after left bytes.
type cutReader struct {
	io.ReadCloser
	left  int64
	where string
}

func (r *cutReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, errkind.Errorf(errkind.Unavailable, "get %s: %w: connection cut", r.where, ErrInjected)
	}
	n, err := r.ReadCloser.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}
