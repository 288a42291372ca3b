package cut

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/snapshot"
)

// formatVersion of records and plans.
const formatVersion = 1

// Record is a cut with a name. Tables are named by their paths below the warehouse.
type Record struct {
	Version   int    `json:"version"`
	Name      string `json:"name"`
	Epoch     int64  `json:"epoch"`      // every table is as of it
	ClockMs   int64  `json:"clock_ms"`   // of the epoch, Unix milliseconds
	CreatedMs int64  `json:"created_ms"` // Unix milliseconds
	Automatic bool   `json:"automatic,omitempty"`
	By        string `json:"by,omitempty"` // who asked for it
	// Tables of the cut.
	Tables map[string]Table `json:"tables"`
	// LeftOut are tables that should have been in the cut, and why they are not.
	LeftOut map[string]string `json:"left_out,omitempty"`
}

// Table is one table's version in a cut.
type Table struct {
	// Snapshot is 0 for a table that had none: it is empty in the cut and has no tag.
	Snapshot snapshot.ID `json:"snapshot"`
	Hash     string      `json:"hash,omitempty"`
	// Delta is the snapshot's delta manifest list, whose name no other snapshot has: it tells whether a tag still
	// names this version.
	Delta string `json:"delta,omitempty"`
	// Newest: the table's versions belong to no epoch, because other engines write it and no job reads it; this was
	// its newest.
	Newest bool `json:"newest,omitempty"`
	// RetainedMs is how long every engine keeps the tag (tag.default-time-retained), in milliseconds from CreatedMs; 0:
	// until it is deleted.
	RetainedMs int64 `json:"retained_ms,omitempty"`
	// UntilMs is when the table leaves the cut, some time before its tag goes; 0: never. Unix milliseconds.
	UntilMs int64 `json:"until_ms,omitempty"`
	// Made are the newest commits of the table's jobs in this version. A tag keeps only the version itself, which
	// may be a compaction, or another writer's commit.
	Made []Commit `json:"made,omitempty"`
}

// Commit is a job's snapshot with what it says of itself.
type Commit struct {
	Job        string            `json:"job"` // id
	Snapshot   snapshot.ID       `json:"snapshot"`
	Hash       string            `json:"hash"`
	Properties map[string]string `json:"properties"`
}

// names reports whether the snapshot is the table's version in the cut.
func (t Table) names(s *snapshot.Snapshot) bool {
	return s.ID == t.Snapshot && s.DeltaManifestList == t.Delta
}

// Over is the tables whose time in the cut is over at now, and when that of the next one is (zero: never).
func (r *Record) Over(now time.Time) (over []string, next time.Time) {
	for path, t := range r.Tables {
		if t.UntilMs == 0 {
			continue
		}
		until := time.UnixMilli(t.UntilMs)
		if !now.Before(until) {
			over = append(over, path)
		} else if next.IsZero() || until.Before(next) {
			next = until
		}
	}
	slices.Sort(over)
	return over, next
}

// plan is what is being done with a cut, kept while it is being done.
type plan struct {
	Version int    `json:"version"`
	Do      string `json:"do"` // doMake or doRemove
	// Cut to make, or the part to remove.
	Cut Record `json:"cut"`
}

const (
	doMake   = "make"
	doRemove = "remove"
)

func encode(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write cut: %w", err)
	}
	return data, nil
}

// decodeRecord reads a record; it never panics on hostile bytes.
func decodeRecord(data []byte) (*Record, error) {
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, errkind.Errorf(errkind.Corrupt, "not a cut: %w", err)
	}
	return &r, r.check()
}

// decodePlan reads a plan; it never panics on hostile bytes.
func decodePlan(data []byte) (*plan, error) {
	var p plan
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, errkind.Errorf(errkind.Corrupt, "not a plan of a cut: %w", err)
	}
	if p.Do != doMake && p.Do != doRemove {
		return nil, errkind.Errorf(errkind.Corrupt, "plan of a cut: %q is nothing to do", p.Do)
	}
	if err := checkVersion(p.Version); err != nil {
		return nil, err
	}
	return &p, p.Cut.check()
}

func checkVersion(v int) error {
	if v < 1 || v > formatVersion {
		return errkind.Errorf(errkind.Corrupt, "cut of format version %d: this weir reads up to %d; use a newer weir", v, formatVersion)
	}
	return nil
}

func (r *Record) check() error {
	if err := checkVersion(r.Version); err != nil {
		return err
	}
	if err := snapshot.CheckName("cut", r.Name); err != nil {
		return errkind.Wrap(errkind.Corrupt, err)
	}
	for path, t := range r.Tables {
		// A path outside the warehouse would let a damaged record delete tags elsewhere.
		if path == "" || strings.HasPrefix(path, "/") || slices.Contains(strings.Split(path, "/"), "..") {
			return errkind.Errorf(errkind.Corrupt, "cut %q: %q is no path of a table", r.Name, path)
		}
		if t.Snapshot < 0 || t.Snapshot > 0 && t.Delta == "" {
			return errkind.Errorf(errkind.Corrupt, "cut %q: the version of %s lacks its snapshot or manifest list", r.Name, path)
		}
	}
	return nil
}
