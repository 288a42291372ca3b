package schedule

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/ledger"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/schema"
)

// backfillRow is a row of sys.backfills.
type backfillRow struct {
	Name     string      `json:"name"`
	ID       string      `json:"id"`
	SQL      string      `json:"sql"`
	Database string      `json:"database_name"`
	Table    string      `json:"table_name"`
	Cron     string      `json:"cron"`
	Timezone string      `json:"timezone"`
	Clock    string      `json:"clock"`
	CatchUp  string      `json:"catch_up"`
	Slice    string      `json:"slice"`
	Delay    string      `json:"delay"`
	Together int         `json:"together"`
	Priority string      `json:"priority"`
	State    string      `json:"state"`
	User     string      `json:"created_by"`
	Created  ledger.Time `json:"created"`
	Until    ledger.Time `json:"decided_until"`
}

// runRow is a row of sys.backfill_runs.
type runRow struct {
	ID         string      `json:"run"`
	Backfill   string      `json:"backfill"`
	BackfillID string      `json:"backfill_id"`
	Kind       string      `json:"kind"`
	State      string      `json:"state"`
	Tick       ledger.Time `json:"tick"`
	From       ledger.Time `json:"range_from"`
	To         ledger.Time `json:"range_to"`
	Slices     int         `json:"slices"`
	Finished   int         `json:"slices_done"`
	Progress   string      `json:"progress"`
	Rows       int64       `json:"rows_given"`
	Base       int64       `json:"base_snapshot"`
	Snapshots  string      `json:"snapshots"` // JSON
	Inputs     string      `json:"inputs"`    // JSON
	Attempts   int         `json:"attempts"`
	User       string      `json:"started_by"`
	Created    ledger.Time `json:"created"`
	Started    ledger.Time `json:"started"`
	Ended      ledger.Time `json:"ended"`
	Error      string      `json:"error"`
	Log        string      `json:"log"` // lines
}

// book is what the scheduler keeps in the warehouse.
type book struct {
	backfills *ledger.Ledger[backfillRow]
	runs      *ledger.Ledger[runRow]
}

func newBook(store objstore.Store, o ledger.Options) *book {
	return &book{
		backfills: ledger.New[backfillRow](store, ledger.Definition{Name: "backfills", Key: []string{"name"}, Comment: "Backfills and their schedules",
			Columns: fields("name", text, "id", text, "sql", text, "database_name", text, "table_name", text, "cron", text, "timezone", text, "clock", text,
				"catch_up", text, "slice", text, "delay", text, "together", number, "priority", text, "state", text, "created_by", text,
				"created", moment, "decided_until", moment)}, o),
		runs: ledger.New[runRow](store, ledger.Definition{Name: "backfill_runs", Key: []string{"run"}, Comment: "Runs of backfills",
			Columns: fields("run", text, "backfill", text, "backfill_id", text, "kind", text, "state", text, "tick", moment, "range_from", moment,
				"range_to", moment, "slices", number, "slices_done", number, "progress", text, "rows_given", number, "base_snapshot", number,
				"snapshots", text, "inputs", text, "attempts", number, "started_by", text, "created", moment, "started", moment, "ended", moment,
				"error", text, "log", text)}, o),
	}
}

// Types of the ledgers' columns.
var (
	text   = schema.TString
	number = schema.TBigInt
	moment = schema.TTimestampLTZ(3)
)

// fields pairs names and types; the first one is the key.
func fields(pairs ...any) []schema.Field {
	var out []schema.Field
	for i := 0; i < len(pairs); i += 2 {
		t := pairs[i+1].(schema.Type)
		out = append(out, schema.Field{Name: pairs[i].(string), Type: t.WithNotNull(i == 0)})
	}
	return out
}

func at(t *time.Time) ledger.Time {
	if t == nil || t.IsZero() {
		return ledger.Time{}
	}
	return ledger.At(*t)
}

func from(t ledger.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t.Time
}

// saveBackfill stores a definition and how far its ticks are decided.
func (b *book) saveBackfill(ctx context.Context, f Backfill) error {
	return b.backfills.Put(ctx, backfillRow{
		Name: f.Name, ID: f.ID, SQL: f.SQL, Database: f.Database, Table: f.Table, Cron: f.Cron, Timezone: f.Timezone, Clock: f.Clock,
		CatchUp: f.CatchUp, Slice: f.Slice, Delay: f.Delay, Together: f.Together, Priority: f.Priority, State: string(f.State), User: f.User,
		Created: at(&f.Created), Until: at(f.Until)})
}

