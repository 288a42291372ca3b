package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/schema"
)

// MergeConfig is how rows of one key become one row in tables of schema s, over batches whose columns
// are fields (which hold the key, the sequence fields, _SEQUENCE_NUMBER and _VALUE_KIND). Engines that this
// version does not know are refused by name.
func MergeConfig(s *schema.Schema, fields []schema.Field) (lsm.Config, error) {
	opts, err := s.TableOptions()
	if err != nil {
		return lsm.Config{}, err
	}
	at := func(name string) int {
		return slices.IndexFunc(fields, func(f schema.Field) bool { return f.Name == name })
	}
	c := lsm.Config{Sequence: at(sequenceColumn), Kind: at(kindColumn), SequenceDesc: opts.SequenceDescending, IgnoreDelete: opts.IgnoreDelete}
	for _, k := range s.KeyNames() {
		c.Key = append(c.Key, at(k))
	}
	for _, k := range opts.SequenceFields {
		c.UserSequence = append(c.UserSequence, at(k))
	}
	switch opts.MergeEngine {
	case "deduplicate":
		c.Engine = lsm.Deduplicate
	case "partial-update":
		c.Engine = lsm.PartialUpdate
		c.RemoveOnDelete = s.Options["partial-update.remove-record-on-delete"] == "true"
		groups, err := sequenceGroups(s)
		if err != nil {
			return c, err
		}
		for _, g := range groups {
			c.Groups = append(c.Groups, g.at(at))
		}
	case "first-row":
		c.Engine = lsm.FirstRow
	default:
		return c, fmt.Errorf("%w: option %s = %s", ErrUnsupported, schema.OptMergeEngine, opts.MergeEngine)
	}
	c.UpperOnce = opts.ChangelogProducer == "lookup" || opts.DeletionVectors || opts.MergeEngine == "first-row" || s.Options["force-lookup"] == "true"
	return c, nil
}

// sequenceGroup is an option "fields.<sequence>,...sequence-group" = "<member>,...".
type sequenceGroup struct{ sequence, members []string }

// at finds the group's columns; members that are not read are left out.
func (g sequenceGroup) at(find func(string) int) (out lsm.SequenceGroup) {
	for _, n := range g.sequence {
		out.Sequence = append(out.Sequence, find(n))
	}
	for _, n := range g.members {
		if i := find(n); i >= 0 {
			out.Members = append(out.Members, i)
		}
	}
	return out
}

// sequenceGroups reads the options of partial-update groups. Aggregates in tables with groups and rows
// removed through a group are refused by name.
func sequenceGroups(s *schema.Schema) ([]sequenceGroup, error) {
	var out []sequenceGroup
	for _, k := range slices.Sorted(maps.Keys(s.Options)) {
		name, field := strings.CutPrefix(k, "fields.")
		if seq, ok := strings.CutSuffix(name, ".sequence-group"); ok && field {
			g := sequenceGroup{strings.Split(seq, ","), strings.Split(s.Options[k], ",")}
			for _, list := range [][]string{g.sequence, g.members} {
				for i := range list {
					list[i] = strings.TrimSpace(list[i])
					if s.FieldIndex(list[i]) < 0 {
						return nil, errkind.Errorf(errkind.Invalid, "option %s names column %s, which does not exist", k, list[i])
					}
				}
			}
			out = append(out, g)
			continue
		}
		if field && strings.HasSuffix(name, "aggregate-function") || k == "partial-update.remove-record-on-sequence-group" {
			return nil, fmt.Errorf("%w: aggregates and removal in partial-update tables (option %s)", ErrUnsupported, k)
		}
	}
	return out, nil
}

// MergeFields are the wanted fields and, after them, those that merging needs besides.
func MergeFields(s *schema.Schema, want []schema.Field) ([]schema.Field, error) {
	out := slices.Clone(want)
	add := func(f schema.Field) {
		if !slices.ContainsFunc(out, func(o schema.Field) bool { return o.Name == f.Name }) {
			out = append(out, f)
		}
	}
	for _, f := range s.KeyFields() {
		add(f)
	}
	opts, err := s.TableOptions()
	if err != nil {
		return nil, err
	}
	for _, n := range opts.SequenceFields {
		i := s.FieldIndex(n)
		if i < 0 {
			return nil, errkind.Errorf(errkind.Invalid, "option %s names column %s, which does not exist", schema.OptSequenceField, n)
		}
		add(s.Fields[i])
	}
	if opts.MergeEngine == "partial-update" {
		groups, err := sequenceGroups(s)
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			for _, n := range g.sequence {
				add(s.Fields[s.FieldIndex(n)])
			}
		}
	}
	add(sequenceField)
	add(kindField)
	return out, nil
}

