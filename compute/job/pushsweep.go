package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-lake/weir/storage/objstore"
)

// Old idempotency keys are removed a slice of their names at a time, so that a round costs little however many there
// are. A key is gone a few hours after its day: all slices have their turn in pushKeySlices rounds.
const (
	pushKeySlices = 256 // names begin with two hexadecimal digits
	pushSweepMax  = 1000
	// pushKeyGrace is how much older than its day a key must be: the store's clock may differ from ours.
	pushKeyGrace = time.Hour
)

// sweep removes the keys of one slice whose day is over. Which slice follows from the time, so nothing is remembered
// over a crash.
func (p *pushes) sweep(ctx context.Context) (removed int, err error) {
	now := p.m.now()
	slice := fmt.Sprintf("%s%02x", pushRoot, now.Unix()/int64(choresEvery.Seconds())%pushKeySlices)
	old := func(i objstore.Info) bool { return now.Sub(i.ModTime) > pushKeyTTL+pushKeyGrace }
	var keys []string
	err = p.m.opts.Store.List(ctx, slice, func(i objstore.Info) error {
		if len(keys) == pushSweepMax {
			return errEnough
		}
		if old(i) {
			keys = append(keys, i.Key)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return 0, fmt.Errorf("list idempotency keys: %w", err)
	}
	for _, k := range keys {
		gone, err := p.removeKey(ctx, k, old)
		if err != nil {
			return removed, err
		}
		if gone {
			removed++
		}
	}
	return removed, nil
}

// errEnough ends a listing.
var errEnough = errors.New("enough")

// removeKey deletes a key unless a request uses it again just now.
func (p *pushes) removeKey(ctx context.Context, key string, old func(objstore.Info) bool) (bool, error) {
	if !p.claims.take(key) {
		return false, nil
	}
	defer p.claims.drop(key)
	at, err := p.m.opts.Store.Stat(ctx, key)
	if errors.Is(err, objstore.ErrNotFound) || err == nil && !old(at) {
		return false, nil
	}
	if err == nil {
		err = p.m.opts.Store.Delete(ctx, key)
	}
	if err != nil {
		return false, fmt.Errorf("remove idempotency key: %w", err)
	}
	return true, nil
}
