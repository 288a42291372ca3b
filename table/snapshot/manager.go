package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

// Sentinels of the package.
var (
	// ErrNotFound: the snapshot, tag, consumer or branch asked for is not there.
	ErrNotFound = errkind.New(errkind.NotFound, "snapshot: not found")
	// ErrNone: the table has no snapshot yet; it is empty, not broken.
	ErrNone = errkind.New(errkind.NotFound, "snapshot: the table has no snapshot yet")
)

// Directories and files, relative to a table or branch.
const (
	dir          = "snapshot/"
	filePrefix   = "snapshot-"
	changelogDir = "changelog/"
	changelogPre = "changelog-"
	hintLatest   = "LATEST"
	hintEarliest = "EARLIEST"
)

// forwardMax is how many ids past a stale LATEST are tried one by one before
// the folder is listed: a hint is stale by a commit or two, listing costs more.
const forwardMax = 8

// Manager finds the versions of one table or branch. It holds no state and is
// safe for concurrent use.
type Manager struct {
	store  objstore.Store
	prefix string // "" or "branch/branch-<name>/"
}

// NewManager makes a manager over a store rooted at the table; branch "" or
// "main" is the table itself.
func NewManager(store objstore.Store, branch string) *Manager {
	return &Manager{store: store, prefix: BranchPrefix(branch)}
}

// BranchPrefix is the key prefix under which a branch keeps its schemas,
// snapshots, tags and consumers; data and manifests stay in the table's folders.
func BranchPrefix(branch string) string {
	if branch == "" || branch == MainBranch {
		return ""
	}
	return "branch/branch-" + branch + "/"
}

// MainBranch is the name of the table itself among its branches.
const MainBranch = "main"

// Key is the key of snapshot id, relative to the table.
func (m *Manager) Key(id ID) string {
	return m.prefix + dir + filePrefix + strconv.FormatInt(int64(id), 10)
}

// ChangelogKey is the key of the changelog kept of the expired snapshot id.
func (m *Manager) ChangelogKey(id ID) string {
	return m.prefix + changelogDir + changelogPre + strconv.FormatInt(int64(id), 10)
}

// Get reads snapshot id.
func (m *Manager) Get(ctx context.Context, id ID) (*Snapshot, error) {
	s, err := m.read(ctx, m.Key(id))
	if !errors.Is(err, objstore.ErrNotFound) {
		return s, err
	}
	return nil, m.notThere(ctx, id)
}

// Find reads snapshot id, or gives nil when there is none of that id. Unlike Get it does not list the folder to say
// which there are instead: it is for readers that look whether the next one has come.
func (m *Manager) Find(ctx context.Context, id ID) (*Snapshot, error) {
	s, err := m.read(ctx, m.Key(id))
	if errors.Is(err, objstore.ErrNotFound) {
		return nil, nil
	}
	return s, err
}

// GetChangelog reads the changelog kept of the expired snapshot id.
func (m *Manager) GetChangelog(ctx context.Context, id ID) (*Snapshot, error) {
	s, err := m.read(ctx, m.ChangelogKey(id))
	if errors.Is(err, objstore.ErrNotFound) {
		return nil, fmt.Errorf("changelog of snapshot %d of %s: %w", id, m.store.URI(m.prefix), ErrNotFound)
	}
	return s, err
}

// notThere says which snapshots there are instead of id.
func (m *Manager) notThere(ctx context.Context, id ID) error {
	ids, err := m.List(ctx)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return fmt.Errorf("snapshot %d of %s: %w", id, m.store.URI(m.prefix), ErrNone)
	}
	return fmt.Errorf("snapshot %d of %s: %w: it has snapshots %d to %d", id, m.store.URI(m.prefix), ErrNotFound, ids[0], ids[len(ids)-1])
}

func (m *Manager) read(ctx context.Context, key string) (*Snapshot, error) {
	data, err := objstore.ReadAll(ctx, m.store, key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", m.store.URI(key), err)
	}
	s, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.store.URI(key), err)
	}
	return s, nil
}

func (m *Manager) exists(ctx context.Context, id ID) (bool, error) {
	_, err := m.store.Stat(ctx, m.Key(id))
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, objstore.ErrNotFound):
		return false, nil
	default:
		return false, fmt.Errorf("look for %s: %w", m.store.URI(m.Key(id)), err)
	}
}