// fileRun is the files of one sorted run, one after the other; it is an lsm.Run.
type fileRun struct {
	ctx    context.Context
	x      *Scanner
	files  []manifest.Entry
	fields []schema.Field
	prune  predicate.And
	cur    *fileRows
}

func (r *fileRun) Next() (arrow.RecordBatch, error) {
	for {
		if r.cur == nil {
			if len(r.files) == 0 {
				return nil, io.EOF
			}
			var err error
			if r.cur, err = r.x.openFile(r.ctx, &r.files[0], r.fields, r.prune); err != nil {
				return nil, err
			}
			r.files = r.files[1:]
		}
		rec, err := r.cur.next()
		if !errors.Is(err, io.EOF) {
			return rec, err
		}
		r.cur.release()
		r.cur = nil
	}
}

func (r *fileRun) Release() {
	if r.cur != nil {
		r.cur.release()
		r.cur = nil
	}
}

// keyFilter are the conditions of a filter that may leave out rows before merging: those on key columns, which
// all versions of a row share.
func keyFilter(s *schema.Schema, filter predicate.And) predicate.And {
	var out predicate.And
	for _, c := range filter {
		if slices.Contains(s.PrimaryKeys, c.Column) {
			out = append(out, c)
		}
	}
	return out
}

// Run is one sorted run of a bucket.
type Run struct {
	Level int
	Files []manifest.Entry // disjoint, in key order
}

// Runs are the sorted runs among a bucket's files: every file of level 0 is one, each higher level is one. Files
// of a run come in key order.
func Runs(s *schema.Schema, files []manifest.Entry) []Run {
	types := schema.TypesOf(s.KeyFields())
	byLevel := map[int][]manifest.Entry{}
	var out []Run
	for _, e := range files {
		if e.File.Level == 0 {
			out = append(out, Run{Level: 0, Files: []manifest.Entry{e}})
		} else {
			byLevel[e.File.Level] = append(byLevel[e.File.Level], e)
		}
	}
	// The newest run of level 0 first, as compaction picks expect.
	slices.SortStableFunc(out, func(a, b Run) int {
		return int(b.Files[0].File.MaxSequence - a.Files[0].File.MaxSequence)
	})
	levels := make([]int, 0, len(byLevel))
	for l := range byLevel {
		levels = append(levels, l)
	}
	slices.Sort(levels)
	for _, l := range levels {
		fs := byLevel[l]
		slices.SortFunc(fs, func(a, b manifest.Entry) int {
			lo, err := schema.DecodeRow(types, a.File.MinKey)
			hi, err2 := schema.DecodeRow(types, b.File.MinKey)
			if err != nil || err2 != nil {
				return 0 // the merge reports the disorder
			}
			return schema.CompareRows(lo, hi)
		})
		out = append(out, Run{Level: l, Files: fs})
	}
	return out
}

// merger opens the merge of a bucket's files over the merge fields.
func (x *Scanner) merger(ctx context.Context, files []manifest.Entry, fields []schema.Field, prune predicate.And) (*lsm.Merger, error) {
	cfg, err := MergeConfig(x.schema, fields)
	if err != nil {
		return nil, err
	}
	return x.Merger(ctx, files, fields, cfg, prune)
}

// Merger merges a bucket's files with a configuration of the caller's; compaction keeps retractions, for one.
func (x *Scanner) Merger(ctx context.Context, files []manifest.Entry, fields []schema.Field, cfg lsm.Config, prune predicate.And) (*lsm.Merger, error) {
	return x.mergerOver(ctx, nil, files, fields, cfg, prune)
}

// mergerOver is Merger with rows in memory, sorted and one a key, as one more run.
func (x *Scanner) mergerOver(ctx context.Context, base []arrow.RecordBatch, files []manifest.Entry, fields []schema.Field, cfg lsm.Config, prune predicate.And) (*lsm.Merger, error) {
	sc, err := schema.ArrowSchema(fields)
	if err != nil {
		return nil, err
	}
	var inputs []lsm.Input
	if len(base) > 0 {
		inputs = append(inputs, lsm.Input{Run: lsm.NewBatches(base...)})
	}
	for _, run := range Runs(x.schema, files) {
		inputs = append(inputs, lsm.Input{Level: run.Level, Run: &fileRun{ctx: ctx, x: x, files: run.Files, fields: fields, prune: prune}})
	}
	return lsm.NewMerger(inputs, sc, cfg)
}

// FileRun streams files one after the other as the given fields, as one lsm.Run. The caller releases it.
func (x *Scanner) FileRun(ctx context.Context, files []manifest.Entry, fields []schema.Field) lsm.Run {
	return &fileRun{ctx: ctx, x: x, files: files, fields: fields}
}
