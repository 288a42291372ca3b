package job

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/snapshot"
)

// pushRoot is the folder of idempotency keys.
const pushRoot = ".weir/push/"

// pushKeyTTL is how long an idempotency key is remembered.
const pushKeyTTL = 24 * time.Hour

// pushKeyLenMax bounds a key; longer ones are refused, not cut.
const pushKeyLenMax = 255

// ErrKeyReused: the idempotency key came before with another body.
var ErrKeyReused = errkind.New(errkind.Conflict, "push: this Idempotency-Key was used with another body; use a new key for new rows")

// pushKeyFile is an idempotency key in the warehouse, written before the commit it belongs to. Whether that
// commit happened is answered by the table's own history, so a crash in between leaves no doubt.
type pushKeyFile struct {
	Table    string `json:"table"`
	Body     string `json:"body"` // SHA-256 of the request's body
	User     string `json:"commit_user"`
	Epoch    int64  `json:"epoch"`
	TimeMs   int64  `json:"time_ms"`
	Snapshot int64  `json:"snapshot,omitempty"` // set once known to be committed
	Rows     int64  `json:"rows"`
}

// pushKey is a key claimed by a request under way.
type pushKey struct {
	object  string
	table   string
	body    string
	release func()
}

// pushClaims holds the keys of requests under way in this process.
type pushClaims struct {
	mu   sync.Mutex
	held map[string]bool
}

var errKeyBusy = errkind.New(errkind.Conflict, "push: a request with this Idempotency-Key is under way; ask again when it is done")

func (p *pushes) claim(ctx context.Context, path, key, body string) (*pushKey, *Pushed, error) {
	object, err := p.keyOf(path, key)
	if err != nil {
		return nil, nil, err
	}
	k := &pushKey{object: object, table: path, body: body}
	if !p.claims.take(k.object) {
		return nil, nil, errKeyBusy
	}
	k.release = func() { p.claims.drop(k.object) }
	before, err := p.lookup(ctx, k)
	if err != nil || before != nil {
		k.release()
		return nil, before, err
	}
	return k, nil, nil
}

// keyOf is the object of a table's key.
func (p *pushes) keyOf(path, key string) (string, error) {
	if len(key) > pushKeyLenMax {
		return "", errkind.Errorf(errkind.Invalid, "push: Idempotency-Key of %d bytes: at most %d", len(key), pushKeyLenMax)
	}
	sum := sha256.Sum256([]byte(path + "\x00" + key))
	return pushRoot + hex.EncodeToString(sum[:16]), nil
}

func (c *pushClaims) take(k string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held[k] {
		return false
	}
	if c.held == nil {
		c.held = map[string]bool{}
	}
	c.held[k] = true
	return true
}

func (c *pushClaims) drop(k string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, k)
}

// lookup finds what became of the key before: nil when nothing was stored.
func (p *pushes) lookup(ctx context.Context, k *pushKey) (*Pushed, error) {
	data, err := objstore.ReadAll(ctx, p.m.opts.Store, k.object)
	if errors.Is(err, objstore.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read idempotency key: %w", err)
	}
	f, err := decodePushKey(data)
	if err != nil {
		return nil, fmt.Errorf("idempotency key %s: %w", p.m.opts.Store.URI(k.object), err)
	}
	if p.m.now().Sub(time.UnixMilli(f.TimeMs)) > pushKeyTTL {
		return nil, nil
	}
	if f.Snapshot == 0 {
		if f.Snapshot, err = p.committedAs(ctx, f); err != nil || f.Snapshot == 0 {
			return nil, err
		}
	}
	if f.Body != k.body {
		return nil, ErrKeyReused
	}
	return &Pushed{Epoch: f.Epoch, Snapshot: f.Snapshot, Rows: f.Rows, Repeated: true}, nil
}

// decodePushKey reads a key's object; damage is Corrupt.
func decodePushKey(data []byte) (pushKeyFile, error) {
	var f pushKeyFile
	if err := json.Unmarshal(data, &f); err != nil {
		return pushKeyFile{}, errkind.Wrap(errkind.Corrupt, err)
	}
	if f.Table == "" || f.User == "" || f.Epoch < 0 || f.Snapshot < 0 || f.Rows < 0 {
		return pushKeyFile{}, errkind.New(errkind.Corrupt, "fields are missing or out of range")
	}
	return f, nil
}

// committedAs is the snapshot of the push, or 0 when it was never committed.
func (p *pushes) committedAs(ctx context.Context, f pushKeyFile) (int64, error) {
	snaps := snapshot.NewManager(objstore.Sub(p.m.opts.Store, f.Table), "")
	s, err := newestOf(ctx, snaps, func(s *snapshot.Snapshot) bool {
		return s.CommitUser == f.User && s.CommitIdentifier == f.Epoch
	})
	if err != nil || s == nil {
		return 0, err
	}
	return int64(s.ID), nil
}

// note writes the keys of a batch: before its commit without, after it with the snapshot.
func (p *pushes) note(ctx context.Context, b *pushBatch, user string, e, snapshotID int64) error {
	for _, r := range b.requests {
		if r.key == nil {
			continue
		}
		f := pushKeyFile{Table: b.table, Body: r.key.body, User: user, Epoch: e, TimeMs: p.m.now().UnixMilli(), Snapshot: snapshotID, Rows: r.rows.NumRows()}
		if err := putPushKey(ctx, p.m.opts.Store, r.key.object, f); err != nil {
			return err
		}
	}
	return nil
}

func putPushKey(ctx context.Context, store objstore.Store, object string, f pushKeyFile) error {
	data, err := json.Marshal(f)
	if err == nil {
		err = store.Put(ctx, object, data)
	}
	if err != nil {
		return fmt.Errorf("write idempotency key: %w", err)
	}
	return nil
}
