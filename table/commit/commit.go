package commit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// Sentinels of the package; see also ErrConflict.
var (
	// ErrReplaced: the snapshot that the caller builds on (Request.Prev) is not in
	// the table's history any more. Nothing was written.
	ErrReplaced = errkind.New(errkind.Conflict, "commit: table was rolled back or replaced")
	// ErrRetries: others were first commit.max-retries times. Nothing was written.
	ErrRetries = errkind.New(errkind.Conflict, "commit: too many others commit at once")
	// ErrUnknown: the store did not say whether the snapshot was written. Keep the
	// files and ask Find.
	ErrUnknown = errkind.New(errkind.Unavailable, "commit: outcome is not known")
)

// Options of New; the zero value works.
type Options struct {
	Branch string // "" is the table itself
	// Path is the table's path in identities; "" is the store's URI.
	Path string
	// Now is the clock of snapshots; nil: time.Now.
	Now func() time.Time
	// Sleep waits between tries; nil: a timer.
	Sleep func(ctx context.Context, d time.Duration) error
	// Rand spreads the waits, in [0, 1); nil: math/rand.
	Rand func() float64
}

func (o Options) withDefaults(store objstore.Store) Options {
	if o.Path == "" {
		o.Path = store.URI("")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	return o
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Committer publishes snapshots of one table or branch. It remembers what it
// has read of the table, so keep it as long as the writer. Safe for concurrent
// use; commits of one Committer run one after the other.
type Committer struct {
	store     objstore.Store // rooted at the table
	snaps     *snapshot.Manager
	schemas   *schema.Files
	manifests *manifest.Files
	opts      Options

	mu struct {
		sync.Mutex // held for a whole commit: it orders this Committer's commits
		tail       tail
		last       lastCommit
	}
}

// New makes a committer over a store rooted at the table. codec of its manifests
// and the other settings are read from the table's options at each commit.
func New(store objstore.Store, opts Options) *Committer {
	return &Committer{
		store: store, opts: opts.withDefaults(store), snaps: snapshot.NewManager(store, opts.Branch),
		schemas: schema.NewFiles(store, snapshot.BranchPrefix(opts.Branch)), manifests: manifest.NewFiles(store, ""),
	}
}

// lastCommit is the newest commit of a Committer: where its user's next one
// need not look behind.
type lastCommit struct {
	user string
	id   snapshot.ID
}

// Overwrite says which partitions an OVERWRITE replaces.
type Overwrite struct {
	// Match reports whether the partition, in stored form, is replaced.
	Match func(partition []byte) bool
}

// Request is one commit.
type Request struct {
	User       string // commitUser: a UUID made once per job or writer
	Identifier int64  // commitIdentifier: the epoch; unique per User and Kind
	Kind       snapshot.CommitKind
	Messages   []Message
	// Overwrite, with Kind OVERWRITE, removes all files of the partitions it
	// matches that are live when the commit happens; nil removes only the
	// messages' Removed files.
	Overwrite  *Overwrite
	Properties map[string]string // of the snapshot; see Provenance
	Watermark  *int64            // Unix milliseconds; the table's never goes back
	// Prev is the caller's previous snapshot here; the commit fails with
	// ErrReplaced unless it is still in the history. Nil: there is none.
	Prev *snapshot.Identity
	// Since bounds, without Prev, how far Fence and the search for this very
	// commit look back: to snapshots above it. 0: to the user's last commit by this
	// Committer, or to the oldest snapshot there is, which may be thousands of reads.
	Since snapshot.ID
	// NewUser says that User was made for this commit, so there is nothing of it to
	// find: only snapshots that come from now on are looked at.
	NewUser bool
	// Fence is called before each try with the snapshots that came after Prev, in
	// order; an error stops the commit and is returned. Nil: no fence.
	Fence func(ctx context.Context, newer []*snapshot.Snapshot) error
	// Force commits even if no file changes.
	Force bool
}

// Result is what became of a commit.
type Result struct {
	// Snapshot is the table's version with the change; nil if Skipped.
	Snapshot *snapshot.Snapshot
	// Already: an earlier commit of the same user, identifier and kind was found;
	// nothing was written now.
	Already bool
	// Skipped: there was nothing to change.
	Skipped bool
	Tries   int // puts that were tried
}

func (r *Request) check() error {
	switch {
	case r.User == "":
		return errkind.Errorf(errkind.Bug, "commit: no commit user")
	case r.Identifier == snapshot.BatchIdentifier:
		return errkind.Errorf(errkind.Bug, "commit: identifier %d does not tell commits apart", r.Identifier)
	case r.Kind != snapshot.Append && r.Kind != snapshot.Compact && r.Kind != snapshot.Overwrite:
		return errkind.Errorf(errkind.Bug, "commit: kind %q", r.Kind)
	case r.Overwrite != nil && r.Kind != snapshot.Overwrite:
		return errkind.Errorf(errkind.Bug, "commit: kind %s with partitions to overwrite", r.Kind)
	}
	if r.Kind == snapshot.Append {
		for i := range r.Messages {
			if len(r.Messages[i].Removed) > 0 {
				return errkind.Errorf(errkind.Bug, "commit: an APPEND removes no files")
			}
		}
	}
	return nil
}

// Identity of a snapshot of this table.
func (c *Committer) Identity(s *snapshot.Snapshot) snapshot.Identity { return s.Identity(c.opts.Path) }

// Find looks for a commit by its user, identifier and kind among the snapshots
// above since; nil if there is none.
func (c *Committer) Find(ctx context.Context, user string, identifier int64, kind snapshot.CommitKind, since snapshot.ID) (*snapshot.Snapshot, error) {
	h := history{snaps: c.snaps, after: since}
	if err := h.extend(ctx); err != nil {
		return nil, err
	}
	return h.find(user, identifier, kind), nil
}

// Commit publishes the request as the table's next snapshot, whichever number
// that turns out to have. See the package's doc for what the errors mean.
func (c *Committer) Commit(ctx context.Context, req Request) (*Result, error) {
	if err := req.check(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := run{c: c, req: req, messages: req.Messages, rebased: map[string]bool{}, history: history{snaps: c.snaps, after: req.Since}}
	// Paimon's defaults, until the table's options are read; they parse.
	r.opts, _ = schema.ParseOptions(nil, false)
	r.lookBack(ctx)
	res, err := r.loop(ctx)
	if err != nil {
		return nil, fmt.Errorf("commit to %s: %w", c.store.URI(""), err)
	}
	if res.Snapshot != nil {
		c.mu.last = lastCommit{req.User, res.Snapshot.ID}
	}
	return res, nil
}

// lookBack decides above which snapshot the commit's history begins.
func (r *run) lookBack(ctx context.Context) {
	switch {
	case r.req.Prev != nil:
		r.history.after = r.req.Prev.ID
	case r.req.Since > 0:
	case r.req.NewUser:
		// If it cannot be read now, looking back to the oldest is only slower.
		if id, err := r.c.snaps.LatestID(ctx); err == nil {
			r.history.after = id
		}
	case r.c.mu.last.user == r.req.User:
		// Another identifier or kind than the last one's lies above it; the same is
		// the last one itself.
		r.history.after = r.c.mu.last.id - 1
	}
}

// run is one commit with all its tries.
type run struct {
	c        *Committer
	req      Request
	messages []Message // as rebased last
	history  history
	tries    []*try
	rebased  map[string]bool // keys of files that a rebase replaced or wrote
	opts     schema.Options
	schema   *schema.Schema
}

func (r *run) loop(ctx context.Context) (*Result, error) {
	for n := 0; ; n++ {
		res, err := r.once(ctx)
		if res != nil {
			r.cleanUp(ctx)
			return res, nil
		}
		if !errors.Is(err, errAgain) && !errors.Is(err, errTaken) {
			return r.giveUp(ctx, err)
		}
		if n >= r.opts.CommitMaxRetries {
			if errors.Is(err, errTaken) {
				err = fmt.Errorf("%w: gave up after %d tries: raise table option '%s' or commit less often: %w", ErrRetries, n+1, schema.OptCommitMaxRetries, err)
			}
			return r.giveUp(ctx, err)
		}
		if err := r.c.opts.Sleep(ctx, r.backOff(n)); err != nil {
			return r.giveUp(ctx, err)
		}
	}
}

// backOff doubles from the shortest to the longest wait and takes a random part
// of the upper half of it, so that writers that clashed part.
func (r *run) backOff(n int) time.Duration {
	const doublings = 20 // beyond any longest wait; keeps the shift small
	d := min(r.opts.CommitMinRetryWait<<min(n, doublings), r.opts.CommitMaxRetryWait)
	return d/2 + time.Duration(r.c.opts.Rand()*float64(d/2))
}

// giveUp ends a commit that failed. Where a put is unresolved it looks once more,
// even if ctx is over; if that does not settle it, the error is ErrUnknown.
// Otherwise nothing was committed and the files of the tries go.
func (r *run) giveUp(ctx context.Context, err error) (*Result, error) {
	if r.unresolved() != nil {
		const patience = 10 * time.Second // a caller that stops waits no longer than this
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		if lookErr := r.history.extend(late); lookErr == nil {
			if t := r.landed(); t != nil {
				r.cleanUp(ctx)
				return &Result{Snapshot: t.snapshot, Tries: len(r.tries)}, nil
			}
		}
	}
	if t := r.unresolved(); t != nil {
		return nil, fmt.Errorf("%w: snapshot %d may have been written: %w", ErrUnknown, t.snapshot.ID, err)
	}
	r.cleanUp(ctx)
	return nil, err
}

func (r *run) unresolved() *try {
	for _, t := range r.tries {
		if t.unresolved {
			return t
		}
	}
	return nil
}

var (
	// errTaken marks a try that lost to another writer.
	errTaken = errors.New("another writer was first")
	// errAgain marks a try that failed in a way that the next may not.
	errAgain = errors.New("try again")
)

// once makes one try. It returns a result, errTaken, errAgain, or what ends the
// commit.
func (r *run) once(ctx context.Context) (*Result, error) {
	c := r.c
	if err := r.loadSchema(ctx); err != nil {
		return nil, r.transient(err)
	}
	latest, err := r.look(ctx)
	if err != nil {
		return nil, r.transient(err)
	}
	if t := r.landed(); t != nil {
		return &Result{Snapshot: t.snapshot, Tries: len(r.tries)}, nil
	}
	if r.req.Fence != nil {
		if err := r.req.Fence(ctx, r.history.newer); err != nil {
			return nil, err
		}
	}
	if s := r.history.find(r.req.User, r.req.Identifier, r.req.Kind); s != nil {
		return &Result{Snapshot: s, Already: true, Tries: len(r.tries)}, nil
	}
	t, err := r.prepare(ctx, latest)
	if err != nil {
		return nil, r.transient(err)
	}
	if t == nil {
		return &Result{Skipped: true}, nil
	}
	r.tries = append(r.tries, t)
	err = c.snaps.Publish(ctx, t.snapshot)
	switch {
	case err == nil:
		t.won = true
		c.mu.tail.apply(t.snapshot, t.delta)
		r.hint(ctx, t.snapshot.ID)
		return &Result{Snapshot: t.snapshot, Tries: len(r.tries)}, nil
	case errors.Is(err, objstore.ErrExists):
		return nil, fmt.Errorf("snapshot %d: %w", t.snapshot.ID, errTaken)
	default:
		// A full disk or a refusal is a sure no; an outage or a caller who left is not.
		k := errkind.Of(err)
		t.unresolved = k == errkind.Unavailable || k == errkind.Canceled || k == errkind.Bug
		return nil, r.transient(err)
	}
}

// transient wraps errors of the outside world as worth another try; what the
// bytes or the caller got wrong stays wrong.
func (r *run) transient(err error) error {
	switch errkind.Of(err) {
	case errkind.Unavailable, errkind.Bug: // Bug: an I/O error nobody classified
		return fmt.Errorf("%w: %w", errAgain, err)
	default:
		return err
	}
}

func (r *run) loadSchema(ctx context.Context) error {
	s, err := r.c.schemas.Latest(ctx)
	if err != nil {
		return err
	}
	if r.schema != nil && r.schema.ID == s.ID {
		return nil
	}
	if err := s.Writable(); err != nil {
		return err
	}
	if r.opts, err = s.TableOptions(); err != nil {
		return err
	}
	r.schema = s
	r.c.manifests.SetCodec(r.opts.ManifestCompression)
	return nil
}

// hint tells readers where to look. A lost hint costs them a listing, so errors
// are left alone: the commit has happened.
func (r *run) hint(ctx context.Context, id snapshot.ID) {
	ctx = context.WithoutCancel(ctx)
	_ = r.c.snaps.PutLatestHint(ctx, id)
	if id == 1 {
		_ = r.c.snaps.PutEarliestHint(ctx, id)
	}
}
