package schedule

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
)

// Sentinels of the package.
var (
	ErrNotFound = errkind.New(errkind.NotFound, "backfill: there is none of that name")
	ErrExists   = errkind.New(errkind.Exists, "backfill: one of that name exists; drop it first, or choose another name")
	ErrNoRun    = errkind.New(errkind.NotFound, "backfill: there is no such run")
)

// State of a backfill.
type State string

// The states of a backfill.
const (
	Active  State = "active"
	Paused  State = "paused"  // its ticks wait; by hand it runs
	Dropped State = "dropped" // kept in the ledger, for its runs
)

// Priorities of a backfill.
const (
	PriorityLow    = "low"    // after live jobs and queries
	PriorityNormal = "normal" // beside them
)

const (
	clockWall      = "wall"
	clockWatermark = "watermark:"
)

// Definition is what a backfill is created from. Name and SQL are needed; the rest has defaults.
type Definition struct {
	Name     string `json:"name" doc:"letters, digits, _ - and ."`
	SQL      string `json:"sql" doc:"INSERT OVERWRITE .. with ${start} and ${end}"`
	Database string `json:"database,omitempty" doc:"current database of the statement; default: default"`
	Cron     string `json:"cron,omitempty" doc:"minute hour day month weekday; empty: runs by hand only"`
	Timezone string `json:"timezone,omitempty" doc:"of the cron line, as in the IANA database; default: UTC"`
	Clock    string `json:"clock,omitempty" doc:"wall (default), or watermark:TABLE"`
	CatchUp  string `json:"catch_up,omitempty" enum:"all,last,none," doc:"which missed ticks are made up; default: last"`
	Slice    string `json:"slice,omitempty" doc:"length of a slice, as in 1d; default: one partition"`
	Delay    string `json:"delay,omitempty" doc:"how long after its tick a run begins, as in 6h; default: none"`
	Together int    `json:"together,omitempty" minimum:"0" maximum:"1000" doc:"consecutive slices that one statement may compute at once; default: 1"`
	Priority string `json:"priority,omitempty" enum:"low,normal," doc:"low (default): after live jobs and queries"`
	// Start is the newest tick that counts as decided at the beginning.
	Start *time.Time `json:"start,omitempty" doc:"ticks after this are run; default: what the clock shows when it is created"`
	User  string     `json:"user,omitempty" readOnly:"true"`
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`)

// togetherMax bounds how many slices one statement computes: their rows are one commit.
const togetherMax = 1000

func (d Definition) withDefaults() Definition {
	set := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	set(&d.Database, "default")
	set(&d.Timezone, "UTC")
	set(&d.Clock, clockWall)
	set(&d.CatchUp, string(CatchUpLast))
	set(&d.Priority, PriorityLow)
	if d.Together == 0 {
		d.Together = 1
	}
	d.SQL = strings.TrimRight(d.SQL, "; \t\r\n")
	return d
}

// policy checks all of the definition that can be judged by itself, and gives what its ticks follow; without a cron
// line the policy's Line is nil.
func (d Definition) policy() (Policy, error) {
	switch {
	case !namePattern.MatchString(d.Name):
		return Policy{}, errkind.Errorf(errkind.Invalid, "backfill name '%s': want at most 100 letters, digits, _ - and ., beginning with a letter or digit", d.Name)
	case d.Clock != clockWall && (!strings.HasPrefix(d.Clock, clockWatermark) || d.Clock == clockWatermark):
		return Policy{}, errkind.Errorf(errkind.Invalid, "clock '%s': want wall, or watermark:TABLE", d.Clock)
	case !slices.Contains([]string{"all", "last", "none"}, d.CatchUp):
		return Policy{}, errkind.Errorf(errkind.Invalid, "catch-up '%s': want all, last or none", d.CatchUp)
	case d.Priority != PriorityLow && d.Priority != PriorityNormal:
		return Policy{}, errkind.Errorf(errkind.Invalid, "priority '%s': want low or normal", d.Priority)
	case d.Together < 1 || d.Together > togetherMax:
		return Policy{}, errkind.Errorf(errkind.Invalid, "together %d: want 1 to %d slices", d.Together, togetherMax)
	}
	if _, err := ParseLength(d.Slice); err != nil {
		return Policy{}, errkind.Errorf(errkind.Invalid, "slice: %w", err)
	}
	delay, err := ParseLength(d.Delay)
	if err != nil {
		return Policy{}, errkind.Errorf(errkind.Invalid, "delay: %w", err)
	}
	if delay.Months > 0 {
		return Policy{}, errkind.Errorf(errkind.Invalid, "delay '%s': months differ in length; write days", d.Delay)
	}
	p := Policy{CatchUp: CatchUp(d.CatchUp), Delay: delay.Time, Data: d.Clock != clockWall}
	if d.Cron != "" {
		p.Line, err = ParseLine(d.Cron, d.Timezone)
	} else {
		_, err = ParseLine("@daily", d.Timezone)
	}
	return p, err
}

// Backfill is a definition and how it stands.
type Backfill struct {
	Definition
	ID      string     `json:"id"`
	Table   string     `json:"table" doc:"db.table that it writes"`
	State   State      `json:"state" enum:"active,paused,dropped"`
	Created time.Time  `json:"created"`
	Until   *time.Time `json:"until,omitempty" doc:"the newest tick decided: run, skipped or claimed"`
	Next    *time.Time `json:"next,omitempty" doc:"the next tick"`
	Now     *time.Time `json:"now,omitempty" doc:"what its clock showed when last looked at"`
	Running string     `json:"running,omitempty" doc:"id of the run under way"`
	Last    *Run       `json:"last,omitempty" doc:"the newest run of this process"`
	Error   string     `json:"error,omitempty" doc:"why its ticks cannot be decided now"`
}

// Kinds of a run.
const (
	KindTick    = "tick"
	KindHand    = "hand"
	KindSkipped = "skipped" // ticks that were missed and are not made up
)

// RunState is how far a run is.
type RunState string

// The states of a run.
const (
	Queued   RunState = "queued"
	Running  RunState = "running"
	Done     RunState = "done"
	Failed   RunState = "failed"
	Canceled RunState = "canceled"
	Skip     RunState = "skipped"
)

// Ended reports a state that does not change any more.
func (s RunState) Ended() bool { return s != Queued && s != Running }

// Marks of slices in Run.Progress.
const (
	markPending = '.'
	markWritten = 'w'
	markEqual   = '=' // its rows were there already
)

// Run is one execution of a backfill: the interval of a tick, or a range given by hand.
type Run struct {
	ID       string     `json:"id"`
	Backfill string     `json:"backfill"`
	Kind     string     `json:"kind" enum:"tick,hand,skipped"`
	State    RunState   `json:"state" enum:"queued,running,done,failed,canceled,skipped"`
	Tick     *time.Time `json:"tick,omitempty"`
	From     time.Time  `json:"from"`
	To       time.Time  `json:"to"`
	// Slice by slice: . pending, w written, = equal already.
	Progress  string     `json:"progress" doc:"one character a slice: . pending, w written, = equal already"`
	Slices    int        `json:"slices"`
	Finished  int        `json:"slices_done"`
	Rows      int64      `json:"rows" doc:"that its statements gave"`
	Snapshots []int64    `json:"snapshots" nullable:"false" doc:"that it made"`
	Inputs    []Input    `json:"inputs" nullable:"false" doc:"versions that its newest statement read"`
	Attempts  int        `json:"attempts"`
	User      string     `json:"user,omitempty"`
	Created   time.Time  `json:"created"`
	Started   *time.Time `json:"started,omitempty"`
	Ended     *time.Time `json:"ended,omitempty"`
	Error     string     `json:"error,omitempty"`
	Log       []string   `json:"log" nullable:"false" doc:"the newest lines"`

	backfillID string
	base       int64 // newest snapshot of the table before the run
}

// Input is a version of a table that was read.
type Input struct {
	Table    string `json:"table"`
	Snapshot int64  `json:"snapshot"`
}

// logLinesMax bounds the lines kept of a run: attempts and recoveries, not slices.
const logLinesMax = 100

// say adds a line to the run's log.
func (r *Run) say(now time.Time, line string) {
	r.Log = append(r.Log, stamp(now)+" "+line)
	if n := len(r.Log) - logLinesMax; n > 0 {
		r.Log = r.Log[n:]
	}
}

// mark notes that slice i is done.
func (r *Run) mark(i int, with rune) {
	p := []byte(r.Progress)
	if p[i] == markPending {
		r.Finished++
	}
	p[i] = byte(with)
	r.Progress = string(p)
}

// note adds a snapshot that the run made; 0 is none.
func (r *Run) note(id int64) {
	if id != 0 && !slices.Contains(r.Snapshots, id) {
		r.Snapshots = append(r.Snapshots, id)
	}
}

// clone is a copy that later changes do not reach.
func (r *Run) clone() Run {
	c := *r
	c.Snapshots, c.Inputs, c.Log = slices.Clone(r.Snapshots), slices.Clone(r.Inputs), slices.Clone(r.Log)
	if c.Snapshots == nil {
		c.Snapshots = []int64{}
	}
	if c.Inputs == nil {
		c.Inputs = []Input{}
	}
	if c.Log == nil {
		c.Log = []string{}
	}
	return c
}
