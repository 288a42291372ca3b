package meta

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
)

// Sentinels of leases; wrapped with the name and owner.
var (
	// ErrLeaseHeld: another owner has the lease and it has not expired.
	ErrLeaseHeld = errkind.New(errkind.Conflict, "meta: lease held")
	// ErrLeaseLost: the lease expired and somebody else took it, or it was released.
	ErrLeaseLost = errkind.New(errkind.Conflict, "meta: lease lost")
)

// Lease is the right to do some work until it expires. It saves two processes from
// doing the same work; it does not make doing it twice safe.
type Lease struct {
	Name  string
	Owner string
	// Term is higher than that of every earlier Acquire of the name.
	Term    int64
	Expires time.Time // by the clock of Options.Now
}

// Acquire takes the lease name for ttl if it is free, expired or owner's own, else
// returns ErrLeaseHeld.
func (d *DB) Acquire(ctx context.Context, name, owner string, ttl time.Duration) (Lease, error) {
	if name == "" || owner == "" || ttl < time.Millisecond {
		return Lease{}, errkind.Errorf(errkind.Bug, "acquire lease %q for %q: name, owner and a ttl of at least 1 ms are needed", name, owner)
	}
	lease := Lease{Name: name, Owner: owner}
	err := d.Write(ctx, func(tx *sql.Tx) error {
		now, err := d.nowIn(ctx, tx)
		if err != nil {
			return err
		}
		lease.Expires = now.Add(ttl)
		err = tx.QueryRowContext(ctx, `
			INSERT INTO weir_lease (name, owner, term, expires_ms) VALUES ($1, $2, 1, $3)
			ON CONFLICT (name) DO UPDATE
			SET owner = excluded.owner, term = weir_lease.term + 1, expires_ms = excluded.expires_ms
			WHERE weir_lease.expires_ms <= $4 OR weir_lease.owner = excluded.owner
			RETURNING term`, name, owner, lease.Expires.UnixMilli(), now.UnixMilli()).Scan(&lease.Term)
		if errors.Is(err, sql.ErrNoRows) {
			return d.heldBy(ctx, tx, name)
		}
		return err
	})
	if err != nil {
		return Lease{}, contextError(ctx, "acquire lease "+name, err)
	}
	return lease, nil
}

// heldBy says whose the lease is.
func (d *DB) heldBy(ctx context.Context, tx *sql.Tx, name string) error {
	var owner string
	var expires int64
	err := tx.QueryRowContext(ctx, `SELECT owner, expires_ms FROM weir_lease WHERE name = $1`, name).Scan(&owner, &expires)
	if err != nil {
		return err
	}
	return fmt.Errorf("acquire lease %s: %s has it until %s: %w", name, owner, time.UnixMilli(expires).UTC().Format(time.RFC3339Nano), ErrLeaseHeld)
}

// Renew makes the lease last ttl from now, or returns ErrLeaseLost. A lease that
// expired but was not taken by anybody is renewed.
func (d *DB) Renew(ctx context.Context, l Lease, ttl time.Duration) (Lease, error) {
	err := d.Write(ctx, func(tx *sql.Tx) error {
		now, err := d.nowIn(ctx, tx)
		if err != nil {
			return err
		}
		l.Expires = now.Add(ttl)
		return changeOwn(ctx, tx, l, `UPDATE weir_lease SET expires_ms = $4 WHERE name = $1 AND owner = $2 AND term = $3 AND expires_ms > 0`, l.Expires.UnixMilli())
	})
	if err != nil {
		return Lease{}, contextError(ctx, "renew lease "+l.Name, err)
	}
	return l, nil
}

// Release gives the lease up. One that is lost already returns ErrLeaseLost.
func (d *DB) Release(ctx context.Context, l Lease) error {
	err := d.Write(ctx, func(tx *sql.Tx) error {
		return changeOwn(ctx, tx, l, `UPDATE weir_lease SET expires_ms = $4 WHERE name = $1 AND owner = $2 AND term = $3 AND expires_ms > 0`, 0)
	})
	return contextError(ctx, "release lease "+l.Name, err)
}

func changeOwn(ctx context.Context, tx *sql.Tx, l Lease, stmt string, arg int64) error {
	res, err := tx.ExecContext(ctx, stmt, l.Name, l.Owner, l.Term, arg)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("lease %s of %s, term %d: %w", l.Name, l.Owner, l.Term, ErrLeaseLost)
	}
	return nil
}

// nowIn returns the time by the clock all owners share.
func (d *DB) nowIn(ctx context.Context, tx *sql.Tx) (time.Time, error) {
	if d.now != nil {
		return d.now(), nil
	}
	var ms int64
	err := tx.QueryRowContext(ctx, `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`).Scan(&ms)
	return time.UnixMilli(ms), err
}
