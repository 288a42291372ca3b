package olap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"golang.org/x/sync/errgroup"

	"github.com/weir-lake/weir/compute/duck"
	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// ErrLost: a file that the query needs is gone though its version was held: another engine expired it,
// or the table was dropped or rolled back.
var ErrLost = errkind.New(errkind.Unavailable, "query: a file of the version being read is gone")

// fetchFilesMax bounds how many files of a query are brought near at once.
const fetchFilesMax = 8

// resolver finds the rows of one query's scans. It implements duck.Resolver.
type resolver struct {
	s   *Service
	pin *pinned
	env expr.Env
	// ended, if not nil, is told of each table outside the warehouse that was read to its end.
	ended func(t *plan.Table, at map[string]string)
	mu    struct {
		sync.Mutex
		files []file   // that the query reads
		done  []func() // of files kept near
	}
}

// file is one that a query reads, for the message when it is gone.
type file struct {
	table    *plan.Table
	store    objstore.Store // rooted at the table
	key      string
	snapshot snapshot.ID
}

// Resolve implements duck.Resolver.
func (x *resolver) Resolve(ctx context.Context, sc *plan.Scan) (duck.Source, error) {
	f, err := fetchOf(sc)
	if err != nil {
		return duck.Source{}, err
	}
	if sc.Table.Path == "" {
		return x.outside(sc, f)
	}
	return x.table(ctx, sc, f)
}

func (x *resolver) table(ctx context.Context, sc *plan.Scan, f *fetch) (duck.Source, error) {
	scanner, sch, err := x.s.tables.open(ctx, sc.Table.Path)
	if err != nil {
		return duck.Source{}, err
	}
	snap, known := x.pin.versions[versionKey(sc.Table.Path, sc.AsOf)]
	if !known {
		return duck.Source{}, errkind.New(errkind.Bug, "olap: the scan was not pinned")
	}
	p, err := scanner.Plan(ctx, snap, scan.Request{Columns: f.names(), Filter: physical(sc.Filter, sch)})
	if err != nil {
		return duck.Source{}, x.gone(sc.Table, snap, err)
	}
	if len(p.Splits) == 0 {
		return duck.Source{Files: []string{}, Columns: f.names()}, nil
	}
	keys, sizes, err := p.Keys()
	if err != nil {
		return duck.Source{}, err
	}
	store := x.s.tables.store(sc.Table.Path)
	x.note(sc.Table, store, keys, snap.ID)
	if p.Raw() && f.plain() && readable(sch, sc.Columns(), keys) {
		files, err := x.near(ctx, store, keys, sizes)
		if err != nil {
			return duck.Source{}, x.gone(sc.Table, snap, err)
		}
		if files != nil {
			return duck.Source{Files: files, Columns: f.names()}, nil
		}
	}
	in, err := x.arrow(sc, f, p.Rows(), func(ctx context.Context, need []int) (source, error) {
		some := *p
		some.Fields = make([]schema.Field, len(need))
		for i, n := range need {
			some.Fields[i] = p.Fields[n]
		}
		rows, err := some.Read(ctx)
		if err != nil {
			return source{}, err
		}
		return source{next: func() (arrow.RecordBatch, error) {
			b, err := rows.Next()
			return b, x.gone(sc.Table, snap, err)
		}, close: rows.Release}, nil
	})
	return duck.Source{Arrow: in}, err
}

// gone says in people's words that a file is not there.
func (x *resolver) gone(t *plan.Table, s *snapshot.Snapshot, err error) error {
	if err == nil || s == nil || !errors.Is(err, objstore.ErrNotFound) {
		return err
	}
	return lostError(t, s.ID, err)
}

func lostError(t *plan.Table, id snapshot.ID, err error) error {
	return fmt.Errorf("%w: snapshot %d of %s.%s was expired by another engine, or the table was dropped or rolled back; run the query again: %w",
		ErrLost, id, t.Database, t.Name, err)
}

// note remembers the files a query reads.
func (x *resolver) note(t *plan.Table, store objstore.Store, keys []string, id snapshot.ID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, k := range keys {
		x.mu.files = append(x.mu.files, file{t, store, k, id})
	}
}

