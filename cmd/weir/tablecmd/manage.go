package tablecmd

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/format"
	"github.com/weir-lake/weir/table"
	"github.com/weir-lake/weir/table/expire"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// Compact is `weir table compact`.
type Compact struct {
	Path
	Full bool `help:"Merge every bucket into one sorted run, whatever the table's options say."`
}

// Run compacts until there is nothing left to do.
func (c *Compact) Run(env *Env) error {
	t, err := c.open(env, table.Options{})
	if err != nil {
		return err
	}
	done, err := t.Compact(env.Ctx, table.CompactOptions{Full: c.Full})
	if err != nil {
		return err
	}
	return env.result(done, fmt.Sprintf("%d snapshots: %d files became %d", done.Snapshots, done.Removed, done.Added))
}

// Expire is `weir table expire`.
type Expire struct {
	Path
	RetainMin int           `help:"Snapshots always kept; default: the table's option." placeholder:"N"`
	RetainMax int           `help:"Snapshots kept at most; default: the table's option." placeholder:"N"`
	OlderThan time.Duration `help:"Keep younger snapshots; default: the table's option." placeholder:"1h"`
	DryRun    bool          `help:"Say what would go, and remove nothing."`
}

// Run expires.
func (c *Expire) Run(env *Env) error {
	if c.RetainMin < 0 || c.RetainMax < 0 || c.OlderThan < 0 {
		return errkind.Errorf(errkind.Invalid, "--retain-min, --retain-max, --older-than: they must not be negative")
	}
	t, err := c.open(env, table.Options{})
	if err != nil {
		return err
	}
	o, err := t.Schema().TableOptions()
	if err != nil {
		return err
	}
	p := snapshot.PolicyOf(o)
	p.Limit = 0 // asked for by hand: all at once
	if c.RetainMin > 0 {
		p.RetainedMin = c.RetainMin
	}
	if c.RetainMax > 0 {
		p.RetainedMax = c.RetainMax
	}
	if c.OlderThan > 0 {
		p.TimeRetained = c.OlderThan
	}
	if p.RetainedMax < p.RetainedMin {
		if c.RetainMin > 0 {
			return errkind.Errorf(errkind.Invalid, "--retain-max: %d is below --retain-min or the table's minimum %d", p.RetainedMax, p.RetainedMin)
		}
		p.RetainedMin = p.RetainedMax
	}
	done, err := t.Expire(env.Ctx, expire.Options{Policy: &p, DryRun: c.DryRun})
	if err != nil {
		return err
	}
	verb := "removed"
	if c.DryRun {
		verb = "would remove"
	}
	text := fmt.Sprintf("%s %d snapshots, %d changelogs, %d tags, %d data files, %d metadata files", verb, len(done.Snapshots), len(done.Changelogs), len(done.Tags), done.DataFiles, done.MetaFiles)
	if done.HeldBy != "" {
		text += "; older ones are kept for " + done.HeldBy
	}
	return env.result(done, text)
}

// Tag is `weir table tag`.
type Tag struct {
	Path
	Name     string        `arg:"" optional:"" help:"The tag; without it the tags are listed."`
	Snapshot int64         `help:"Snapshot to name; default: the newest." placeholder:"N"`
	Retained time.Duration `help:"How long the tag is kept; default: until it is deleted." placeholder:"24h"`
	Delete   bool          `help:"Delete the tag and the files that only it kept."`
}

// Run lists, makes or deletes tags.
func (c *Tag) Run(env *Env) error {
	open := c.open
	if c.Name == "" {
		open = c.read
	}
	t, err := open(env, table.Options{})
	if err != nil {
		return err
	}
	switch {
	case c.Name == "" && c.Delete:
		return errkind.Errorf(errkind.Invalid, "--delete: name the tag to delete")
	case c.Name == "":
		return listTags(env, t)
	case c.Delete:
		if err := t.DeleteTag(env.Ctx, c.Name); err != nil {
			return err
		}
		return env.result(map[string]any{"deleted": c.Name}, "deleted tag "+c.Name)
	}
	if err := t.CreateTag(env.Ctx, c.Name, snapshot.Ref{ID: snapshot.ID(c.Snapshot)}, c.Retained); err != nil {
		return err
	}
	made, err := t.Snapshots().Tag(env.Ctx, c.Name)
	if err != nil {
		return err
	}
	return env.result(map[string]any{"tag": c.Name, "snapshot": made.Snapshot.ID}, fmt.Sprintf("tag %s is snapshot %d", c.Name, made.Snapshot.ID))
}

func listTags(env *Env, t *table.Table) error {
	tags, err := t.Snapshots().Tags(env.Ctx)
	if err != nil {
		return err
	}
	for _, tag := range tags {
		out := map[string]any{"tag": tag.Name, "snapshot": tag.Snapshot.ID, "time": tag.Snapshot.Time().UTC().Format(time.RFC3339Nano)}
		text := fmt.Sprintf("%s\tsnapshot %d", tag.Name, tag.Snapshot.ID)
		if tag.Retained > 0 {
			out["retained"] = tag.Retained.String()
			text += "\tkept " + tag.Retained.String()
		}
		if err := env.result(out, text); err != nil {
			return err
		}
	}
	return nil
}

// Rollback is `weir table rollback`.
type Rollback struct {
	Path
	Version
}

// Run rolls back.
func (c *Rollback) Run(env *Env) error {
	ref, err := c.ref()
	if err != nil {
		return err
	}
	if ref == (snapshot.Ref{}) {
		return errkind.Errorf(errkind.Invalid, "rollback: say where to: --snapshot N, --tag NAME or --timestamp TS")
	}
	t, err := c.open(env, table.Options{})
	if err != nil {
		return err
	}
	done, err := t.Rollback(env.Ctx, ref)
	if err != nil {
		return err
	}
	return env.result(done, fmt.Sprintf("rolled back to %s: removed %d snapshots and %d data files", ref, len(done.Snapshots), done.DataFiles))
}

