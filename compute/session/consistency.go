package session

import (
	"strconv"
	"strings"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// Levels of consistency, as Cut.Level names them.
const (
	LevelLatest  = "latest"  // each table at its newest version
	LevelCut     = "cut"     // all tables at the newest epoch that is complete for all of them
	LevelSession = "session" // a cut that is not before what the session has read and written
	LevelBounded = "bounded" // a cut that is not older than a time
	LevelAsOf    = "as_of"   // the query names all versions itself
)

// Consistency is how fresh the versions that a query reads must be, and whether they belong together.
type Consistency struct {
	Level string // empty: cut
	// AtLeast is an epoch that the cut must have reached; for level session.
	AtLeast int64
	// AgeMax bounds how long ago the cut stopped being the newest there could be; for level bounded.
	AgeMax time.Duration
}

// ParseConsistency reads "latest", "cut", "session", "session(EPOCH)" or "bounded(TIME)".
func ParseConsistency(text string) (Consistency, error) {
	level, arg, with := strings.Cut(strings.TrimSpace(text), "(")
	c := Consistency{Level: strings.TrimSpace(level)}
	if with {
		var ended bool
		if arg, ended = strings.CutSuffix(arg, ")"); !ended {
			return c, errConsistency(text)
		}
		arg = strings.TrimSpace(arg)
	}
	switch {
	case !with && (c.Level == LevelLatest || c.Level == LevelCut || c.Level == LevelSession):
		return c, nil
	case with && c.Level == LevelSession:
		n, err := strconv.ParseInt(arg, 10, 64)
		if err == nil && n >= 0 {
			c.AtLeast = n
			return c, nil
		}
	case with && c.Level == LevelBounded:
		d, err := time.ParseDuration(arg)
		if err != nil {
			d, err = schema.ParseDuration(arg)
		}
		if err == nil && d > 0 {
			c.AgeMax = d
			return c, nil
		}
	}
	return c, errConsistency(text)
}

func errConsistency(text string) error {
	return errkind.Errorf(errkind.Invalid, "consistency '%s': want latest, cut, session, session(EPOCH) or bounded(TIME), such as bounded(5s)", text)
}

// String is the text that ParseConsistency reads.
func (c Consistency) String() string {
	switch {
	case c.Level == LevelSession && c.AtLeast > 0:
		return LevelSession + "(" + strconv.FormatInt(c.AtLeast, 10) + ")"
	case c.Level == LevelBounded:
		return LevelBounded + "(" + c.AgeMax.String() + ")"
	}
	return c.Level
}

// consistency is the session's level, with what the session has seen where that counts.
func (s *Session) consistency() (string, error) {
	c, err := ParseConsistency(cmpOr(s.vars[VarConsistency], LevelCut))
	if c.Level == LevelSession {
		c.AtLeast = max(c.AtLeast, s.seen)
	}
	return c.String(), err
}

// saw notes an epoch that the session has read, or written in.
func (s *Session) saw(epoch int64) { s.seen = max(s.seen, epoch) }