// loadBackfills are those that were not dropped.
func (b *book) loadBackfills(ctx context.Context) ([]Backfill, error) {
	rows, err := b.backfills.List(ctx, nil)
	if err != nil {
		return nil, err
	}
	var out []Backfill
	for _, r := range rows {
		if State(r.State) == Dropped {
			continue
		}
		out = append(out, Backfill{ID: r.ID, Table: r.Table, State: State(r.State), Created: r.Created.Time, Until: from(r.Until),
			Definition: Definition{Name: r.Name, SQL: r.SQL, Database: r.Database, Cron: r.Cron, Timezone: r.Timezone, Clock: r.Clock,
				CatchUp: r.CatchUp, Slice: r.Slice, Delay: r.Delay, Together: r.Together, Priority: r.Priority, User: r.User}})
	}
	return out, nil
}

// saveRuns stores how runs stand, in one commit.
func (b *book) saveRuns(ctx context.Context, runs ...Run) error {
	rows := make([]runRow, len(runs))
	for i, r := range runs {
		snaps, err := json.Marshal(r.Snapshots)
		if err != nil {
			return errkind.Errorf(errkind.Bug, "run %s: %w", r.ID, err)
		}
		inputs, err := json.Marshal(r.Inputs)
		if err != nil {
			return errkind.Errorf(errkind.Bug, "run %s: %w", r.ID, err)
		}
		rows[i] = runRow{ID: r.ID, Backfill: r.Backfill, BackfillID: r.backfillID, Kind: r.Kind, State: string(r.State), Tick: at(r.Tick),
			From: at(&r.From), To: at(&r.To), Slices: r.Slices, Finished: r.Finished, Progress: r.Progress, Rows: r.Rows, Base: r.base,
			Snapshots: string(snaps), Inputs: string(inputs), Attempts: r.Attempts, User: r.User, Created: at(&r.Created), Started: at(r.Started),
			Ended: at(r.Ended), Error: r.Error, Log: strings.Join(r.Log, "\n")}
	}
	return b.runs.Put(ctx, rows...)
}

func (r runRow) run() (Run, error) {
	out := Run{ID: r.ID, Backfill: r.Backfill, Kind: r.Kind, State: RunState(r.State), Tick: from(r.Tick), From: r.From.Time, To: r.To.Time,
		Slices: r.Slices, Finished: r.Finished, Progress: r.Progress, Rows: r.Rows, Attempts: r.Attempts, User: r.User,
		Created: r.Created.Time, Started: from(r.Started), Ended: from(r.Ended), Error: r.Error, backfillID: r.BackfillID, base: r.Base}
	if r.Log != "" {
		out.Log = strings.Split(r.Log, "\n")
	}
	for _, part := range []struct {
		text string
		to   any
	}{{r.Snapshots, &out.Snapshots}, {r.Inputs, &out.Inputs}} {
		if part.text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(part.text), part.to); err != nil {
			return Run{}, errkind.Errorf(errkind.Corrupt, "sys.backfill_runs: run %s: %w", r.ID, err)
		}
	}
	return out.clone(), nil
}

// unfinished are the runs that were queued or under way, in the order in which they were made.
func (b *book) unfinished(ctx context.Context) ([]Run, error) {
	return b.list(ctx, predicate.Compare{Column: "state", Op: predicate.In, Values: []any{string(Queued), string(Running)}})
}

// historySpan is looked at before all the rest: a backfill that ticks each minute has more runs than anybody asks for.
const historySpan = 30 * day

// history are runs of a backfill, the oldest first: those of the last month, and those before if fewer than limit are
// in it and there are not too many.
func (b *book) history(ctx context.Context, backfillID string, now time.Time, limit int) ([]Run, error) {
	own := predicate.Compare{Column: "backfill_id", Op: predicate.Eq, Values: []any{backfillID}}
	recent, err := b.list(ctx, own, predicate.Compare{Column: "created", Op: predicate.Ge, Values: []any{now.Add(-historySpan).UnixMilli()}})
	if err != nil || len(recent) >= limit {
		return recent, err
	}
	all, err := b.list(ctx, own)
	if errkind.Is(err, errkind.Exhausted) {
		return recent, nil
	}
	return all, err
}

// run is the run of that id; ok is false when there is none.
func (b *book) run(ctx context.Context, id string) (r Run, ok bool, err error) {
	row, ok, err := b.runs.Get(ctx, id)
	if err != nil || !ok {
		return Run{}, false, err
	}
	r, err = row.run()
	return r, err == nil, err
}

// list gives the rows that pass all conditions.
func (b *book) list(ctx context.Context, where ...predicate.Compare) ([]Run, error) {
	rows, err := b.runs.List(ctx, where)
	if err != nil {
		return nil, err
	}
	var out []Run
	for _, row := range rows {
		r, err := row.run()
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b Run) int { return cmp.Or(a.Created.Compare(b.Created), a.From.Compare(b.From)) })
	return out, nil
}