// Latest reads the newest snapshot, or returns ErrNone.
func (m *Manager) Latest(ctx context.Context) (*Snapshot, error) {
	const tries = 3 // a rollback or expiry between finding and reading
	var err error
	for range tries {
		var id ID
		if id, err = m.LatestID(ctx); err != nil {
			return nil, err
		}
		var s *Snapshot
		if s, err = m.read(ctx, m.Key(id)); !errors.Is(err, objstore.ErrNotFound) {
			return s, err
		}
	}
	return nil, err
}

// LatestID is the id of the newest snapshot, or ErrNone.
func (m *Manager) LatestID(ctx context.Context) (ID, error) {
	hint := m.hint(ctx, dir+hintLatest)
	if hint > 0 {
		ok, err := m.exists(ctx, hint)
		if err != nil {
			return 0, err
		}
		for id := hint; ok && id < hint+forwardMax; id++ {
			next, err := m.exists(ctx, id+1)
			if err != nil {
				return 0, err
			}
			if !next {
				return id, nil
			}
		}
	}
	ids, err := m.List(ctx)
	if err != nil {
		return 0, err
	}
	if len(ids) == 0 {
		return 0, fmt.Errorf("%s: %w", m.store.URI(m.prefix), ErrNone)
	}
	return ids[len(ids)-1], nil
}

// EarliestID is the id of the oldest snapshot, or ErrNone.
func (m *Manager) EarliestID(ctx context.Context) (ID, error) {
	if hint := m.hint(ctx, dir+hintEarliest); hint > 0 {
		ok, err := m.exists(ctx, hint)
		older := false
		if err == nil && ok && hint > 1 {
			older, err = m.exists(ctx, hint-1)
		}
		if err != nil {
			return 0, err
		}
		if ok && !older {
			return hint, nil
		}
	}
	ids, err := m.List(ctx)
	if err != nil {
		return 0, err
	}
	if len(ids) == 0 {
		return 0, fmt.Errorf("%s: %w", m.store.URI(m.prefix), ErrNone)
	}
	return ids[0], nil
}