// lost looks, after an error, whether a file is gone: DuckDB's own words for that help nobody.
func (x *resolver) lost(ctx context.Context) error {
	x.mu.Lock()
	files := x.mu.files
	x.mu.Unlock()
	for _, f := range files {
		if _, err := f.store.Stat(ctx, f.key); errors.Is(err, objstore.ErrNotFound) {
			return lostError(f.table, f.snapshot, err)
		}
	}
	return nil
}

// explain is err, or that a file is gone if that is why.
func (x *resolver) explain(ctx context.Context, err error) error {
	if errors.Is(err, ErrLost) || errkind.Is(err, errkind.Canceled) || errkind.Is(err, errkind.Exhausted) {
		return err
	}
	if gone := x.lost(ctx); gone != nil {
		return gone
	}
	return err
}

// release lets go of the files kept near.
func (x *resolver) release() {
	x.mu.Lock()
	done := x.mu.done
	x.mu.done = nil
	x.mu.Unlock()
	for _, fn := range done {
		fn()
	}
}

// near gives the files as local paths, fetching them when the store is far and there is a cache; nil: they
// cannot be had as such.
func (x *resolver) near(ctx context.Context, store objstore.Store, keys []string, sizes []int64) ([]string, error) {
	out := make([]string, len(keys))
	if lp, ok := store.(objstore.LocalPather); ok {
		for i, k := range keys {
			out[i] = lp.LocalPath(k)
		}
		return out, nil
	}
	if x.s.opts.Cache == nil {
		return nil, nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchFilesMax)
	for i, k := range keys {
		g.Go(func() error {
			path, done, err := x.s.opts.Cache.Path(ctx, store, k, sizes[i])
			if err != nil {
				return err
			}
			x.mu.Lock()
			defer x.mu.Unlock()
			out[i] = path
			x.mu.done = append(x.mu.done, done)
			return nil
		})
	}
	err := g.Wait()
	if errkind.Is(err, errkind.Exhausted) {
		return nil, nil // the cache is too small for all of them at once: stream them instead
	}
	return out, err
}

// readable reports whether DuckDB reads the files with the meaning we give them.
func readable(sch *schema.Schema, cols []plan.Column, keys []string) bool {
	if !duck.ReadsFiles(cols) {
		return false
	}
	for _, k := range keys {
		if !strings.HasSuffix(k, ".parquet") {
			return false
		}
	}
	// DuckDB's column names do not tell case apart.
	seen := map[string]bool{}
	for _, f := range sch.Fields {
		n := strings.ToLower(f.Name)
		if seen[n] {
			return false
		}
		seen[n] = true
	}
	return true
}

// physical keeps the conditions on columns that the files have.
func physical(filter predicate.And, sch *schema.Schema) predicate.And {
	return slices.DeleteFunc(slices.Clone(filter), func(c predicate.Compare) bool { return sch.FieldIndex(c.Column) < 0 })
}

// outside reads a table behind a connector, or a computed one.
func (x *resolver) outside(sc *plan.Scan, f *fetch) (duck.Source, error) {
	if x.s.opts.Outside == nil {
		return duck.Source{}, errkind.Errorf(errkind.Unavailable, "connector '%s' cannot be read here", sc.Table.Connector())
	}
	at := map[int]int{} // table column -> its place in the batches
	for c, col := range sc.Table.Columns {
		if col.Computed == nil {
			at[c] = len(at)
		}
	}
	in, err := x.arrow(sc, f, -1, func(ctx context.Context, need []int) (source, error) {
		pick := make([]int, len(need))
		for i, n := range need {
			pick[i] = at[f.need[n]]
		}
		return pull(ctx, func(ctx context.Context, fn func(arrow.RecordBatch) error) error {
			at, err := x.s.opts.Outside.ReadOutside(ctx, sc, func(b arrow.RecordBatch) error { return fn(project(b, pick)) })
			if err == nil && x.ended != nil {
				x.ended(sc.Table, at)
			}
			return err
		}), nil
	})
	return duck.Source{Arrow: in}, err
}

// project keeps the columns at the given places.
func project(b arrow.RecordBatch, places []int) arrow.RecordBatch {
	fields, cols := make([]arrow.Field, len(places)), make([]arrow.Array, len(places))
	for i, p := range places {
		fields[i], cols[i] = b.Schema().Field(p), b.Column(p)
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, b.NumRows())
}
