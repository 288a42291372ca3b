package commit

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/snapshot"
)

// Names of the snapshot properties that weir writes. docs/format/properties.md
// describes them; other engines keep them as they are.
const (
	PropJob       = "weir.job"
	PropRun       = "weir.run"
	PropTerm      = "weir.term"
	PropPrev      = "weir.prev"
	PropEpochFrom = "weir.epoch.from"
	PropEpoch     = "weir.epoch"
	PropInputs    = "weir.inputs"
	PropSQL       = "weir.sql"
	PropClock     = "weir.clock"
	PropChanges   = "weir.changes"
	PropStatement = "weir.statement"
	PropDatabase  = "weir.database"
	PropUser      = "weir.user"
	PropPush      = "weir.push"
	PropWriter    = "weir.version"
)

// ChangesExact marks a snapshot whose changelog files hold its exact changes.
const ChangesExact = "exact"

// Input is the exact version of one input a snapshot was made from. Which
// fields are set depends on the kind of input.
type Input struct {
	// A Paimon table: the snapshot up to which it was read. ID 0 is the table
	// before its first snapshot.
	Table string      `json:"table,omitempty"` // path of the table
	ID    snapshot.ID `json:"snapshot,omitempty"`
	Hash  string      `json:"hash,omitempty"`
	// From is the snapshot whose rows are already in the job's earlier commits;
	// the commit took (From, ID]. 0: from the start.
	From snapshot.ID `json:"from,omitempty"`

	// A connector's source.
	Source string `json:"source,omitempty"` // name of the table in the catalog
	Kind   string `json:"kind,omitempty"`   // connector, e.g. kafka, filesystem
	// Start and End are the positions per split, (Start, End]; their text is the
	// connector's own.
	Start map[string]string `json:"start,omitempty"`
	End   map[string]string `json:"end,omitempty"`

	// Files that were read whole.
	Files []InputFile `json:"files,omitempty"`
}

// InputFile identifies a file by what changes when its content does.
type InputFile struct {
	Path string `json:"path"`
	Size int64  `json:"size"` // bytes
	ETag string `json:"etag,omitempty"`
}

// Provenance says what a snapshot was made from. The zero value of a field
// means that the snapshot does not say.
type Provenance struct {
	Job       string             // id of the job
	Run       string             // id of the attempt of a batch job
	Term      int64              // of the job's owner, from the epoch log
	Prev      *snapshot.Identity // the job's snapshot before this one in the same table
	EpochFrom int64              // first epoch in the snapshot
	Epoch     int64              // last epoch in the snapshot
	Inputs    []Input
	SQL       string // version of the job's statement: a hash of its text and options
	Clock     int64  // the last epoch's recorded clock, Unix milliseconds
	Changes   string // ChangesExact or empty
	Writer    string // version of weir
	// Statement is the text of a batch statement, bound in Database, that User ran. Jobs leave them to the log.
	Statement string
	Database  string
	User      string
	Pushed    bool // the rows came over HTTP; they count among the inputs of their table
}

// StatementMax bounds the text kept with a snapshot, in bytes: snapshots are read often, and a longer text says no
// more about where columns come from than its inputs do. A longer one is left out.
const StatementMax = 16 << 10

// Properties gives the snapshot properties that say p.
func (p Provenance) Properties() (map[string]string, error) {
	out := map[string]string{}
	put := func(name, value string) {
		if value != "" {
			out[name] = value
		}
	}
	number := func(name string, v int64) {
		if v != 0 {
			out[name] = strconv.FormatInt(v, 10)
		}
	}
	put(PropJob, p.Job)
	put(PropRun, p.Run)
	number(PropTerm, p.Term)
	number(PropEpochFrom, p.EpochFrom)
	number(PropEpoch, p.Epoch)
	put(PropSQL, p.SQL)
	number(PropClock, p.Clock)
	put(PropChanges, p.Changes)
	put(PropWriter, p.Writer)
	if len(p.Statement) <= StatementMax {
		put(PropStatement, p.Statement)
		put(PropDatabase, p.Database)
	}
	put(PropUser, p.User)
	if p.Pushed {
		out[PropPush] = "1"
	}
	if p.Prev != nil {
		data, err := json.Marshal(p.Prev)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", PropPrev, err)
		}
		out[PropPrev] = string(data)
	}
	if len(p.Inputs) > 0 {
		data, err := json.Marshal(p.Inputs)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", PropInputs, err)
		}
		out[PropInputs] = string(data)
	}
	return out, nil
}

// ProvenanceOf reads what a snapshot says it was made from. A snapshot of
// another engine gives the zero value. Trust it only on snapshots of the job's
// own commit user: rollbacks and repairs by other tools copy properties.
func ProvenanceOf(s *snapshot.Snapshot) (Provenance, error) {
	r := propReader{props: s.Properties}
	p := Provenance{
		Job: s.Properties[PropJob], Run: s.Properties[PropRun], SQL: s.Properties[PropSQL],
		Changes: s.Properties[PropChanges], Writer: s.Properties[PropWriter],
		Statement: s.Properties[PropStatement], Database: s.Properties[PropDatabase], User: s.Properties[PropUser],
		Pushed: s.Properties[PropPush] != "",
		Term:   r.number(PropTerm), EpochFrom: r.number(PropEpochFrom), Epoch: r.number(PropEpoch), Clock: r.number(PropClock),
	}
	r.object(PropPrev, &p.Prev)
	r.object(PropInputs, &p.Inputs)
	if r.err != nil {
		return Provenance{}, errkind.Errorf(errkind.Corrupt, "snapshot %d: %w", s.ID, r.err)
	}
	return p, nil
}

// propReader keeps the first error.
type propReader struct {
	props map[string]string
	err   error
}

func (r *propReader) number(name string) int64 {
	text, ok := r.props[name]
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("property %s = %q is no number", name, text)
	}
	return n
}

func (r *propReader) object(name string, v any) {
	text, ok := r.props[name]
	if !ok {
		return
	}
	if err := json.Unmarshal([]byte(text), v); err != nil && r.err == nil {
		r.err = fmt.Errorf("property %s: %w", name, err)
	}
}

// mergeProperties adds more to p; more wins.
func mergeProperties(p, more map[string]string) map[string]string {
	if len(p) == 0 && len(more) == 0 {
		return nil
	}
	out := maps.Clone(p)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, more)
	return out
}
