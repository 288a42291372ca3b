package scan

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// ErrUnsupported: the table uses a feature this version cannot read.
var ErrUnsupported = errkind.New(errkind.Invalid, "scan: table feature not supported")

// Scanner plans and reads one table as one version of its schema. Safe for concurrent use.
type Scanner struct {
	store     objstore.Store // rooted at the table
	schema    *schema.Schema // rows come as this
	opts      schema.Options
	manifests *manifest.Files

	old struct {
		sync.Mutex
		files   *schema.Files
		schemas map[int64]*schema.Schema
	}
}

// New makes a scanner over a store rooted at the table that gives rows as schema s. Manifests may be shared
// with others of the table; nil makes new ones.
func New(store objstore.Store, s *schema.Schema, manifests *manifest.Files) (*Scanner, error) {
	opts, err := s.TableOptions()
	if err != nil {
		return nil, err
	}
	if opts.DataEvolution {
		// Several files hold columns of the same rows; read apart they would give rows twice.
		return nil, fmt.Errorf("%w: option %s = true", ErrUnsupported, schema.OptDataEvolution)
	}
	if manifests == nil {
		manifests = manifest.NewFiles(store, opts.ManifestCompression)
	}
	x := &Scanner{store: store, schema: s, opts: opts, manifests: manifests}
	x.old.files = schema.NewFiles(store, "")
	x.old.schemas = map[int64]*schema.Schema{int64(s.ID): s}
	return x, nil
}

// schemaOf reads a version of the schema; versions never change.
func (x *Scanner) schemaOf(ctx context.Context, id int64) (*schema.Schema, error) {
	x.old.Lock()
	defer x.old.Unlock()
	if s := x.old.schemas[id]; s != nil {
		return s, nil
	}
	s, err := x.old.files.Get(ctx, schema.ID(id))
	if err != nil {
		return nil, err
	}
	x.old.schemas[id] = s
	return s, nil
}

// Request says what to read. The zero value is every column of every row.
type Request struct {
	Columns []string // in the order wanted; nil means all of the schema
	Filter  predicate.And
}

// Split is the files of one partition and bucket that must be read together.
type Split struct {
	Partition []byte // stored form
	Bucket    int
	Files     []manifest.Entry
	// Raw: each row of each file is a row of the table; the files can be read apart, in any order, by any
	// Parquet reader. Files of an older schema are never raw.
	Raw  bool
	Rows int64 // of the files, before merging
}

// Plan is what a version of a table holds for a request.
type Plan struct {
	Snapshot *snapshot.Snapshot // nil: the table has none
	Fields   []schema.Field     // of the rows, in the order asked for
	Splits   []Split
	x        *Scanner
	req      Request
}

// Plan reads the manifests of a snapshot and picks the files that matter. A nil snapshot is an empty table.
func (x *Scanner) Plan(ctx context.Context, s *snapshot.Snapshot, req Request) (*Plan, error) {
	p := &Plan{Snapshot: s, x: x, req: req, Fields: x.schema.Fields}
	if req.Columns != nil {
		var err error
		if p.Fields, err = x.schema.Select(req.Columns); err != nil {
			return nil, err
		}
	}
	if s == nil {
		return p, nil
	}
	if s.IndexManifest != "" && x.opts.DeletionVectors {
		return nil, fmt.Errorf("%w: deletion vectors (option %s)", ErrUnsupported, schema.OptDeletionVectors)
	}
	pruner, err := manifest.NewPruner(x.schema, req.Filter, func(id int64) (*schema.Schema, error) { return x.schemaOf(ctx, id) })
	if err != nil {
		return nil, errkind.Wrap(errkind.Invalid, err)
	}
	entries, err := x.manifests.ReadLive(ctx, []string{s.BaseManifestList, s.DeltaManifestList}, pruner)
	if err != nil {
		return nil, fmt.Errorf("plan snapshot %d of %s: %w", s.ID, x.store.URI(""), err)
	}
	if x.hidesLevel0() {
		entries = slices.DeleteFunc(slices.Clone(entries), func(e manifest.Entry) bool { return e.File.Level == 0 })
	}
	p.Splits = x.splits(entries, pruner)
	return p, nil
}

