package snapshot

import (
	"math"
	"slices"
	"time"

	"github.com/weir-lake/weir/table/schema"
)

// Policy is how long versions are kept; the table options of the same meaning.
type Policy struct {
	RetainedMin        int           // snapshots always kept
	RetainedMax        int           // snapshots kept at most
	TimeRetained       time.Duration // younger snapshots are kept, up to RetainedMax
	Limit              int           // snapshots expired in one go; 0: no limit
	ConsumerExpiration time.Duration // consumers silent for longer hold nothing back; 0: never
	// KeepChangelogs: changelogs outlive their snapshots by the policy below.
	KeepChangelogs        bool
	ChangelogRetainedMin  int
	ChangelogRetainedMax  int
	ChangelogTimeRetained time.Duration
}

// PolicyOf reads the policy out of a table's options. A table that asks for
// longer changelogs but writes none keeps its snapshots instead: its changes
// are in their files.
func PolicyOf(o schema.Options) Policy {
	p := Policy{
		RetainedMin: o.RetainedMin, RetainedMax: o.RetainedMax, TimeRetained: o.TimeRetained, Limit: o.ExpireLimit,
		ConsumerExpiration: o.ConsumerExpiration, ChangelogRetainedMin: o.ChangelogRetainedMin,
		ChangelogRetainedMax: o.ChangelogRetainedMax, ChangelogTimeRetained: o.ChangelogTimeRetained,
	}
	longer := p.ChangelogRetainedMin > p.RetainedMin || p.ChangelogRetainedMax > p.RetainedMax || p.ChangelogTimeRetained > p.TimeRetained
	if longer && o.ChangelogProducer == "none" {
		p.RetainedMin = max(p.RetainedMin, p.ChangelogRetainedMin)
		p.RetainedMax = max(p.RetainedMax, p.ChangelogRetainedMax)
		p.TimeRetained = max(p.TimeRetained, p.ChangelogTimeRetained)
		longer = false
	}
	p.KeepChangelogs = longer
	return p
}

// Facts are what expiry decides on.
type Facts struct {
	// Snapshots are the oldest, ascending, without gaps, up to one that Enough
	// accepts; Latest is the id of the newest there is.
	Snapshots  []*Snapshot
	Latest     ID
	Changelogs []*Snapshot // kept of snapshots expired before, ascending
	Tags       []*Tag
	Consumers  []Consumer
	// Pins are the oldest snapshots that running readers need.
	Pins []ID
	Now  time.Time
}

// Decision is what expiry should do.
type Decision struct {
	// Snapshots below Until expire; 0 expires none.
	Until ID
	// Changelogs below ChangelogsUntil expire; 0 expires none.
	ChangelogsUntil ID
	Tags            []string // whose time is over
	Consumers       []string // that have been silent too long
	// HeldBy names what keeps snapshots that are old enough to go; empty: nothing.
	HeldBy string
}

// Decide says what may go. It is pure: the caller deletes.
func Decide(f Facts, p Policy) Decision {
	var d Decision
	for _, t := range f.Tags {
		if t.Expired(LocalWall(f.Now)) {
			d.Tags = append(d.Tags, t.Name)
		}
	}
	hold, by := f.hold(p, &d)
	if len(f.Snapshots) > 0 {
		first := f.Snapshots[0].ID
		until := f.byAge(f.Snapshots, p.snapshots())
		if hold < until {
			until, d.HeldBy = hold, by
		}
		if p.Limit > 0 {
			until = min(until, first+ID(p.Limit))
		}
		until = min(until, f.Latest) // the newest stays, whatever the policy says
		if until > first {
			d.Until = until
		}
	}
	d.ChangelogsUntil = f.changelogs(p, hold)
	return d
}

// LocalWall shows the instant's local wall clock as if UTC, as tag files do.
func LocalWall(at time.Time) time.Time {
	_, offset := at.Zone()
	return at.UTC().Add(time.Duration(offset) * time.Second)
}

// hold is the first id that readers need, and who.
func (f Facts) hold(p Policy, d *Decision) (ID, string) {
	hold, by := ID(math.MaxInt64), ""
	for _, c := range f.Consumers {
		if p.ConsumerExpiration > 0 && f.Now.Sub(c.Updated) > p.ConsumerExpiration {
			d.Consumers = append(d.Consumers, c.ID)
			continue
		}
		if c.Next < hold {
			hold, by = c.Next, "consumer "+c.ID
		}
	}
	if len(f.Pins) > 0 {
		if pin := slices.Min(f.Pins); pin < hold {
			hold, by = pin, "a running reader"
		}
	}
	return hold, by
}

type retention struct {
	min, max int
	time     time.Duration
}

// Enough reports whether the facts need no snapshot after s: it is kept by age
// or number, or more than Limit come before it. Readers of a long history stop
// there.
func (p Policy) Enough(s *Snapshot, first, latest ID, now time.Time) bool {
	return p.snapshots().keeps(s, latest, now) || p.Limit > 0 && s.ID >= first+ID(p.Limit)
}

func (p Policy) snapshots() retention {
	return retention{p.RetainedMin, p.RetainedMax, p.TimeRetained}
}

// keeps reports whether a version stays: it is among the newest min, or young
// and among the newest max.
func (r retention) keeps(s *Snapshot, latest ID, now time.Time) bool {
	below := func(n int) ID { return latest - ID(min(n, math.MaxInt32)) } // the newest n lie above it
	return s.ID > below(r.min) || s.ID > below(r.max) && now.Sub(s.Time()) <= r.time
}

// byAge is the first id of versions that stays by age and number, or the one
// after the last.
func (f Facts) byAge(versions []*Snapshot, r retention) ID {
	for _, s := range versions {
		if r.keeps(s, f.Latest, f.Now) {
			return s.ID
		}
	}
	return versions[len(versions)-1].ID + 1
}

// changelogs is the first id whose changelog is kept.
func (f Facts) changelogs(p Policy, hold ID) ID {
	if len(f.Changelogs) == 0 || len(f.Snapshots) == 0 {
		return 0
	}
	until := f.byAge(f.Changelogs, retention{p.ChangelogRetainedMin, p.ChangelogRetainedMax, p.ChangelogTimeRetained})
	if !p.KeepChangelogs {
		until = f.Snapshots[0].ID // the option was taken back
	}
	until = min(until, hold, f.Snapshots[0].ID)
	if until <= f.Changelogs[0].ID {
		return 0
	}
	return until
}
