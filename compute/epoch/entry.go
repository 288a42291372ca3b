package epoch

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
)

// formatVersion is written into every entry; entries of this and the version before are read.
const formatVersion = 1

// Kinds of entries.
const (
	KindTerm  = "term"  // a coordinator takes over
	KindEpoch = "epoch" // what an epoch holds
	KindJob   = "job"   // a job was created, or its desired state changed
	KindBase  = "base"  // everything before, folded; older entries may be deleted
)

// Desired is what an operator wants a job to be.
type Desired string

// The desired states. A dropped job is forgotten; a stopped one counts as frozen.
const (
	Running Desired = "running"
	Stopped Desired = "stopped"
	Dropped Desired = "dropped"
)

// Entry is one object of the log. Exactly one of Owner, Epoch, Job and Base is set, by Kind.
type Entry struct {
	Version int        `json:"version"`
	N       int64      `json:"n"`
	Kind    string     `json:"kind"`
	Term    int64      `json:"term"`
	TimeMs  int64      `json:"time_ms"` // wall clock of the writer
	Owner   string     `json:"owner,omitempty"`
	Epoch   *Record    `json:"epoch,omitempty"`
	Job     *JobRecord `json:"job,omitempty"`
	Base    *State     `json:"base,omitempty"`
}

// Record is what one epoch holds, for every job with input of its own. It is decided
// once and used by all sinks of a job.
type Record struct {
	Epoch   int64               `json:"epoch"`
	ClockMs int64               `json:"clock_ms"` // NOW() of every row of the epoch
	Seed    int64               `json:"seed"`
	Jobs    map[string]JobInput `json:"jobs,omitempty"`
	// Pushes are the tables that received pushed rows in this epoch.
	Pushes []string `json:"pushes,omitempty"`
	// Foreign are snapshots of other engines seen first in this epoch: table path to newest id.
	Foreign map[string]int64 `json:"foreign,omitempty"`
}

// JobInput is the end of a job's input in one epoch, by source index of its plan.
type JobInput struct {
	Offsets map[int]connector.Offsets `json:"offsets"`
	// Ended are bounded sources that end with this epoch.
	Ended []int `json:"ended,omitempty"`
	// Replays are sets of rows that come besides, by source index: dead letters taken once more. What they hold
	// stands in the warehouse and never changes.
	Replays map[int][]string `json:"replays,omitempty"`
}

// JobRecord is a job's definition and desired state.
type JobRecord struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Database   string            `json:"database"` // current database of the statement
	SQL        string            `json:"sql"`      // the statement as given
	Options    map[string]string `json:"options,omitempty"`
	CommitUser string            `json:"commit_user"` // UUID made at creation, never a name
	Sink       string            `json:"sink"`        // database.table
	Desired    Desired           `json:"desired"`
	CreatedMs  int64             `json:"created_ms"`
	// FromEpoch is the first epoch the job takes part in.
	FromEpoch int64 `json:"from_epoch"`
	// Reason says why the desired state is what it is ("finished", "source position lost ..").
	Reason string `json:"reason,omitempty"`
	User   string `json:"user,omitempty"` // who created it
}

// State is the log folded up to an entry.
type State struct {
	N     int64                `json:"n"` // of the last entry folded
	Term  int64                `json:"term"`
	Epoch int64                `json:"epoch"` // the newest recorded
	Jobs  map[string]JobRecord `json:"jobs"`
	// FloorEpoch and Floor are each job's input up to the records no job will replay;
	// Records are the ones above, ascending.
	FloorEpoch   int64               `json:"floor_epoch"`
	FloorClockMs int64               `json:"floor_clock_ms"`
	Floor        map[string]JobInput `json:"floor"`
	Records      []Record            `json:"records,omitempty"`
	// Foreign is the newest foreign snapshot recorded per table path.
	Foreign map[string]int64 `json:"foreign,omitempty"`
}

// NewState returns the state of an empty log.
func NewState() *State {
	return &State{Jobs: map[string]JobRecord{}, Floor: map[string]JobInput{}, Foreign: map[string]int64{}}
}

