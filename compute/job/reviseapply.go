package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/rewrite"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/write"
)

// rewriteTriesMax is how often files are rewritten anew because a compaction or another engine was faster.
const rewriteTriesMax = 20

// application puts one decided revision on the table as it is now.
type application struct {
	m       *Manager
	rec     *RevisionRecord
	store   objstore.Store // of the table
	schema  *schema.Schema
	rows    *tableRows
	writer  *write.Writer
	rewrite *rewrite.Rewriter
	scan    *scan.Scanner
	snaps   *snapshot.Manager
	upserts bool // an upsert or a deletion at level 0 says what the revision does
	removed []arrow.RecordBatch
	added   []arrow.RecordBatch
}

func (v *revisions) newApplication(ctx context.Context, rec *RevisionRecord) (*application, error) {
	a := &application{m: v.m, rec: rec, store: objstore.Sub(v.m.opts.Store, rec.Table)}
	a.snaps = snapshot.NewManager(a.store, "")
	var err error
	if a.schema, err = schema.NewFiles(a.store, "").Latest(ctx); err != nil {
		return nil, fmt.Errorf("open table %s: %w", rec.Table, err)
	}
	opts, err := a.schema.TableOptions()
	if err != nil {
		return nil, err
	}
	a.upserts = opts.MergeEngine == "deduplicate" && len(opts.SequenceFields) == 0 && !opts.IgnoreDelete
	if a.rows, err = newTableRows(a.schema); err != nil {
		return nil, err
	}
	if a.scan, err = scan.New(a.store, a.schema, nil); err != nil {
		return nil, err
	}
	if a.rewrite, err = rewrite.New(a.store, a.schema, rewrite.Options{Now: v.m.opts.Now}); err != nil {
		return nil, err
	}
	err = readDifference(ctx, v.m.opts.Store, revisionRows(rec.ID), func(added bool, rows arrow.RecordBatch) error {
		if !sameColumns(rows.Schema(), a.rows.arrow) {
			return errkind.Errorf(errkind.Conflict, "table %s has other columns than when the revision was decided", rec.Table)
		}
		rows.Retain()
		if added {
			a.added = append(a.added, rows)
		} else {
			a.removed = append(a.removed, rows)
		}
		return nil
	})
	if err != nil {
		a.release()
		return nil, err
	}
	return a, nil
}

func sameColumns(a, b *arrow.Schema) bool {
	if a.NumFields() != b.NumFields() {
		return false
	}
	for i, f := range a.Fields() {
		if f.Name != b.Field(i).Name || !arrow.TypeEqual(f.Type, b.Field(i).Type) {
			return false
		}
	}
	return true
}

func (a *application) release() {
	for _, list := range [][]arrow.RecordBatch{a.removed, a.added} {
		for _, b := range list {
			b.Release()
		}
	}
	a.removed, a.added = nil, nil
}

// run commits, on the newest version each time somebody else was faster.
func (a *application) run(ctx context.Context) (RevisionDone, error) {
	for try := 1; ; try++ {
		done, err := a.once(ctx)
		if err == nil || !errors.Is(err, commit.ErrConflict) || try == rewriteTriesMax {
			return done, err
		}
	}
}

// planned is the change of one try.
type planned struct {
	kind     snapshot.CommitKind
	messages []commit.Message
	discard  func(context.Context) error
	removed  []arrow.RecordBatch // what changes in fact
	added    []arrow.RecordBatch
	done     RevisionDone
}

func (p *planned) release() {
	for _, list := range [][]arrow.RecordBatch{p.removed, p.added} {
		for _, b := range list {
			b.Release()
		}
	}
}

func (a *application) once(ctx context.Context) (RevisionDone, error) {
	s, err := a.snaps.Latest(ctx)
	if errors.Is(err, snapshot.ErrNone) {
		s, err = nil, nil
	}
	if err != nil {
		return RevisionDone{}, err
	}
	if a.writer, err = write.New(a.store, a.schema, write.Options{Now: a.m.opts.Now}); err != nil {
		return RevisionDone{}, err
	}
	plan := a.planAppend
	if a.schema.HasPrimaryKey() {
		plan = a.planKeyed
	}
	p, err := plan(ctx, s)
	if err != nil {
		return RevisionDone{}, errors.Join(err, a.writer.Abort(context.WithoutCancel(ctx)))
	}
	defer p.release()
	if len(p.messages) == 0 {
		return p.done, nil
	}
	if p.done.Skipped > 0 {
		p.done.Rows = fmt.Sprintf("%s/%s/applied-%s", revisionRoot, a.rec.ID, snapshotName(s))
		if err := a.keepRows(ctx, p); err != nil {
			return RevisionDone{}, errors.Join(err, p.discard(context.WithoutCancel(ctx)))
		}
	}
	res, err := a.publish(ctx, p)
	if err != nil {
		if errors.Is(err, commit.ErrUnknown) {
			return RevisionDone{}, err
		}
		return RevisionDone{}, errors.Join(err, p.discard(context.WithoutCancel(ctx)))
	}
	p.done.Snapshot, p.done.Hash = int64(res.ID), res.Hash
	return p.done, a.m.tagRevision(ctx, a.rec, res)
}

