package job

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/write"
)

// propWatermarks keeps each source's watermark with a commit, for a rebuild of the state.
const propWatermarks = "weir.watermarks"

// tableSink commits a job's result to a table of the warehouse: one APPEND snapshot a commit, which says
// what it was made from.
type tableSink struct {
	r         *runner
	path      string
	store     objstore.Store
	snaps     *snapshot.Manager
	committer *commit.Committer
	schema    *schema.Schema
	merge     *stream.Materializer
	writer    *write.Writer
	exact     bool // the table has changelog files, which then hold the exact changes
	prev      *snapshot.Snapshot
	taken     []commit.Input // the inputs of prev
	rows      int64
	undoing   undoing
	// marked is the snapshot that the job's tag protects, as far as this runner has moved it. Uploads of
	// checkpoints write it, one at a time; between two of them the runner reads it.
	marked snapshot.ID
}

// jobTag protects a job's last snapshot.
func jobTag(id string) string { return "weir-job-" + id }

func (m *Manager) openTableSink(ctx context.Context, r *runner) (sink, error) {
	t := r.sink.Table
	s := &tableSink{r: r, path: t.Path, store: objstore.Sub(m.opts.Store, t.Path)}
	s.snaps = snapshot.NewManager(s.store, "")
	s.committer = commit.New(s.store, commit.Options{Path: t.Path, Now: m.opts.Now})
	var err error
	if s.schema, err = schema.NewFiles(s.store, "").Latest(ctx); err != nil {
		return nil, fmt.Errorf("open table %s.%s: %w", t.Database, t.Name, err)
	}
	opts, err := s.schema.TableOptions()
	if err != nil {
		return nil, fmt.Errorf("table %s.%s: %w", t.Database, t.Name, err)
	}
	s.exact = opts.ChangelogProducer == "input" && s.schema.HasPrimaryKey()
	if s.merge, err = materializer(r.sink, func(keys arrow.RecordBatch) ([]stream.Delta, error) { return r.refold(r.m.ctx, r.env, keys) }); err != nil {
		return nil, err
	}
	for i, c := range r.sink.Target {
		if i >= len(s.schema.Fields) || t.Columns[c].Name != s.schema.Fields[i].Name {
			return nil, errkind.Errorf(errkind.Invalid, "table %s.%s has other columns than when the statement was bound; restart the job", t.Database, t.Name)
		}
	}
	if s.writer, err = write.New(s.store, s.schema, write.Options{Now: m.opts.Now}); err != nil {
		return nil, fmt.Errorf("write to table %s.%s: %w", t.Database, t.Name, err)
	}
	return s, nil
}

// recover finds the job's last snapshot: the newest with its commit user that is no compaction, or the one
// its tag protects.
func (s *tableSink) recover(ctx context.Context) (held, error) {
	last, err := lastOwn(ctx, s.snaps, s.r.rec)
	if err != nil {
		return held{}, fmt.Errorf("find the job's last snapshot in %s: %w", s.path, err)
	}
	s.prev = last
	if last == nil {
		return held{}, nil
	}
	p, err := commit.ProvenanceOf(last)
	if err != nil {
		return held{}, err
	}
	s.taken = p.Inputs
	h := held{epoch: p.Epoch, inputs: map[int]int64{}, offsets: map[int]connector.Offsets{}, watermarks: map[int]time.Time{}}
	for i, in := range p.Inputs {
		if in.Table != "" {
			h.inputs[i] = int64(in.ID)
			continue
		}
		h.offsets[i] = connector.Offsets{}
		for split, pos := range in.End {
			h.offsets[i][split] = connector.Position(pos)
		}
	}
	for i, ms := range parseWatermarks(last.Properties[propWatermarks]) {
		h.watermarks[i] = time.UnixMilli(ms).UTC()
	}
	return h, nil
}

// lastOwn is a job's newest snapshot in its table, nil when it has none.
func lastOwn(ctx context.Context, snaps *snapshot.Manager, rec epoch.JobRecord) (*snapshot.Snapshot, error) {
	latest, err := snaps.Latest(ctx)
	if err != nil && !errors.Is(err, snapshot.ErrNone) {
		return nil, err
	}
	return ownUpTo(ctx, snaps, rec, latest)
}

