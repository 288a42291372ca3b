package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/uuid"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
)

// Limits of one replay: what is held in memory and goes into one epoch.
const (
	replayLettersMax = 10_000
	replayBytesMax   = 16 << 20
)

// ReplayRequest says which dead letters to take once more: those named, or with All the first 10,000 that the filter means.
type ReplayRequest struct {
	DeadLetterFilter
	IDs  []string
	All  bool
	User string
}

// Kept is a dead letter that stays one.
type Kept struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// Replayed is what became of a replay.
type Replayed struct {
	Letters int64  `json:"letters"` // dead letters that were taken
	Rows    int64  `json:"rows"`    // rows they gave
	Epoch   int64  `json:"epoch,omitempty"`
	Kept    []Kept `json:"kept"`
	More    bool   `json:"more,omitempty"` // there are more than one replay takes
}

// replays takes dead letters once more, one request at a time.
type replays struct {
	m    *Manager
	slot chan struct{}
}

func newReplays(m *Manager) *replays { return &replays{m: m, slot: make(chan struct{}, 1)} }

// ReplayDeadLetters reads dead letters again as their source is defined now. Those that can be taken go through their
// job like any row of the source, in an epoch of their own, and are dead letters no more; the others stay, and why is
// said. Each is taken once, whatever fails when: the epoch log decides it, and removing it is made up for at the next start.
func (m *Manager) ReplayDeadLetters(ctx context.Context, q ReplayRequest) (Replayed, error) {
	v := m.replays
	select {
	case v.slot <- struct{}{}:
	case <-ctx.Done():
		return Replayed{}, fmt.Errorf("replay: another one is under way: %w", ctx.Err())
	}
	defer func() { <-v.slot }()
	if err := v.finishAll(ctx); err != nil {
		return Replayed{}, fmt.Errorf("finish an earlier replay: %w", err)
	}
	letters, out, err := v.chosen(ctx, q)
	if err != nil {
		return Replayed{}, err
	}
	byJob := map[[2]string][]DeadLetter{}
	var order [][2]string
	for _, d := range letters {
		k := [2]string{d.Table, d.Job}
		if byJob[k] == nil {
			order = append(order, k)
		}
		byJob[k] = append(byJob[k], d)
	}
	for _, k := range order {
		if err := v.ofJob(ctx, q.User, k[0], k[1], byJob[k], &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// chosen finds the letters that the request means. Ids that are not there are kept with that reason.
func (v *replays) chosen(ctx context.Context, q ReplayRequest) ([]DeadLetter, Replayed, error) {
	out := Replayed{Kept: []Kept{}}
	if q.All == (len(q.IDs) > 0) {
		return nil, out, errkind.New(errkind.Invalid, "replay: name dead letters by their ids, or ask for all")
	}
	if len(q.IDs) > replayLettersMax {
		return nil, out, errkind.Errorf(errkind.Invalid, "replay: %d ids, at most %d at once", len(q.IDs), replayLettersMax)
	}
	wanted := map[string]bool{}
	for _, id := range q.IDs {
		wanted[id] = true
	}
	tables, job, err := v.m.deadTables(q.DeadLetterFilter)
	if err != nil {
		return nil, out, err
	}
	var list []DeadLetter
	found, bytes := map[string]bool{}, 0
	for _, t := range tables {
		_, err := v.m.eachDead(ctx, t, func(d DeadLetter) error {
			if !q.All && !wanted[d.ID] || job != "" && d.Job != job || found[d.ID] {
				return nil
			}
			if bytes += len(d.Raw); len(list) == replayLettersMax || bytes > replayBytesMax {
				out.More = true
				return errEnough
			}
			found[d.ID] = true
			list = append(list, d)
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return nil, out, err
		}
	}
	for _, id := range q.IDs {
		if !found[id] && !out.More {
			out.Kept = append(out.Kept, Kept{id, "there is no such dead letter"})
		}
	}
	return list, out, nil
}

// ofJob takes the letters of one job.
func (v *replays) ofJob(ctx context.Context, user, table, name string, letters []DeadLetter, out *Replayed) error {
	keep := func(reason string) {
		for _, d := range letters {
			out.Kept = append(out.Kept, Kept{d.ID, reason})
		}
	}
	s, err := v.m.find(name)
	if err != nil || s.Sink != table {
		keep(fmt.Sprintf("job %s, which met it, does not write %s any more: create it again", name, table))
		return nil
	}
	if s.State != Running && s.State != Finished {
		keep(fmt.Sprintf("job %s is %s: start it first", name, s.State))
		return nil
	}
	t, err := v.take(ctx, s, letters)
	if err != nil {
		return fmt.Errorf("replay through job %s: %w", name, err)
	}
	defer t.release()
	out.Kept = append(out.Kept, t.kept...)
	if len(t.taken) == 0 {
		return nil
	}
	rec := replayRecord{Version: replayVersion, ID: uuid.NewString(), Job: s.ID, Table: table, Letters: t.taken, User: user, TimeMs: v.m.now().UnixMilli()}
	e, err := v.decide(ctx, s, &rec, t)
	if err != nil {
		return fmt.Errorf("replay through job %s: nothing was changed: %w", name, err)
	}
	out.Letters, out.Rows, out.Epoch = out.Letters+int64(len(t.taken)), out.Rows+t.rows, e
	if err := v.finish(ctx, &rec, e); err != nil {
		return fmt.Errorf("the rows are taken in epoch %d, their dead letters will be removed later: %w", e, err)
	}
	return v.await(ctx, s.ID, e)
}

// taking is what the letters of a job give.
type taking struct {
	scans  []*plan.Scan
	chunks map[int][]connector.Chunk // by source
	taken  []DeadLetter
	kept   []Kept
	rows   int64
}

func (t *taking) release() {
	for _, cs := range t.chunks {
		for _, c := range cs {
			c.Rows.Release()
		}
	}
}

// take decodes the letters as the job's sources are defined now.
func (v *replays) take(ctx context.Context, s Status, letters []DeadLetter) (*taking, error) {
	sink, err := v.m.plan(ctx, s.JobRecord)
	if err != nil {
		return nil, err
	}
	flow, err := compile(sink, s.Options, appendOnlySource)
	if err != nil {
		return nil, err
	}
	inputs, err := newInputs(flow)
	if err != nil {
		return nil, err
	}
	t := &taking{scans: flow.Sources(), chunks: map[int][]connector.Chunk{}}
	defer func() {
		for _, in := range inputs {
			in.close()
		}
	}()
	for _, in := range inputs {
		if in.scan.Table.Connector() == "" {
			continue
		}
		if err := v.m.openInput(ctx, in, "", false); err != nil {
			return nil, err
		}
	}
	for _, d := range letters {
		if err := t.letter(ctx, inputs, d); err != nil {
			t.release()
			return nil, err
		}
	}
	return t, nil
}

// letter decodes one letter for every source that reads where it came from: all of them take it, or none.
func (t *taking) letter(ctx context.Context, inputs []*input, d DeadLetter) error {
	got := map[int]connector.Chunk{}
	drop := func() {
		for _, c := range got {
			c.Rows.Release()
		}
	}
	for _, in := range inputs {
		if in.conn == nil {
			continue
		}
		src, ok := in.conn.src.(connector.Redecoder)
		if !ok {
			continue
		}
		c, err := src.Redecode(ctx, d.message())
		if errors.Is(err, connector.ErrOtherTable) {
			continue
		}
		if err != nil {
			drop()
			return err
		}
		if len(c.Dead) > 0 {
			drop()
			t.kept = append(t.kept, Kept{d.ID, c.Dead[0].Reason})
			return nil
		}
		got[in.index] = c
	}
	if len(got) == 0 {
		t.kept = append(t.kept, Kept{d.ID, fmt.Sprintf("no source of job %s reads %s", d.Job, d.Split)})
		return nil
	}
	for i, c := range got {
		t.chunks[i] = append(t.chunks[i], c)
		t.rows += c.Rows.NumRows()
	}
	t.taken = append(t.taken, d)
	return nil
}

// decide makes the replay durable and gives it an epoch: from then on it happens.
func (v *replays) decide(ctx context.Context, s Status, rec *replayRecord, t *taking) (int64, error) {
	m := v.m
	for i, chunks := range t.chunks {
		if err := writeReplay(ctx, m.opts.Store, replayTable(rec.Job, rec.ID, i), t.scans[i].Table, chunks); err != nil {
			return 0, fmt.Errorf("store the rows: %w", err)
		}
		rec.Sources = append(rec.Sources, i)
	}
	slices.Sort(rec.Sources)
	data, err := json.Marshal(rec)
	if err == nil {
		err = m.opts.Store.PutIfAbsent(ctx, replayKey(rec.Job, rec.ID), data)
	}
	if err != nil {
		return 0, fmt.Errorf("record the replay: %w", err)
	}
	in := epoch.JobInput{Offsets: map[int]connector.Offsets{}, Replays: map[int][]string{}}
	for _, i := range rec.Sources {
		in.Replays[i] = []string{rec.ID}
	}
	e, err := m.besides(ctx, s, t, in)
	if err != nil || s.State != Finished {
		return e, err
	}
	if _, err := m.Restart(ctx, rec.Job); err != nil {
		return 0, fmt.Errorf("start it once more (it is decided and happens when the job runs): %w", err)
	}
	return e, nil
}

// besides decides an epoch that holds nothing but the input given, for one job.
func (m *Manager) besides(ctx context.Context, s Status, t *taking, in epoch.JobInput) (int64, error) {
	m.deciding.Lock()
	defer m.deciding.Unlock()
	w := epoch.Writer(s.ID)
	m.mu.Lock()
	r := m.mu.runners[s.ID]
	m.mu.Unlock()
	switch {
	case r != nil:
		if err := r.takes(t); err != nil {
			return 0, err
		}
	case s.State == Finished:
		inputs, sink := newRunner(m, s.JobRecord).registration(ctx)
		m.frontier.Register(w, sink, inputs, s.FromEpoch) // it lives again, so that no cut passes the epoch without it
	default:
		return 0, errkind.Errorf(errkind.Conflict, "job %s has ended meanwhile", s.Name)
	}
	e := m.frontier.Clock() + 1
	rec := m.newRecord(e, nil)
	rec.Jobs = map[string]epoch.JobInput{s.ID: in}
	if err := m.log.RecordEpoch(ctx, rec); err != nil {
		if r == nil {
			m.frontier.Remove(w)
		}
		return 0, err
	}
	m.frontier.Pending(w, e)
	m.frontier.Advance(e)
	return e, nil
}

// takes refuses rows that the job, as it was bound when it started, could not read.
func (r *runner) takes(t *taking) error {
	r.polling.Lock()
	defer r.polling.Unlock()
	if !r.polling.ready {
		return errkind.Errorf(errkind.Conflict, "job %s does not run", r.rec.Name)
	}
	for _, in := range r.inputs {
		chunks := t.chunks[in.index]
		if len(chunks) == 0 {
			continue
		}
		for _, c := range in.need {
			col := in.scan.Table.Columns[c]
			want, err := col.Type.ArrowType()
			if err != nil {
				return err
			}
			at := chunks[0].Rows.Schema().FieldIndices(col.Name)
			if len(at) != 1 || !arrow.TypeEqual(chunks[0].Rows.Schema().Field(at[0]).Type, want) {
				return errkind.Errorf(errkind.Conflict, "table %s has another column %s than when job %s started: restart the job first", in.scan.Table.Name, col.Name, r.rec.Name)
			}
		}
	}
	return nil
}

// replayWait bounds the wait for the job's commit; the replay happens all the same.
const replayWait = 10 * time.Second

// await waits until the job has completed the epoch.
func (v *replays) await(ctx context.Context, id string, e int64) error {
	limit := time.NewTimer(replayWait)
	defer limit.Stop()
	for {
		ch := v.m.frontier.Changed()
		at := v.m.frontier.Standing(epoch.Writer(id))
		if at.Pending == 0 || at.Oldest > e {
			return nil
		}
		select {
		case <-ch:
		case <-limit.C:
			return nil
		case <-ctx.Done():
			return nil // it is decided: the caller need not wait
		}
	}
}