// Apply folds the entry that follows s.N into s.
func (s *State) Apply(e Entry) error {
	if e.N != s.N+1 && e.Kind != KindBase {
		return errkind.Errorf(errkind.Corrupt, "epoch log: entry %d follows %d", e.N, s.N)
	}
	if e.Term < s.Term {
		return errkind.Errorf(errkind.Corrupt, "epoch log: entry %d has term %d below %d", e.N, e.Term, s.Term)
	}
	switch e.Kind {
	case KindEpoch:
		if e.Epoch.Epoch <= s.Epoch {
			return errkind.Errorf(errkind.Corrupt, "epoch log: entry %d records epoch %d again after %d", e.N, e.Epoch.Epoch, s.Epoch)
		}
		s.Epoch = e.Epoch.Epoch
		s.Records = append(s.Records, *e.Epoch)
		maps.Copy(s.Foreign, e.Epoch.Foreign)
	case KindJob:
		if e.Job.Desired == Dropped {
			delete(s.Jobs, e.Job.ID)
			delete(s.Floor, e.Job.ID)
		} else {
			s.Jobs[e.Job.ID] = *e.Job
		}
	case KindBase:
		*s = *e.Base.clone()
	}
	s.N, s.Term = e.N, e.Term
	return nil
}

// InputAt returns the job's input up to and including the epoch. It is false when the log
// does not reach back that far.
func (s *State) InputAt(jobID string, epoch int64) (JobInput, bool) {
	if epoch < s.FloorEpoch {
		return JobInput{}, false
	}
	in := merge(JobInput{}, s.Floor[jobID])
	for i := range s.Records {
		if s.Records[i].Epoch > epoch {
			break
		}
		if j, ok := s.Records[i].Jobs[jobID]; ok {
			in = merge(in, j)
		}
	}
	return in, true
}

// Replays are the sets of rows that came to the job's source besides, up to and including the epoch, oldest first.
func (s *State) Replays(jobID string, source int, epoch int64) []string {
	out := slices.Clone(s.Floor[jobID].Replays[source])
	for i := range s.Records {
		if s.Records[i].Epoch > epoch {
			break
		}
		out = append(out, s.Records[i].Jobs[jobID].Replays[source]...)
	}
	return out
}

// raiseFloor folds the records below keepFrom away.
func (s *State) raiseFloor(keepFrom int64) {
	for len(s.Records) > 0 && s.Records[0].Epoch < keepFrom {
		r := s.Records[0]
		for id, in := range r.Jobs {
			if _, live := s.Jobs[id]; live {
				s.Floor[id] = merge(s.Floor[id], in)
			}
		}
		s.FloorEpoch, s.FloorClockMs = r.Epoch, r.ClockMs
		s.Records = s.Records[1:]
	}
}

// merge overlays the newer input: splits the newer one does not name stay where they were.
func merge(old, in JobInput) JobInput {
	out := JobInput{Offsets: map[int]connector.Offsets{}}
	for i, o := range old.Offsets {
		out.Offsets[i] = o.Clone()
	}
	for i, o := range in.Offsets {
		if out.Offsets[i] == nil {
			out.Offsets[i] = connector.Offsets{}
		}
		maps.Copy(out.Offsets[i], o)
	}
	for _, from := range []map[int][]string{old.Replays, in.Replays} {
		for i, ids := range from {
			if out.Replays == nil {
				out.Replays = map[int][]string{}
			}
			out.Replays[i] = append(slices.Clone(out.Replays[i]), ids...)
		}
	}
	out.Ended = append(slices.Clone(old.Ended), in.Ended...)
	slices.Sort(out.Ended)
	out.Ended = slices.Compact(out.Ended)
	return out
}

func (s *State) clone() *State {
	c := NewState()
	c.N, c.Term, c.Epoch = s.N, s.Term, s.Epoch
	c.FloorEpoch, c.FloorClockMs = s.FloorEpoch, s.FloorClockMs
	maps.Copy(c.Jobs, s.Jobs)
	maps.Copy(c.Foreign, s.Foreign)
	for id, in := range s.Floor {
		c.Floor[id] = merge(JobInput{}, in)
	}
	c.Records = slices.Clone(s.Records) // records are never changed
	return c
}

// decode parses and validates one entry; it never panics on hostile bytes.
func decode(data []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(data, &e); err != nil {
		return Entry{}, errkind.Errorf(errkind.Corrupt, "not a log entry: %w", err)
	}
	if e.Version > formatVersion || e.Version < 1 {
		return Entry{}, errkind.Errorf(errkind.Corrupt, "log entry version %d: this weir reads up to %d; use a newer weir", e.Version, formatVersion)
	}
	ok := false
	switch e.Kind {
	case KindTerm:
		ok = e.Owner != ""
	case KindEpoch:
		ok = e.Epoch != nil && e.Epoch.Epoch > 0
	case KindJob:
		ok = e.Job != nil && e.Job.ID != ""
	case KindBase:
		ok = e.Base != nil
	}
	if !ok {
		return Entry{}, errkind.New(errkind.Corrupt, fmt.Sprintf("log entry of kind %q lacks its content", e.Kind))
	}
	return e, nil
}
