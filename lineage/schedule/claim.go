package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

const (
	// claimDir is below the warehouse's root; docs/format describes it.
	claimDir = ".weir/backfill/"
	// claimName is the time of a tick in a claim's name, which sorts by time.
	claimName = "20060102T150405Z"
	// claimsKept are the newest claims of a backfill that stay; ticks before are decided by the ledger alone.
	claimsKept = 1000
)

// claim is the object that gives a tick to a run.
type claim struct {
	Run  string `json:"run"`
	Base int64  `json:"base_snapshot"` // newest snapshot of the table then
}

// claims of all backfills of a warehouse.
type claims struct{ store objstore.Store }

func claimPrefix(b *Backfill) string { return claimDir + b.Name + "/" + b.ID + "/" }

func claimKey(b *Backfill, tick time.Time) string {
	return claimPrefix(b) + tick.UTC().Format(claimName)
}

// take claims a tick. When it was claimed before, the claim that is there is returned, and taken is false.
func (c claims) take(ctx context.Context, b *Backfill, tick time.Time, mine claim) (held claim, taken bool, err error) {
	data, err := json.Marshal(mine)
	if err != nil {
		return claim{}, false, errkind.Errorf(errkind.Bug, "claim of %s: %w", mine.Run, err)
	}
	key := claimKey(b, tick)
	err = c.store.PutIfAbsent(ctx, key, data)
	if err == nil {
		return mine, true, nil
	}
	if !errors.Is(err, objstore.ErrExists) {
		return claim{}, false, fmt.Errorf("claim tick %s of backfill %s: %w", stamp(tick), b.Name, err)
	}
	if data, err = objstore.ReadAll(ctx, c.store, key); err != nil {
		return claim{}, false, fmt.Errorf("read claim of tick %s of backfill %s: %w", stamp(tick), b.Name, err)
	}
	held, err = parseClaim(data)
	if err != nil {
		return claim{}, false, fmt.Errorf("%s: %w", c.store.URI(key), err)
	}
	return held, false, nil
}

// parseClaim reads a claim.
func parseClaim(data []byte) (claim, error) {
	var c claim
	if err := json.Unmarshal(data, &c); err != nil {
		return claim{}, errkind.Errorf(errkind.Corrupt, "claim: %w", err)
	}
	if c.Run == "" || c.Base < 0 {
		return claim{}, errkind.Errorf(errkind.Corrupt, "claim: it names no run")
	}
	return c, nil
}

// prune deletes the oldest claims, all of ticks that the ledger has as decided.
func (c claims) prune(ctx context.Context, b *Backfill, until time.Time) error {
	var keys []string
	prefix := claimPrefix(b)
	err := c.store.List(ctx, prefix, func(i objstore.Info) error {
		if strings.TrimPrefix(i.Key, prefix) <= until.UTC().Format(claimName) {
			keys = append(keys, i.Key)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list claims of backfill %s: %w", b.Name, err)
	}
	for _, key := range keys[:max(len(keys)-claimsKept, 0)] {
		if err := c.store.Delete(ctx, key); err != nil {
			return fmt.Errorf("delete claim: %w", err)
		}
	}
	return nil
}
