package table

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/format"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// Problem is one thing that Verify found wrong.
type Problem struct {
	Version string `json:"version"` // "snapshot 3", "tag x"
	File    string `json:"file"`    // key relative to the table, or empty
	What    string `json:"what"`
}

// Report is what Verify found.
type Report struct {
	Versions int       `json:"versions"`
	Files    int       `json:"files"` // data and changelog files, each once
	Bytes    int64     `json:"bytes"`
	Rows     int64     `json:"rows"`   // in those files, unmerged
	Unread   int       `json:"unread"` // files whose content weir cannot check (not Parquet)
	Problems []Problem `json:"problems"`
}

// problemsMax bounds a report: a table whose folder is gone has one per file.
const problemsMax = 1000

// VerifyOptions of Verify; the zero value checks everything.
type VerifyOptions struct {
	// Quick checks that files are there with the right size, but reads none.
	Quick bool
	// Progress is called after each file; nil: nobody is told.
	Progress func(files int)
}

// Verify reads every version of the table and checks that its metadata can be
// read, that its counts agree, and that every file is there with the size, the
// number of rows and the checksums it must have. What is wrong with the table
// is in the report; the error says why the check itself could not go on.
func (t *Table) Verify(ctx context.Context, opts VerifyOptions) (*Report, error) {
	v := verifier{t: t, opts: opts, seen: map[string]bool{}, report: &Report{Problems: []Problem{}}}
	all, err := t.snaps.All(ctx)
	if err != nil {
		return nil, v.orProblem("", "", err)
	}
	tags, err := t.snaps.Tags(ctx)
	if err != nil {
		return nil, v.orProblem("", "", err)
	}
	logs, err := t.snaps.Changelogs(ctx)
	if err != nil {
		return nil, v.orProblem("", "", err)
	}
	for _, s := range all {
		if err := v.version(ctx, fmt.Sprintf("snapshot %d", s.ID), s, true); err != nil {
			return v.report, err
		}
	}
	for _, tag := range tags {
		if err := v.version(ctx, "tag "+tag.Name, tag.Snapshot, false); err != nil {
			return v.report, err
		}
	}
	for _, s := range logs {
		if err := v.changelog(ctx, fmt.Sprintf("changelog %d", s.ID), s); err != nil {
			return v.report, err
		}
	}
	return v.report, nil
}

type verifier struct {
	t      *Table
	opts   VerifyOptions
	seen   map[string]bool // files checked, by key
	report *Report
}

// orProblem turns a fault of the table into a problem of the report; a fault of
// the world (no access, no connection, cancelled) stays an error.
func (v *verifier) orProblem(version, file string, err error) error {
	switch errkind.Of(err) {
	case errkind.Corrupt, errkind.NotFound, errkind.Invalid:
		if len(v.report.Problems) >= problemsMax {
			return errkind.Errorf(errkind.Corrupt, "more than %d problems: %w", problemsMax, err)
		}
		v.report.Problems = append(v.report.Problems, Problem{version, file, err.Error()})
		return nil
	default:
		return err
	}
}

func (v *verifier) version(ctx context.Context, name string, s *snapshot.Snapshot, withChanges bool) error {
	v.report.Versions++
	sc, err := v.t.schemas.Get(ctx, schema.ID(s.SchemaID))
	if err != nil {
		return v.orProblem(name, "", err)
	}
	live, err := v.t.manifests.ReadLive(ctx, []string{s.BaseManifestList, s.DeltaManifestList}, nil)
	if err != nil {
		return v.orProblem(name, "", err)
	}
	rows := int64(0)
	for i := range live {
		rows += live[i].File.RowCount
		if err := v.file(ctx, name, sc, &live[i]); err != nil {
			return err
		}
	}
	if rows != s.TotalRecordCount {
		err := errkind.Errorf(errkind.Corrupt, "its files hold %d rows, it says %d", rows, s.TotalRecordCount)
		if err := v.orProblem(name, "", err); err != nil {
			return err
		}
	}
	if !withChanges {
		return nil
	}
	return v.changelog(ctx, name, s)
}

func (v *verifier) changelog(ctx context.Context, name string, s *snapshot.Snapshot) error {
	if s.ChangelogManifestList == "" {
		return nil
	}
	sc, err := v.t.schemas.Get(ctx, schema.ID(s.SchemaID))
	if err != nil {
		return v.orProblem(name, "", err)
	}
	entries, err := v.t.manifests.ReadLive(ctx, []string{s.ChangelogManifestList}, nil)
	if err != nil {
		return v.orProblem(name, "", err)
	}
	for i := range entries {
		if err := v.file(ctx, name, sc, &entries[i]); err != nil {
			return err
		}
	}
	return nil
}

// file checks one data or changelog file, once however many versions name it.
func (v *verifier) file(ctx context.Context, version string, sc *schema.Schema, e *manifest.Entry) error {
	keys, err := manifest.FileKeys(sc, e)
	if errors.Is(err, manifest.ErrExternal) {
		v.report.Unread++
		return nil
	}
	if err != nil {
		return v.orProblem(version, e.File.Name, err)
	}
	if v.seen[keys[0]] {
		return nil
	}
	v.seen[keys[0]] = true
	v.report.Files++
	v.report.Bytes += e.File.Size
	v.report.Rows += e.File.RowCount
	for _, extra := range keys[1:] {
		if _, err := v.t.store.Stat(ctx, extra); err != nil {
			if err := v.orProblem(version, extra, err); err != nil {
				return err
			}
		}
	}
	if err := v.content(ctx, keys[0], &e.File); err != nil {
		if err := v.orProblem(version, keys[0], err); err != nil {
			return err
		}
	}
	if v.opts.Progress != nil {
		v.opts.Progress(v.report.Files)
	}
	return nil
}

func (v *verifier) content(ctx context.Context, key string, f *manifest.DataFile) error {
	info, err := v.t.store.Stat(ctx, key)
	if errors.Is(err, objstore.ErrNotFound) {
		return errkind.Errorf(errkind.NotFound, "the file is missing")
	}
	if err != nil {
		return err
	}
	if info.Size != f.Size {
		return errkind.Errorf(errkind.Corrupt, "the file has %d bytes, the manifest says %d", info.Size, f.Size)
	}
	if v.opts.Quick {
		return nil
	}
	if !strings.HasSuffix(key, ".parquet") {
		v.report.Unread++
		return nil
	}
	file, err := format.Open(v.t.store.URI(key), format.OpenObject(ctx, v.t.store, key, info.Size), info.Size)
	if err != nil {
		return err
	}
	footer, err := file.Footer()
	if err != nil {
		return err
	}
	rows, err := footer.Verify(ctx)
	if err != nil {
		return err
	}
	if rows != f.RowCount {
		return errkind.Errorf(errkind.Corrupt, "the file holds %d rows, the manifest says %d", rows, f.RowCount)
	}
	return nil
}
