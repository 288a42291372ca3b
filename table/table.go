package table

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/uuid"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/expire"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/write"
)

// Options of Open and Create; the zero value works.
type Options struct {
	// Branch of the table; "" is the table itself.
	Branch string
	// User is the commit user of this handle's own commits; "" is a new UUID.
	// Jobs, which must find their commits again, pass the one they were made with.
	User string
	// Overrides are laid over the table's options when it is read, as Paimon's
	// dynamic options are; writes follow the stored ones.
	Overrides map[string]string
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Table is a handle of one table or branch. It is safe for concurrent use. It
// sees the schema of the time it was opened until Refresh.
type Table struct {
	store     objstore.Store // rooted at the table
	path      string
	opts      Options
	snaps     *snapshot.Manager
	schemas   *schema.Files
	manifests *manifest.Files
	commits   *commit.Committer
	freshUser bool // opts.User was made with the handle

	mu struct {
		sync.Mutex
		schema *schema.Schema
		last   snapshot.ID // of this handle's newest commit
		serial int64       // identifier of the next commit of Write and Compact
	}
}

// Open reads the newest schema of the table at path below store ("" if store is
// rooted at the table). It does not read data. No table: schema.ErrNoTable.
func Open(ctx context.Context, store objstore.Store, path string, opts Options) (*Table, error) {
	t := newTable(store, path, opts)
	if err := t.Refresh(ctx); err != nil {
		return nil, fmt.Errorf("open table %s: %w", store.URI(path), err)
	}
	return t, nil
}

// Create makes a table at path; schema.ErrTableExists if there is one.
func Create(ctx context.Context, store objstore.Store, path string, d schema.Definition, opts Options) (*Table, error) {
	t := newTable(store, path, opts)
	s, err := schema.New(d, t.opts.Now().UnixMilli())
	if err == nil {
		err = t.schemas.Create(ctx, s)
	}
	if err != nil {
		return nil, fmt.Errorf("create table %s: %w", store.URI(path), err)
	}
	t.mu.schema = s
	return t, nil
}

func newTable(store objstore.Store, path string, opts Options) *Table {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	fresh := opts.User == ""
	if fresh {
		opts.User = uuid.NewString()
	}
	uri := strings.TrimSuffix(store.URI(path), "/")
	store = objstore.Sub(store, path)
	t := &Table{
		store: store, path: uri, opts: opts, freshUser: fresh, snaps: snapshot.NewManager(store, opts.Branch),
		schemas: schema.NewFiles(store, snapshot.BranchPrefix(opts.Branch)), manifests: manifest.NewFiles(store, ""),
		commits: commit.New(store, commit.Options{Branch: opts.Branch, Path: uri, Now: opts.Now}),
	}
	t.mu.serial = 1
	return t
}

// Refresh takes up the newest schema.
func (t *Table) Refresh(ctx context.Context) error {
	s, err := t.schemas.Latest(ctx)
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.mu.schema = s
	t.mu.Unlock()
	return nil
}

// Schema of the handle.
func (t *Table) Schema() *schema.Schema {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.schema
}

// Store is rooted at the table.
func (t *Table) Store() objstore.Store { return t.store }

// Path names the table for people and in identities.
func (t *Table) Path() string { return t.path }

// Snapshots finds the table's versions, tags and consumers.
func (t *Table) Snapshots() *snapshot.Manager { return t.snaps }

// Manifests reads the table's metadata files, through the handle's cache.
func (t *Table) Manifests() *manifest.Files { return t.manifests }

// Snapshot reads the version that ref means; nil for the newest version of a
// table that has none yet.
func (t *Table) Snapshot(ctx context.Context, ref snapshot.Ref) (*snapshot.Snapshot, error) {
	s, err := t.snaps.Resolve(ctx, ref)
	if errors.Is(err, snapshot.ErrNone) && ref == (snapshot.Ref{}) {
		return nil, nil
	}
	return s, err
}

// SchemaAt is the schema that a version is read with: its own for a version
// named by the caller, the handle's for the newest.
func (t *Table) SchemaAt(ctx context.Context, ref snapshot.Ref, s *snapshot.Snapshot) (*schema.Schema, error) {
	if s == nil || ref == (snapshot.Ref{}) {
		return t.overlaid(t.Schema()), nil
	}
	sc, err := t.schemas.Get(ctx, schema.ID(s.SchemaID))
	if err != nil {
		return nil, err
	}
	return t.overlaid(sc), nil
}

// overlaid is the schema with the handle's overrides.
func (t *Table) overlaid(s *schema.Schema) *schema.Schema {
	if len(t.opts.Overrides) == 0 {
		return s
	}
	c := s.Clone()
	maps.Copy(c.Options, t.opts.Overrides)
	return c
}

// Scan plans a read of a version. Time travel gives the version's own columns.
func (t *Table) Scan(ctx context.Context, ref snapshot.Ref, req scan.Request) (*scan.Plan, error) {
	s, err := t.Snapshot(ctx, ref)
	if err != nil {
		return nil, err
	}
	sc, err := t.SchemaAt(ctx, ref, s)
	if err != nil {
		return nil, err
	}
	x, err := scan.New(t.store, sc, t.manifests)
	if err != nil {
		return nil, err
	}
	return x.Plan(ctx, s, req)
}

// Change is a batch of exact changes of one snapshot: a kind (+I 0, -U 1, +U 2,
// -D 3) per row. The batch is the callback's until it returns.
type Change struct {
	Snapshot *snapshot.Snapshot
	Rows     arrow.RecordBatch
	Kinds    []int8
}

// Changes streams the exact changes of the snapshots in (after, upTo], in order;
// upTo 0 is the newest. Columns nil are all of the handle's schema. A snapshot
// that has expired is snapshot.ErrNotFound; nothing is left out silently.
func (t *Table) Changes(ctx context.Context, after, upTo snapshot.ID, columns []string, fn func(Change) error) error {
	if upTo == 0 {
		var err error
		if upTo, err = t.snaps.LatestID(ctx); errors.Is(err, snapshot.ErrNone) {
			return nil
		} else if err != nil {
			return err
		}
	}
	x, err := scan.New(t.store, t.overlaid(t.Schema()), t.manifests)
	if err != nil {
		return err
	}
	var prev *snapshot.Snapshot
	if after > 0 && after < upTo {
		if prev, err = t.snaps.Get(ctx, after); err != nil {
			return err
		}
	}
	for id := after + 1; id <= upTo; id++ {
		s, err := t.snaps.Get(ctx, id)
		if err != nil {
			return err
		}
		err = x.Changes(ctx, prev, s, columns, func(rows arrow.RecordBatch, kinds []int8) error {
			return fn(Change{s, rows, kinds})
		})
		if err != nil {
			return err
		}
		prev = s
	}
	return nil
}

// StoredChanges streams the changelog that other engines read, from snapshot
// from (0: the oldest there is) to the newest, changelogs kept of expired
// snapshots included. See scan.StoredChanges for how it differs from Changes.
func (t *Table) StoredChanges(ctx context.Context, from snapshot.ID, columns []string, fn func(Change) error) error {
	x, err := scan.New(t.store, t.overlaid(t.Schema()), t.manifests)
	if err != nil {
		return err
	}
	first, latest, err := t.extent(ctx)
	if err != nil || latest == 0 {
		return err
	}
	id := from
	if from == 0 {
		id = first
		kept, err := t.snaps.ListChangelogs(ctx)
		if err != nil {
			return err
		}
		if len(kept) > 0 {
			id = min(id, kept[0])
		}
	}
	for ; id <= latest; id++ {
		get := t.snaps.Get
		if id < first {
			get = t.snaps.GetChangelog
		}
		s, err := get(ctx, id)
		if err != nil {
			return err
		}
		err = x.StoredChanges(ctx, s, columns, func(rows arrow.RecordBatch, kinds []int8) error {
			return fn(Change{s, rows, kinds})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// extent is the ids of the oldest and newest snapshot; 0 for a table without any.
func (t *Table) extent(ctx context.Context) (first, latest snapshot.ID, err error) {
	latest, err = t.snaps.LatestID(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		return 0, 0, nil
	}
	if err == nil {
		first, err = t.snaps.EarliestID(ctx)
	}
	return first, latest, err
}

// Between streams what came after snapshot from up to snapshot to, by mode; see
// scan.Between. from 0 is the empty table.
func (t *Table) Between(ctx context.Context, mode scan.Mode, from, to snapshot.ID, columns []string, fn func(rows arrow.RecordBatch, kinds []int8) error) error {
	if from < 0 || to < from {
		return errkind.Errorf(errkind.Invalid, "snapshots %d to %d: the first must not be above the second", from, to)
	}
	var start *snapshot.Snapshot
	var err error
	if from > 0 && mode == scan.ModeDiff {
		if start, err = t.snaps.Get(ctx, from); err != nil {
			return err
		}
	}
	way, err := t.snaps.Range(ctx, from+1, to)
	if err != nil {
		return err
	}
	x, err := scan.New(t.store, t.overlaid(t.Schema()), t.manifests)
	if err != nil {
		return err
	}
	return x.Between(ctx, mode, start, way, columns, fn)
}

// NewWriter makes a writer of the handle's schema. Its messages go to Commit.
func (t *Table) NewWriter(opts write.Options) (*write.Writer, error) {
	if opts.Manifests == nil {
		opts.Manifests = t.manifests
	}
	if opts.Now == nil {
		opts.Now = t.opts.Now
	}
	opts.Branch = t.opts.Branch
	return write.New(t.store, t.Schema(), opts)
}

// Commit publishes a request as the table's next snapshot.
func (t *Table) Commit(ctx context.Context, req commit.Request) (*commit.Result, error) {
	return t.commits.Commit(ctx, req)
}

// Identity of a snapshot of this table.
func (t *Table) Identity(s *snapshot.Snapshot) snapshot.Identity { return s.Identity(t.path) }

// CommitMessages commits under the handle's own user and a serial number: for
// writers that need no progress of their own, such as tools and one-shot loads.
func (t *Table) CommitMessages(ctx context.Context, kind snapshot.CommitKind, messages []commit.Message, o *commit.Overwrite) (*commit.Result, error) {
	t.mu.Lock()
	req := commit.Request{User: t.opts.User, Identifier: t.mu.serial, Kind: kind, Messages: messages, Overwrite: o, Since: t.mu.last, NewUser: t.mu.last == 0 && t.freshUser}
	t.mu.serial++
	t.mu.Unlock()
	res, err := t.commits.Commit(ctx, req)
	if err == nil && res.Snapshot != nil {
		t.mu.Lock()
		t.mu.last = max(t.mu.last, res.Snapshot.ID)
		t.mu.Unlock()
	}
	return res, err
}

// Write appends or upserts the batches and commits them as one snapshot; kinds
// has one element per batch, nil meaning all +I. The files of a commit that
// surely failed are deleted.
func (t *Table) Write(ctx context.Context, batches []arrow.RecordBatch, kinds [][]int8) (*commit.Result, error) {
	return t.load(ctx, batches, kinds, snapshot.Append, nil)
}

// Overwrite replaces the partitions that match by the batches, in one snapshot.
// A nil match replaces the whole table.
func (t *Table) Overwrite(ctx context.Context, batches []arrow.RecordBatch, match func(partition []byte) bool) (*commit.Result, error) {
	if match == nil {
		match = func([]byte) bool { return true }
	}
	return t.load(ctx, batches, nil, snapshot.Overwrite, &commit.Overwrite{Match: match})
}

func (t *Table) load(ctx context.Context, batches []arrow.RecordBatch, kinds [][]int8, kind snapshot.CommitKind, o *commit.Overwrite) (*commit.Result, error) {
	w, err := t.NewWriter(write.Options{})
	if err != nil {
		return nil, err
	}
	for i, b := range batches {
		var k []int8
		if kinds != nil {
			k = kinds[i]
		}
		if err := w.Write(ctx, b, k); err != nil {
			return nil, errors.Join(err, w.Abort(context.WithoutCancel(ctx)))
		}
	}
	return t.Flush(ctx, w, kind, o)
}

// Flush commits what the writer holds, as CommitMessages does.
func (t *Table) Flush(ctx context.Context, w *write.Writer, kind snapshot.CommitKind, o *commit.Overwrite) (*commit.Result, error) {
	messages, err := w.Prepare(ctx)
	if err != nil {
		return nil, errors.Join(err, w.Abort(context.WithoutCancel(ctx)))
	}
	res, err := t.CommitMessages(ctx, kind, messages, o)
	if err != nil && !errors.Is(err, commit.ErrUnknown) {
		return nil, errors.Join(err, w.Discard(context.WithoutCancel(ctx), messages))
	}
	return res, err
}

// Alter applies changes as one new version of the schema, which the handle
// takes up.
func (t *Table) Alter(ctx context.Context, changes ...schema.Change) error {
	_, err := t.schemas.Update(ctx, func(cur *schema.Schema) (*schema.Schema, error) {
		next, err := schema.Apply(cur, t.opts.Now().UnixMilli(), changes...)
		if err != nil {
			return nil, err
		}
		return next, next.Validate()
	})
	if err != nil {
		return fmt.Errorf("alter table %s: %w", t.path, err)
	}
	return t.Refresh(ctx)
}

// Expire removes versions by the table's options, or by opts.
func (t *Table) Expire(ctx context.Context, opts expire.Options) (expire.Done, error) {
	if err := t.mainOnly("expire"); err != nil {
		return expire.Done{}, err
	}
	if opts.Now == nil {
		opts.Now = t.opts.Now
	}
	return expire.New(t.store).Run(ctx, opts)
}

// CreateTag names a version; retained 0 keeps the tag until it is deleted.
func (t *Table) CreateTag(ctx context.Context, name string, ref snapshot.Ref, retained time.Duration) error {
	s, err := t.snaps.Resolve(ctx, ref)
	if err != nil {
		return fmt.Errorf("create tag %q: %w", name, err)
	}
	return t.snaps.CreateTag(ctx, snapshot.Tag{Name: name, Snapshot: s, Retained: retained, Created: snapshot.LocalWall(t.opts.Now())})
}

// DeleteTag removes a tag and the files that only it kept.
func (t *Table) DeleteTag(ctx context.Context, name string) error {
	if t.opts.Branch != "" {
		return t.snaps.DeleteTag(ctx, name)
	}
	_, err := expire.New(t.store).DeleteTag(ctx, name)
	return err
}

// Rollback makes a version the newest again; everything after it goes.
func (t *Table) Rollback(ctx context.Context, ref snapshot.Ref) (expire.Done, error) {
	if err := t.mainOnly("roll back"); err != nil {
		return expire.Done{}, err
	}
	if ref.Tag != "" {
		return expire.New(t.store).RollbackToTag(ctx, ref.Tag)
	}
	s, err := t.snaps.Resolve(ctx, ref)
	if err != nil {
		return expire.Done{}, err
	}
	return expire.New(t.store).Rollback(ctx, s.ID)
}

func (t *Table) mainOnly(what string) error {
	if t.opts.Branch != "" && t.opts.Branch != snapshot.MainBranch {
		return errkind.Errorf(errkind.Invalid, "%s branch %q: branches share the table's files; delete the branch instead", what, t.opts.Branch)
	}
	return nil
}