// Files is `weir table files`.
type Files struct {
	Path
	Version
	Branch string `help:"List a branch's files." placeholder:"B"`
	Pages  bool   `help:"Open each file and show its row groups and pages."`
}

// fileLine is one file as Files prints it.
type fileLine struct {
	Partition  string            `json:"partition"`
	Bucket     int               `json:"bucket"`
	Level      int               `json:"level"`
	File       string            `json:"file"`
	Rows       int64             `json:"rows"`
	Bytes      int64             `json:"bytes"`
	MinKey     []any             `json:"minKey,omitempty"`
	MaxKey     []any             `json:"maxKey,omitempty"`
	MinSeq     int64             `json:"minSequence"`
	MaxSeq     int64             `json:"maxSequence"`
	Schema     int64             `json:"schema"`
	Written    string            `json:"written,omitempty"`
	RowGroups  []format.RowGroup `json:"rowGroups,omitempty"`
	Compressed string            `json:"compression,omitempty"`
}

// Run lists the live files.
func (c *Files) Run(env *Env) error {
	ref, err := c.ref()
	if err != nil {
		return err
	}
	t, err := c.read(env, table.Options{Branch: c.Branch})
	if err != nil {
		return err
	}
	s, err := t.Snapshot(env.Ctx, ref)
	if err != nil || s == nil {
		return err
	}
	sc, err := t.SchemaAt(env.Ctx, ref, s)
	if err != nil {
		return err
	}
	live, err := t.Manifests().ReadLive(env.Ctx, []string{s.BaseManifestList, s.DeltaManifestList}, nil)
	if err != nil {
		return err
	}
	for i := range live {
		line, err := c.describe(env, t, sc, &live[i])
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%s\tbucket %d\tlevel %d\t%d rows\t%d bytes\t%s", line.Partition, line.Bucket, line.Level, line.Rows, line.Bytes, line.File)
		for j, g := range line.RowGroups {
			text += fmt.Sprintf("\n\trow group %d: %d rows, %d bytes, %d pages", j, g.Rows, g.CompressedBytes, g.Pages)
		}
		if err := env.result(line, strings.TrimPrefix(text, "\t")); err != nil {
			return err
		}
	}
	return nil
}

func (c *Files) describe(env *Env, t *table.Table, sc *schema.Schema, e *manifest.Entry) (fileLine, error) {
	path, err := sc.PartitionPath(e.Partition)
	if err != nil {
		return fileLine{}, err
	}
	f := &e.File
	line := fileLine{
		Partition: path, Bucket: e.Bucket, Level: f.Level, File: f.Name, Rows: f.RowCount, Bytes: f.Size,
		MinSeq: f.MinSequence, MaxSeq: f.MaxSequence, Schema: f.SchemaID,
	}
	if !f.CreationTime.IsZero() {
		line.Written = f.CreationTime.Format("2006-01-02T15:04:05.000")
	}
	if sc.HasPrimaryKey() {
		types := schema.TypesOf(sc.KeyFields())
		if line.MinKey, err = keyForPeople(types, f.MinKey); err != nil {
			return line, fmt.Errorf("file %s: %w", f.Name, err)
		}
		if line.MaxKey, err = keyForPeople(types, f.MaxKey); err != nil {
			return line, fmt.Errorf("file %s: %w", f.Name, err)
		}
	}
	if !c.Pages || !strings.HasSuffix(f.Name, ".parquet") {
		return line, nil
	}
	key, err := manifest.FileKey(sc, e)
	if err != nil {
		return line, err
	}
	file, err := format.Open(t.Store().URI(key), format.OpenObject(env.Ctx, t.Store(), key, f.Size), f.Size)
	if err != nil {
		return line, err
	}
	footer, err := file.Footer()
	if err != nil {
		return line, err
	}
	line.Compressed = footer.Compression()
	line.RowGroups, err = footer.RowGroups()
	return line, err
}

// keyForPeople decodes a key; bytes become hex.
func keyForPeople(types []schema.Type, row []byte) ([]any, error) {
	values, err := schema.DecodeRow(types, row)
	for i, v := range values {
		switch x := v.(type) {
		case []byte:
			values[i] = hex.EncodeToString(x)
		case fmt.Stringer:
			values[i] = x.String()
		}
	}
	return values, err
}

// Verify is `weir table verify`.
type Verify struct {
	Path
	Quick bool `help:"Check only that files are there with the right size; read none."`
}

// Run verifies; problems are an error.
func (c *Verify) Run(env *Env) error {
	t, err := c.read(env, table.Options{})
	if err != nil {
		return err
	}
	report, err := t.Verify(env.Ctx, table.VerifyOptions{Quick: c.Quick})
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d versions, %d files, %d bytes, %d rows: no problems", report.Versions, report.Files, report.Bytes, report.Rows)
	if len(report.Problems) > 0 {
		lines := map[string]bool{}
		for _, p := range report.Problems {
			lines[strings.TrimSpace(p.Version+": "+strings.TrimPrefix(p.File+": "+p.What, ": "))] = true
		}
		text = strings.Join(slices.Sorted(maps.Keys(lines)), "\n")
	}
	if err := env.result(report, text); err != nil {
		return err
	}
	if n := len(report.Problems); n > 0 {
		return errkind.Errorf(errkind.Corrupt, "verify: %s: %d problems: roll back to a snapshot without them, or restore the files", t.Path(), n)
	}
	return nil
}