func snapshotName(s *snapshot.Snapshot) string {
	if s == nil {
		return "0"
	}
	return fmt.Sprint(int64(s.ID))
}

// keepRows stores what changes in fact, where that is not what was decided.
func (a *application) keepRows(ctx context.Context, p *planned) error {
	err := writeDifference(ctx, a.m.opts.Store, p.done.Rows, a.schema, p.removed, p.added)
	if errors.Is(err, schema.ErrTableExists) {
		return nil // an attempt on the same version wrote the same
	}
	return err
}

func (a *application) publish(ctx context.Context, p *planned) (*snapshot.Snapshot, error) {
	prov := commit.Provenance{Term: a.m.log.Term(), EpochFrom: a.rec.Epoch, Epoch: a.rec.Epoch, Inputs: a.rec.Inputs, Clock: a.rec.ClockMs, User: a.rec.User}
	props, err := prov.Properties()
	if err != nil {
		return nil, err
	}
	props[propRevision] = a.rec.ID
	if p.done.Rows != "" {
		props[propRevisionRows] = p.done.Rows
	}
	res, err := commit.New(a.store, commit.Options{Path: a.rec.Table, Now: a.m.opts.Now}).Commit(ctx, commit.Request{
		User: a.rec.CommitUser, Identifier: a.rec.Epoch, Kind: p.kind, Messages: p.messages, Properties: props, Since: a.rec.Base.ID,
		Fence: func(ctx context.Context, _ []*snapshot.Snapshot) error { return a.m.log.CheckTerm(ctx) }})
	if err != nil {
		return nil, translate(err)
	}
	return res.Snapshot, nil
}

// filter says where rows that go can be.
func (a *application) filter() predicate.And {
	return predicate.And{{Column: a.rec.Range.Column, Op: predicate.Ge, Values: []any{a.rec.Range.From}},
		{Column: a.rec.Range.Column, Op: predicate.Lt, Values: []any{a.rec.Range.To}}}
}

// planAppend rewrites the files that hold removed rows and adds the new ones.
func (a *application) planAppend(ctx context.Context, s *snapshot.Snapshot) (*planned, error) {
	p := &planned{kind: snapshot.Append}
	gone := &goneRows{rows: a.rows, left: map[string]int64{}}
	for _, rec := range a.removed {
		if err := gone.add(rec); err != nil {
			return nil, err
		}
	}
	if len(gone.left) > 0 && s != nil {
		var err error
		if p.messages, err = a.rewrite.Drop(ctx, s, a.filter(), gone); err != nil {
			return nil, err
		}
		p.kind = snapshot.Overwrite
	}
	rewritten := p.messages
	p.discard = func(ctx context.Context) error { return a.rewrite.Discard(ctx, rewritten) }
	if err := a.settleAppend(p, gone); err != nil {
		return nil, errors.Join(err, p.discard(ctx))
	}
	for _, rec := range a.added {
		if err := a.writer.Write(ctx, rec, nil); err != nil {
			return nil, errors.Join(err, p.discard(ctx))
		}
	}
	fresh, err := a.writer.Prepare(ctx)
	if err != nil {
		return nil, errors.Join(err, p.discard(ctx))
	}
	p.messages = append(p.messages, fresh...)
	p.discard = func(ctx context.Context) error {
		return errors.Join(a.rewrite.Discard(ctx, rewritten), a.writer.Discard(ctx, fresh))
	}
	return p, nil
}

// settleAppend counts what goes and comes; rows that somebody else has taken away already are skipped.
func (a *application) settleAppend(p *planned, gone *goneRows) error {
	for _, n := range gone.left {
		p.done.Skipped += n
	}
	p.done.Removed, p.done.Added = a.rec.Removed-p.done.Skipped, a.rec.Added
	if p.done.Skipped == 0 {
		return nil
	}
	for _, rec := range a.added {
		rec.Retain()
		p.added = append(p.added, rec)
	}
	var rows [][]byte
	for _, rec := range a.removed {
		err := a.rows.each(rec, func(_ int, _, row []byte) error {
			if n := gone.left[string(row)]; n > 0 {
				gone.left[string(row)] = n - 1
			} else {
				rows = append(rows, bytes.Clone(row))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	kept, err := a.rows.batch(rows)
	p.removed = append(p.removed, kept)
	return err
}
