package revision

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/weir-lake/weir/compute/ledger"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/schema"
)

// State of a revision. It goes from left to right; failed can come before committing only, and after it when others
// made the change impossible.
type State string

// The states.
const (
	Comparing  State = "comparing"  // the query runs; nothing is changed
	Committing State = "committing" // decided: it waits for its turn among the table's writers
	Following  State = "following"  // committed: the tables downstream take it in
	Done       State = "done"
	Failed     State = "failed"
)

// Final reports a state that does not change any more.
func (s State) Final() bool { return s == Done || s == Failed }

// Entry is a revision in the ledger sys.revisions.
type Entry struct {
	ID           string      `json:"id"`
	Table        string      `json:"table_name"`
	State        State       `json:"state"`
	Who          string      `json:"who,omitempty"`
	Why          string      `json:"why,omitempty"`
	SQL          string      `json:"sql,omitempty"`
	Column       string      `json:"range_column,omitempty"`
	From         ledger.Time `json:"range_from,omitempty"`
	To           ledger.Time `json:"range_to,omitempty"`
	UndoOf       string      `json:"undo_of,omitempty"`
	BaseSnapshot int64       `json:"base_snapshot"`
	Epoch        int64       `json:"epoch"`
	Snapshot     int64       `json:"snapshot"`
	Added        int64       `json:"rows_added"`
	Removed      int64       `json:"rows_removed"`
	Changed      int64       `json:"rows_changed"`
	Skipped      int64       `json:"rows_skipped"`
	// Downstream is a JSON array of Followed.
	Downstream string      `json:"downstream,omitempty"`
	Error      string      `json:"error,omitempty"`
	Created    ledger.Time `json:"created"`
	Ended      ledger.Time `json:"ended,omitempty"`
}

// Followed is a table downstream with the snapshot in which it took the revision in; 0: the revision left it as it was.
type Followed struct {
	Table    string `json:"table"`
	Snapshot int64  `json:"snapshot"`
	Note     string `json:"note,omitempty"` // why it cannot be told
}

// Followers are the entry's tables downstream.
func (e *Entry) Followers() []Followed {
	var out []Followed
	if json.Unmarshal([]byte(e.Downstream), &out) != nil {
		return nil // written by another program
	}
	return out
}

// books is the ledger's table.
var books = ledger.Definition{
	Name: "revisions", Key: []string{"id"}, Comment: "Revisions of tables: who changed which rows, why, and what followed.",
	Columns: []schema.Field{
		{Name: "id", Type: schema.TString}, {Name: "table_name", Type: schema.TString}, {Name: "state", Type: schema.TString},
		{Name: "who", Type: schema.TString}, {Name: "why", Type: schema.TString}, {Name: "sql", Type: schema.TString},
		{Name: "range_column", Type: schema.TString}, {Name: "range_from", Type: schema.TTimestampLTZ(3)}, {Name: "range_to", Type: schema.TTimestampLTZ(3)},
		{Name: "undo_of", Type: schema.TString}, {Name: "base_snapshot", Type: schema.TBigInt}, {Name: "epoch", Type: schema.TBigInt},
		{Name: "snapshot", Type: schema.TBigInt}, {Name: "rows_added", Type: schema.TBigInt}, {Name: "rows_removed", Type: schema.TBigInt},
		{Name: "rows_changed", Type: schema.TBigInt}, {Name: "rows_skipped", Type: schema.TBigInt}, {Name: "downstream", Type: schema.TString},
		{Name: "error", Type: schema.TString}, {Name: "created", Type: schema.TTimestampLTZ(3)}, {Name: "ended", Type: schema.TTimestampLTZ(3)},
	},
}

func openLedger(store objstore.Store, o Options) *ledger.Ledger[Entry] {
	return ledger.New[Entry](store, books, ledger.Options{Now: o.Now, Fence: func(ctx context.Context) error { return o.Jobs.Log().CheckTerm(ctx) }})
}

// unfinished are the entries that are not at their end.
var unfinished = predicate.And{{Column: "state", Op: predicate.Ne, Values: []any{string(Done)}}, {Column: "state", Op: predicate.Ne, Values: []any{string(Failed)}}}

// List gives the revisions, newest first.
func (s *Service) List(ctx context.Context) ([]Entry, error) {
	out, err := s.ledger.List(ctx, nil)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b Entry) int {
		if c := b.Created.Compare(a.Created.Time); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, nil
}

// Get is one revision.
func (s *Service) Get(ctx context.Context, id string) (*Entry, error) {
	e, ok, err := s.ledger.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, notFound(id)
	}
	return &e, nil
}