// hidesLevel0 reports tables whose rows show only once compacted, as Java reads them.
func (x *Scanner) hidesLevel0() bool {
	switch {
	case !x.schema.HasPrimaryKey():
		return false
	case x.opts.DeletionVectors:
		return x.schema.Options["deletion-vectors.merge-on-read"] != "true"
	default:
		return x.opts.MergeEngine == "first-row"
	}
}

// splits groups live files by partition and bucket.
func (x *Scanner) splits(entries []manifest.Entry, pruner *manifest.Pruner) []Split {
	at := map[manifest.BucketID]int{}
	var out []Split
	for i := range entries {
		e := &entries[i]
		if e.Bucket < 0 {
			continue // postponed rows are no rows yet
		}
		id := e.BucketID()
		j, ok := at[id]
		if !ok {
			j = len(out)
			at[id] = j
			out = append(out, Split{Partition: e.Partition, Bucket: e.Bucket})
		}
		out[j].Files = append(out[j].Files, *e)
		out[j].Rows += e.File.RowCount
	}
	for i := range out {
		x.classify(&out[i], pruner)
	}
	slices.SortFunc(out, func(a, b Split) int {
		if c := slices.Compare(a.Partition, b.Partition); c != 0 {
			return c
		}
		return a.Bucket - b.Bucket
	})
	return out
}

// classify decides whether a split's files can be read as they are, and prunes those by value statistics.
func (x *Scanner) classify(s *Split, pruner *manifest.Pruner) {
	s.Raw = true
	for i := range s.Files {
		f := &s.Files[i].File
		if f.SchemaID != int64(x.schema.ID) || f.WriteCols != nil {
			s.Raw = false
		}
	}
	if x.schema.HasPrimaryKey() && s.Raw {
		s.Raw = x.distinctKeys(s.Files)
	}
	if s.Raw && x.schema.HasPrimaryKey() {
		s.Files = slices.DeleteFunc(s.Files, func(e manifest.Entry) bool { return !pruner.FileValues(&e) })
		s.Rows = 0
		for i := range s.Files {
			s.Rows += s.Files[i].File.RowCount
		}
	}
}

// distinctKeys reports whether no key is in two of the files and no row is a deletion.
func (x *Scanner) distinctKeys(files []manifest.Entry) bool {
	type keyRange struct{ lo, hi []any }
	ranges := make([]keyRange, len(files))
	types := schema.TypesOf(x.schema.KeyFields())
	for i := range files {
		f := &files[i].File
		if f.DeleteRowCount == nil || *f.DeleteRowCount != 0 {
			return false
		}
		lo, err := schema.DecodeRow(types, f.MinKey)
		if err != nil {
			return false
		}
		hi, err := schema.DecodeRow(types, f.MaxKey)
		if err != nil {
			return false
		}
		ranges[i] = keyRange{lo, hi}
	}
	slices.SortFunc(ranges, func(a, b keyRange) int { return schema.CompareRows(a.lo, b.lo) })
	for i := 1; i < len(ranges); i++ {
		if schema.CompareRows(ranges[i-1].hi, ranges[i].lo) >= 0 {
			return false
		}
	}
	return true
}

// Rows is the number of rows in the files of the plan, before merging.
func (p *Plan) Rows() int64 {
	var n int64
	for i := range p.Splits {
		n += p.Splits[i].Rows
	}
	return n
}

// Raw reports whether every split is raw.
func (p *Plan) Raw() bool {
	return !slices.ContainsFunc(p.Splits, func(s Split) bool { return !s.Raw })
}

// Keys are the object keys of all files, relative to the table, with their sizes in bytes.
func (p *Plan) Keys() (keys []string, sizes []int64, err error) {
	for i := range p.Splits {
		for j := range p.Splits[i].Files {
			e := &p.Splits[i].Files[j]
			k, err := manifest.FileKey(p.x.schema, e)
			if err != nil {
				return nil, nil, err
			}
			keys, sizes = append(keys, k), append(sizes, e.File.Size)
		}
	}
	return keys, sizes, nil
}