// hint reads a hint file; 0 when there is none or it is no number.
func (m *Manager) hint(ctx context.Context, name string) ID {
	data, err := objstore.ReadAll(ctx, m.store, m.prefix+name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil || n < 1 {
		return 0
	}
	return ID(n)
}

// PutLatestHint overwrites LATEST. Losing it costs later readers a listing only.
func (m *Manager) PutLatestHint(ctx context.Context, id ID) error {
	return m.putHint(ctx, dir+hintLatest, id)
}

// PutEarliestHint overwrites EARLIEST.
func (m *Manager) PutEarliestHint(ctx context.Context, id ID) error {
	return m.putHint(ctx, dir+hintEarliest, id)
}

func (m *Manager) putHint(ctx context.Context, name string, id ID) error {
	if err := m.store.Put(ctx, m.prefix+name, []byte(strconv.FormatInt(int64(id), 10))); err != nil {
		return fmt.Errorf("write hint %s: %w", m.store.URI(m.prefix+name), err)
	}
	return nil
}

// Publish writes the snapshot's file if no snapshot has its id yet; else it
// returns objstore.ErrExists. It is the one moment at which a commit happens.
func (m *Manager) Publish(ctx context.Context, s *Snapshot) error {
	data, err := s.Seal()
	if err != nil {
		return err
	}
	if err := m.store.PutIfAbsent(ctx, m.Key(s.ID), data); err != nil {
		return fmt.Errorf("publish %s: %w", m.store.URI(m.Key(s.ID)), err)
	}
	return nil
}

// Delete removes snapshot id's file.
func (m *Manager) Delete(ctx context.Context, id ID) error {
	if err := m.store.Delete(ctx, m.Key(id)); err != nil {
		return fmt.Errorf("delete %s: %w", m.store.URI(m.Key(id)), err)
	}
	return nil
}

// List gives the ids of all snapshots, ascending.
func (m *Manager) List(ctx context.Context) ([]ID, error) {
	return m.listIDs(ctx, m.prefix+dir, filePrefix)
}

// ListChangelogs gives the ids whose changelog outlived the snapshot, ascending.
func (m *Manager) ListChangelogs(ctx context.Context) ([]ID, error) {
	return m.listIDs(ctx, m.prefix+changelogDir, changelogPre)
}

func (m *Manager) listIDs(ctx context.Context, folder, prefix string) ([]ID, error) {
	var ids []ID
	err := m.store.List(ctx, folder+prefix, func(i objstore.Info) error {
		name := strings.TrimPrefix(i.Key, folder+prefix)
		// Only the number as it is written: "+7" and "07" are other files.
		if n, err := strconv.ParseInt(name, 10, 64); err == nil && n > 0 && strconv.FormatInt(n, 10) == name {
			ids = append(ids, ID(n))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", m.store.URI(folder), err)
	}
	slices.Sort(ids)
	return ids, nil
}

// Range reads the snapshots from first to last, both included, ascending. One
// that is missing is ErrNotFound.
func (m *Manager) Range(ctx context.Context, first, last ID) ([]*Snapshot, error) {
	var out []*Snapshot
	for id := first; id <= last; id++ {
		s, err := m.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// All reads every snapshot there is, ascending. Snapshots that expire while it
// reads are left out.
func (m *Manager) All(ctx context.Context) ([]*Snapshot, error) {
	ids, err := m.List(ctx)
	if err != nil {
		return nil, err
	}
	return m.readAll(ctx, ids, m.Key)
}

// Changelogs reads every changelog kept of an expired snapshot, ascending.
func (m *Manager) Changelogs(ctx context.Context) ([]*Snapshot, error) {
	ids, err := m.ListChangelogs(ctx)
	if err != nil {
		return nil, err
	}
	return m.readAll(ctx, ids, m.ChangelogKey)
}

func (m *Manager) readAll(ctx context.Context, ids []ID, key func(ID) string) ([]*Snapshot, error) {
	out := make([]*Snapshot, 0, len(ids))
	for _, id := range ids {
		s, err := m.read(ctx, key(id))
		if errors.Is(err, objstore.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// LastOf returns the newest snapshot of the commit user that is no compaction,
// looking at tags where snapshots have expired, or ErrNotFound.
func (m *Manager) LastOf(ctx context.Context, user string) (*Snapshot, error) {
	mine := func(s *Snapshot) bool { return s.CommitUser == user && s.CommitKind != Compact }
	ids, err := m.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Backward(ids) {
		s, err := m.read(ctx, m.Key(id))
		if errors.Is(err, objstore.ErrNotFound) {
			break // expired meanwhile, and all older ones too
		}
		if err != nil {
			return nil, err
		}
		if mine(s) {
			return s, nil
		}
	}
	tags, err := m.Tags(ctx)
	if err != nil {
		return nil, err
	}
	var last *Snapshot
	for _, t := range tags {
		if mine(t.Snapshot) && (last == nil || t.Snapshot.ID > last.ID) {
			last = t.Snapshot
		}
	}
	if last == nil {
		return nil, fmt.Errorf("snapshot of commit user %s in %s: %w", user, m.store.URI(m.prefix), ErrNotFound)
	}
	return last, nil
}

// Before returns the newest snapshot committed at or before the time.
func (m *Manager) Before(ctx context.Context, at time.Time) (*Snapshot, error) {
	ids, err := m.List(ctx)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%s: %w", m.store.URI(m.prefix), ErrNone)
	}
	var found *Snapshot
	var readErr error
	// Commit times rise with ids, as every Paimon reader supposes.
	sort.Search(len(ids), func(i int) bool {
		if readErr != nil {
			return true
		}
		s, err := m.Get(ctx, ids[i])
		if err != nil {
			readErr = err
			return true
		}
		if s.TimeMillis > at.UnixMilli() {
			return true
		}
		if found == nil || s.ID > found.ID {
			found = s
		}
		return false
	})
	if readErr != nil {
		return nil, readErr
	}
	if found == nil {
		return nil, fmt.Errorf("%s at %s: %w: its oldest snapshot %d is newer", m.store.URI(m.prefix), at.UTC().Format(time.RFC3339Nano), ErrNotFound, ids[0])
	}
	return found, nil
}
