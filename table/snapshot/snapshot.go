package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/internal/jsonobj"
)

// FileVersion is the version of snapshot files that weir writes.
const FileVersion = 3

// ID numbers the snapshots of a table (or branch) from 1, without gaps.
type ID int64

// CommitKind says what a snapshot did.
type CommitKind string

// The kinds, in Paimon's words.
const (
	Append    CommitKind = "APPEND"    // rows were added
	Compact   CommitKind = "COMPACT"   // files were rewritten, rows are the same
	Overwrite CommitKind = "OVERWRITE" // files were replaced
	Analyze   CommitKind = "ANALYZE"   // statistics only
)

// BatchIdentifier is the commitIdentifier of Java's batch commits. weir never
// writes it: it does not tell one commit from another.
const BatchIdentifier = 1<<63 - 1

// Snapshot is one version of a table: the file snapshot/snapshot-N. It is
// immutable once written. Its JSON names are Paimon's.
type Snapshot struct {
	Version                   int               `json:"version"`
	ID                        ID                `json:"id"`
	SchemaID                  int64             `json:"schemaId"` // newest schema at commit
	BaseManifestList          string            `json:"baseManifestList"`
	BaseManifestListSize      *int64            `json:"baseManifestListSize,omitempty"`
	DeltaManifestList         string            `json:"deltaManifestList"`
	DeltaManifestListSize     *int64            `json:"deltaManifestListSize,omitempty"`
	ChangelogManifestList     string            `json:"changelogManifestList,omitempty"`
	ChangelogManifestListSize *int64            `json:"changelogManifestListSize,omitempty"`
	IndexManifest             string            `json:"indexManifest,omitempty"`
	CommitUser                string            `json:"commitUser"`
	CommitIdentifier          int64             `json:"commitIdentifier"`
	CommitKind                CommitKind        `json:"commitKind"`
	TimeMillis                int64             `json:"timeMillis"`       // Unix milliseconds
	TotalRecordCount          int64             `json:"totalRecordCount"` // rows of all live files, unmerged
	DeltaRecordCount          int64             `json:"deltaRecordCount"` // rows added minus removed
	ChangelogRecordCount      *int64            `json:"changelogRecordCount,omitempty"`
	Watermark                 *int64            `json:"watermark,omitempty"`  // Unix milliseconds
	Statistics                string            `json:"statistics,omitempty"` // file name
	Properties                map[string]string `json:"properties,omitempty"` // free-form; weir's are in table/commit
	NextRowID                 *int64            `json:"nextRowId,omitempty"`  // row tracking

	// Extra holds fields that weir does not know.
	Extra map[string]json.RawMessage `json:"-"`
	// Hash identifies the file's bytes; set by Parse and by Seal.
	Hash string `json:"-"`
}

// Identity names a snapshot for ever: a rolled-back id that is written again
// gives another hash.
type Identity struct {
	Table string `json:"table"` // the table's path
	ID    ID     `json:"id"`
	Hash  string `json:"hash"`
}

// String shows the identity as "path@id#hash".
func (i Identity) String() string { return fmt.Sprintf("%s@%d#%s", i.Table, i.ID, i.Hash) }

// HashOf identifies the bytes of a snapshot file: 128 bits of their SHA-256 in hex.
func HashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

// Parse reads a snapshot file. Unknown fields are kept.
func Parse(data []byte) (*Snapshot, error) {
	s := &Snapshot{Version: 1} // files of the first Paimon releases carry no version
	extra, err := jsonobj.Unmarshal(data, s)
	if err != nil {
		return nil, errkind.Errorf(errkind.Corrupt, "parse snapshot: %w", err)
	}
	if s.Version > FileVersion {
		return nil, errkind.Errorf(errkind.Invalid, "snapshot file version %d is newer than %d, the newest this weir reads: update weir", s.Version, FileVersion)
	}
	if s.ID < 1 || s.BaseManifestList == "" || s.DeltaManifestList == "" {
		return nil, errkind.Errorf(errkind.Corrupt, "parse snapshot: id, baseManifestList or deltaManifestList is missing")
	}
	s.Extra, s.Hash = extra, HashOf(data)
	return s, nil
}

// Seal gives the content of the snapshot's file and sets Hash.
func (s *Snapshot) Seal() ([]byte, error) {
	data, err := jsonobj.Marshal(s, s.Extra)
	if err != nil {
		return nil, fmt.Errorf("write snapshot %d: %w", s.ID, err)
	}
	s.Hash = HashOf(data)
	return data, nil
}

// Clone copies the snapshot; the copy's maps may be changed.
func (s *Snapshot) Clone() *Snapshot {
	c := *s
	c.Properties, c.Extra = maps.Clone(s.Properties), maps.Clone(s.Extra)
	return &c
}

// Time is when the snapshot was committed, by its writer's clock.
func (s *Snapshot) Time() time.Time { return time.UnixMilli(s.TimeMillis) }

// Identity of the snapshot in the table at path.
func (s *Snapshot) Identity(path string) Identity { return Identity{path, s.ID, s.Hash} }