// ownUpTo is a job's newest snapshot in the table's history up to s, nil when it has none there. A nil s is the
// newest of a table whose snapshots are gone.
func ownUpTo(ctx context.Context, snaps *snapshot.Manager, rec epoch.JobRecord, s *snapshot.Snapshot) (*snapshot.Snapshot, error) {
	own := func(s *snapshot.Snapshot) bool {
		return s.CommitUser == rec.CommitUser && s.CommitKind != snapshot.Compact
	}
	tag, err := snaps.Tag(ctx, jobTag(rec.ID))
	if err != nil && !errors.Is(err, snapshot.ErrNotFound) {
		return nil, err
	}
	if tag != nil && s != nil && tag.Snapshot.ID > s.ID {
		tag = nil // it has moved on
	}
	found, err := newestFrom(ctx, snaps, s, func(s *snapshot.Snapshot) bool {
		return own(s) || tag != nil && s.ID < tag.Snapshot.ID
	})
	if err != nil {
		return nil, err
	}
	if found != nil && own(found) {
		return found, nil
	}
	if tag != nil && own(tag.Snapshot) {
		return tag.Snapshot, nil
	}
	return nil, nil
}

// newestOf walks a table's history back from the newest snapshot to the first that fits; nil when none does.
func newestOf(ctx context.Context, snaps *snapshot.Manager, fits func(*snapshot.Snapshot) bool) (*snapshot.Snapshot, error) {
	s, err := snaps.Latest(ctx)
	if errkind.Is(err, errkind.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return newestFrom(ctx, snaps, s, fits)
}

// newestFrom walks a table's history back from s to the first that fits; nil when none does.
func newestFrom(ctx context.Context, snaps *snapshot.Manager, s *snapshot.Snapshot, fits func(*snapshot.Snapshot) bool) (*snapshot.Snapshot, error) {
	var err error
	for err == nil && s != nil && !fits(s) {
		if s.ID == 1 {
			return nil, nil
		}
		s, err = snaps.Get(ctx, s.ID-1)
	}
	if errkind.Is(err, errkind.NotFound) {
		return nil, nil // the rest has expired
	}
	return s, err
}

func (s *tableSink) fold(changes []stream.Delta, replay, revised bool) error {
	out, err := applied(s.merge, changes, revised)
	if err != nil {
		return err
	}
	defer out.Release()
	if replay {
		return nil
	}
	if err := s.undoing.take(s, &out); err != nil {
		return err
	}
	ctx := s.r.m.ctx
	for _, c := range out.Write {
		if err := s.writer.Write(ctx, c.Rows, c.Kinds); err != nil {
			return err
		}
		s.rows += c.Rows.NumRows()
	}
	if !s.exact {
		return nil
	}
	for _, c := range out.Changelog {
		if err := s.writer.WriteChangelog(ctx, c.Rows, c.Kinds); err != nil {
			return err
		}
	}
	return nil
}

func (s *tableSink) commit(ctx context.Context, f facts) (commitResult, error) {
	if s.rows == 0 && s.undoing.empty() {
		return commitResult{}, nil
	}
	messages, err := s.writer.Prepare(ctx)
	if err != nil {
		return commitResult{}, err
	}
	req := commit.Request{User: s.r.rec.CommitUser, Identifier: f.interval.To, Kind: snapshot.Append, Messages: messages, Fence: s.fence}
	p := commit.Provenance{Job: s.r.rec.ID, Term: s.r.m.log.Term(), EpochFrom: f.interval.From, Epoch: f.interval.To,
		Inputs: since(s.taken, f.inputs), SQL: sqlVersion(s.r.rec), Clock: f.clock.UnixMilli()}
	if s.exact {
		p.Changes = commit.ChangesExact
	}
	if s.prev != nil {
		id := s.committer.Identity(s.prev)
		p.Prev, req.Prev = &id, &id
	}
	if f.watermark != nil {
		ms := f.watermark.UnixMilli()
		req.Watermark = &ms
	}
	if req.Properties, err = p.Properties(); err != nil {
		return commitResult{}, err
	}
	if len(f.watermarks) > 0 {
		req.Properties[propWatermarks] = formatWatermarks(f.watermarks)
	}
	if f.revised != "" {
		req.Properties[propRevised] = f.revised
	}
	var res *commit.Result
	if s.undoing.empty() {
		res, err = s.committer.Commit(ctx, req)
	} else {
		res, err = s.commitUndoing(ctx, req, messages)
	}
	if err != nil {
		return commitResult{}, translate(err)
	}
	s.rows = 0
	s.undoing.clear()
	if res.Skipped {
		return commitResult{}, nil
	}
	s.prev, s.taken = res.Snapshot, f.inputs
	return commitResult{snapshot: int64(res.Snapshot.ID)}, nil
}

// since says of each input where the job's commit before ended in it, which is where this one begins.
func since(taken, inputs []commit.Input) []commit.Input {
	out := slices.Clone(inputs)
	for i := range out {
		if i < len(taken) && taken[i].Table == out[i].Table && taken[i].Source == out[i].Source {
			out[i].From, out[i].Start = taken[i].ID, taken[i].End
		}
	}
	return out
}

// translate names what a commit's refusal means to a job.
func translate(err error) error {
	if errors.Is(err, commit.ErrReplaced) {
		return fmt.Errorf("%w: %w", ErrRolledBack, err)
	}
	return err
}

// fence refuses to commit when this owner was replaced: a snapshot of the job that it did not make, or a
// newer term in the log.
func (s *tableSink) fence(ctx context.Context, newer []*snapshot.Snapshot) error {
	for _, n := range newer {
		if n.CommitUser == s.r.rec.CommitUser && n.CommitKind != snapshot.Compact {
			return fmt.Errorf("%w: snapshot %d of %s is the job's, made by another owner", ErrReplaced, n.ID, s.path)
		}
	}
	return s.r.m.log.CheckTerm(ctx)
}

// sqlVersion identifies a job's statement and options.
func sqlVersion(rec epoch.JobRecord) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s", rec.Database, rec.SQL)
	for _, k := range slices.Sorted(maps.Keys(rec.Options)) {
		fmt.Fprintf(h, "\x00%s=%s", k, rec.Options[k])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// formatWatermarks writes "index:milliseconds,..".
func formatWatermarks(w map[int]time.Time) string {
	var parts []string
	for _, i := range slices.Sorted(maps.Keys(w)) {
		parts = append(parts, fmt.Sprintf("%d:%d", i, w[i].UnixMilli()))
	}
	return strings.Join(parts, ",")
}

func parseWatermarks(text string) map[int]int64 {
	out := map[int]int64{}
	for _, part := range strings.Split(text, ",") {
		i, ms, ok := strings.Cut(part, ":")
		index, err1 := strconv.Atoi(i)
		at, err2 := strconv.ParseInt(ms, 10, 64)
		if ok && err1 == nil && err2 == nil {
			out[index] = at
		}
	}
	return out
}

func (s *tableSink) needsReplay() bool { return s.merge.NeedsReplay() }

// rebuild seeds the merged rows from the table as the job left it.
func (s *tableSink) rebuild(ctx context.Context) error {
	if !s.merge.NeedsSeed() || s.prev == nil {
		return nil
	}
	x, err := scan.New(s.store, s.schema, nil)
	if err != nil {
		return err
	}
	names := make([]string, len(s.r.sink.Target))
	for i, c := range s.r.sink.Target {
		names[i] = s.r.sink.Table.Columns[c].Name
	}
	p, err := x.Plan(ctx, s.prev, scan.Request{Columns: names})
	if err != nil {
		return err
	}
	return p.Each(ctx, s.merge.Seed)
}

func (s *tableSink) checkpoint(w io.Writer) error { return s.merge.Checkpoint(w) }
func (s *tableSink) restore(r io.Reader) error    { return s.merge.Restore(r) }
func (s *tableSink) guarantee() string            { return "exactly-once" }
func (s *tableSink) stateBytes() int64            { return s.merge.StateBytes() }

func (s *tableSink) last() int64 {
	if s.prev == nil {
		return 0
	}
	return int64(s.prev.ID)
}

// mark moves the job's tag to its last snapshot.
func (s *tableSink) mark() func(context.Context) error {
	last := s.prev
	return func(ctx context.Context) error {
		if last == nil {
			return nil
		}
		if err := s.snaps.PutTag(ctx, snapshot.Tag{Name: jobTag(s.r.rec.ID), Snapshot: last}); err != nil {
			return err
		}
		s.marked = last.ID
		return nil
	}
}

// hold keeps the job's last snapshot until it is marked; after that whatever is newest, which costs an idle job's
// table no history.
func (s *tableSink) hold(ctx context.Context, need map[string]int64) error {
	id := snapshot.ID(1) // the first one to come
	if s.prev != nil && s.prev.ID != s.marked {
		id = s.prev.ID
	} else {
		latest, err := s.snaps.Latest(ctx)
		if err != nil && !errors.Is(err, snapshot.ErrNone) {
			return fmt.Errorf("newest snapshot of %s: %w", s.path, err)
		}
		if latest != nil {
			id = latest.ID
		}
	}
	if was, ok := need[s.path]; !ok || int64(id) < was {
		need[s.path] = int64(id)
	}
	return nil
}

func (s *tableSink) close() {
	if s.writer != nil {
		if err := s.writer.Abort(context.WithoutCancel(s.r.m.ctx)); err != nil {
			s.r.logs.add("warn", "files of an uncommitted epoch are left behind: %v", err)
		}
	}
}
