package revision

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/uuid"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/ledger"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/snapshot"
)

// Options of New. All but Now and Logger are needed.
type Options struct {
	Store    objstore.Store // the warehouse's root
	Jobs     *job.Manager
	Services *session.Services
	Now      func() time.Time // nil: time.Now
	Logger   *slog.Logger     // nil: none
}

// Service plans and runs revisions of one warehouse. It is safe for concurrent use.
type Service struct {
	opts   Options
	ledger *ledger.Ledger[Entry]
	ctx    context.Context // of what runs without its caller
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// runningMax bounds the revisions under way: each may hold a range of rows in memory.
const runningMax = 2

// New makes a service. Start takes up what an earlier process left.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{opts: o, ledger: openLedger(o.Store, o)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Stop ends what runs; what was decided goes on with the next start. It may be called twice.
func (s *Service) Stop() {
	s.cancel()
	s.wg.Wait()
}

func notFound(id string) error {
	return errkind.Errorf(errkind.NotFound, "revision: there is none with id %q", id)
}

// Plan is what a revision would do.
type Plan struct {
	Table        string `json:"table"`
	Column       string `json:"range_column"`
	BaseSnapshot int64  `json:"base_snapshot"`
	RowsBefore   int64  `json:"rows_before"` // in the range
	RowsAfter    int64  `json:"rows_after"`
	Counts
	Samples    []Sample `json:"samples" nullable:"false"`
	Downstream []string `json:"downstream" nullable:"false"` // tables that could change
}

// prepared is a revision that can be decided.
type prepared struct {
	plan    Plan
	target  *target
	change  job.Revision
	release func()
}

func (p *prepared) close() {
	for _, list := range [][]arrow.RecordBatch{p.change.Removed, p.change.Added} {
		for _, b := range list {
			b.Release()
		}
	}
	if p.release != nil {
		p.release()
	}
}

// DryRun says what the request would change, and changes nothing.
func (s *Service) DryRun(ctx context.Context, r Request) (*Plan, error) {
	p, err := s.prepare(ctx, r, uuid.NewString())
	if err != nil {
		return nil, err
	}
	defer p.close()
	return &p.plan, nil
}

// prepare makes the difference of a request. The caller closes it.
func (s *Service) prepare(ctx context.Context, r Request, id string) (*prepared, error) {
	if r.Undo != "" {
		return s.prepareUndo(ctx, r, id)
	}
	t, err := s.resolve(ctx, r)
	if err != nil {
		return nil, err
	}
	p, err := s.open(ctx, t, id)
	if err != nil {
		return nil, err
	}
	if err := s.compare(ctx, r, p); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// check refuses, without reading a row, what cannot be done.
func (s *Service) check(ctx context.Context, r Request) error {
	if r.Undo != "" {
		_, _, err := s.undone(ctx, r, "")
		return err
	}
	t, err := s.resolve(ctx, r)
	if err != nil {
		return err
	}
	base, err := s.base(ctx, t)
	if err != nil {
		return err
	}
	_, err = s.bindRows(ctx, t, r.SQL, int64(base.ID))
	return err
}

// base is the version a revision starts from.
func (s *Service) base(ctx context.Context, t *target) (*snapshot.Snapshot, error) {
	base, err := snapshot.NewManager(objstore.Sub(s.opts.Store, t.table.Path), "").Latest(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		return nil, errkind.Errorf(errkind.Invalid, "revise %s: the table has no rows", t.id)
	}
	return base, err
}

// open holds the version that the revision starts from.
func (s *Service) open(ctx context.Context, t *target, id string) (*prepared, error) {
	name := t.id.String()
	base, err := s.base(ctx, t)
	if err != nil {
		return nil, err
	}
	release := s.opts.Jobs.Hold("revise:"+id, map[string]int64{t.table.Path: int64(base.ID)})
	p := &prepared{target: t, release: release}
	p.plan = Plan{Table: name, Column: t.rng.Column, BaseSnapshot: int64(base.ID), Downstream: s.jobs(ctx).downstream(name).sinks()}
	p.change = job.Revision{ID: id, Table: t.table.Path, Base: base.Identity(t.table.Path), Range: t.rng,
		Inputs: []commit.Input{{Table: t.table.Path, ID: base.ID, Hash: base.Hash}}}
	return p, nil
}

// compare runs the query and the table's own rows of the range and takes the difference.
func (s *Service) compare(ctx context.Context, r Request, p *prepared) error {
	t := p.target
	fix, err := s.bindRows(ctx, t, r.SQL, p.plan.BaseSnapshot)
	if err != nil {
		return err
	}
	own, err := s.bindRows(ctx, t, "SELECT * FROM "+quote(t.id.Table), p.plan.BaseSnapshot)
	if err != nil {
		return err
	}
	d, err := newDifference(t)
	if err != nil {
		return err
	}
	if _, err := s.read(ctx, own, "revise "+t.id.String(), "revise", d.stored); err != nil {
		return fmt.Errorf("read %s: %w", t.id, err)
	}
	cut, err := s.read(ctx, fix, r.SQL, "revise", d.corrected)
	if err != nil {
		return err
	}
	p.change.Inputs = append(p.change.Inputs, otherInputs(cut, t)...)
	p.plan.RowsBefore, p.plan.RowsAfter = d.rows.stored, d.rows.corrected
	removed, added := d.sides()
	return p.take(d, removed, added)
}

// take makes batches of the two sides and counts them.
func (p *prepared) take(d *difference, removed, added [][]byte) error {
	minus, err := d.batch(removed)
	if err != nil {
		return err
	}
	p.change.Removed = []arrow.RecordBatch{minus}
	plus, err := d.batch(added)
	if err != nil {
		return err
	}
	p.change.Added = []arrow.RecordBatch{plus}
	p.plan.Counts, p.plan.Samples, err = d.describe(minus, plus)
	if p.plan.Samples == nil {
		p.plan.Samples = []Sample{}
	}
	return err
}

// otherInputs are the versions of other tables that the query read.
func otherInputs(cut *session.Cut, t *target) []commit.Input {
	if cut == nil {
		return nil
	}
	var out []commit.Input
	for _, name := range sortedNames(cut.Snapshots) {
		id, err := catalog.ParseIdentifier(name, catalog.DefaultDatabase)
		if err != nil || id == t.id {
			continue
		}
		out = append(out, commit.Input{Table: id.Path(), ID: snapshot.ID(cut.Snapshots[name])})
	}
	return out
}
