package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/uuid"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/expire"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/rowjson"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
	"github.com/weir-lake/weir/table/write"
)

const (
	// rowsMax bounds what one List returns: a page of a screen or a start-up's look, not an export; SQL reads the rest.
	rowsMax = 100_000
	// upkeepEvery is how many commits pass between two compactions: every row read merges at most as many files.
	upkeepEvery = 16
)

// Definition of a ledger's table.
type Definition struct {
	Name    string         // of the table in database sys
	Columns []schema.Field // named as in the JSON of the rows; those that are not in Key must be nullable
	Key     []string       // primary key
	Comment string
}

// Options of New; the zero value works.
type Options struct {
	Now func() time.Time // nil: time.Now
	// Fence is asked before each commit; an error stops it. Nil: no fence.
	Fence func(ctx context.Context) error
}

// Ledger is a table of rows of type T, a struct whose JSON has the table's columns as members; times are of type
// Time. It is safe for concurrent use; writes follow each other.
type Ledger[T any] struct {
	store objstore.Store // the warehouse's root
	def   Definition
	opts  Options
	user  string

	writing sync.Mutex
	serial  int64 // of the newest commit; guarded by writing
	mu      struct {
		sync.Mutex
		table *table.Table // nil: not opened, or not there yet
	}
}

// New makes a ledger over a store rooted at the warehouse. It does no I/O.
func New[T any](store objstore.Store, d Definition, o Options) *Ledger[T] {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Ledger[T]{store: store, def: d, opts: o, user: uuid.NewString()}
}

// open gives the table, or nil when it is not there and create is not set.
func (l *Ledger[T]) open(ctx context.Context, create bool) (*table.Table, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.table != nil {
		return l.mu.table, nil
	}
	id := catalog.Identifier{Database: catalog.SystemDatabase, Table: l.def.Name}
	t, err := table.Open(ctx, l.store, id.Path(), table.Options{Now: l.opts.Now})
	if errors.Is(err, schema.ErrNoTable) {
		if !create {
			return nil, nil
		}
		t, err = l.create(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	if create {
		if err := l.widen(ctx, t); err != nil {
			return nil, err
		}
		l.mu.table = t
	}
	return t, nil
}

func (l *Ledger[T]) create(ctx context.Context, id catalog.Identifier) (*table.Table, error) {
	cat, err := catalog.Open(ctx, l.store, catalog.Options{System: true, Now: l.opts.Now})
	if err != nil {
		return nil, err
	}
	if err := cat.CreateDatabase(ctx, id.Database, nil); err != nil && !errors.Is(err, catalog.ErrDatabaseExists) {
		return nil, err
	}
	_, err = cat.CreateTable(ctx, id, schema.Definition{Fields: l.def.Columns, PrimaryKeys: l.def.Key, Comment: l.def.Comment})
	if err != nil && !errors.Is(err, schema.ErrTableExists) {
		return nil, err
	}
	return table.Open(ctx, l.store, id.Path(), table.Options{Now: l.opts.Now})
}

// widen adds the columns that a table made by an older program lacks.
func (l *Ledger[T]) widen(ctx context.Context, t *table.Table) error {
	var add []schema.Change
	for _, f := range l.def.Columns {
		if t.Schema().FieldIndex(f.Name) < 0 {
			add = append(add, schema.AddColumn{Field: f})
		}
	}
	if len(add) == 0 {
		return nil
	}
	return t.Alter(ctx, add...)
}

// Create makes the table if it is not there, so that SQL can read it before its first row.
func (l *Ledger[T]) Create(ctx context.Context) error {
	_, err := l.open(ctx, true)
	return err
}

// Put stores the rows, each in the place of the one with its key, in one commit.
func (l *Ledger[T]) Put(ctx context.Context, rows ...T) error {
	if len(rows) == 0 {
		return nil
	}
	t, err := l.open(ctx, true)
	if err != nil {
		return err
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.put(ctx, t, rows); err != nil {
		return fmt.Errorf("ledger sys.%s: %w", l.def.Name, err)
	}
	if l.serial%upkeepEvery != 0 {
		return nil
	}
	if _, err := t.Compact(ctx, table.CompactOptions{}); err != nil {
		return fmt.Errorf("ledger sys.%s: the rows are stored; %w", l.def.Name, err)
	}
	if _, err := t.Expire(ctx, expire.Options{}); err != nil {
		return fmt.Errorf("ledger sys.%s: the rows are stored; %w", l.def.Name, err)
	}
	return nil
}

func (l *Ledger[T]) put(ctx context.Context, t *table.Table, rows []T) error {
	dec, err := rowjson.NewDecoder(t.Schema().Fields, rowjson.DecodeOptions{RefuseUnknown: true})
	if err != nil {
		return err
	}
	for _, r := range rows {
		text, err := json.Marshal(r)
		if err != nil {
			return errkind.Errorf(errkind.Invalid, "row: %w", err)
		}
		if err := dec.Append(text); err != nil {
			return err
		}
	}
	rec, _, err := dec.Flush()
	if err != nil {
		return err
	}
	defer rec.Release()
	w, err := t.NewWriter(write.Options{})
	if err != nil {
		return err
	}
	if err := w.Write(ctx, rec, nil); err != nil {
		return errors.Join(err, w.Abort(context.WithoutCancel(ctx)))
	}
	messages, err := w.Prepare(ctx)
	if err != nil {
		return errors.Join(err, w.Abort(context.WithoutCancel(ctx)))
	}
	req := commit.Request{User: l.user, Identifier: l.serial + 1, Kind: snapshot.Append, Messages: messages, NewUser: l.serial == 0}
	if l.opts.Fence != nil {
		req.Fence = func(ctx context.Context, _ []*snapshot.Snapshot) error { return l.opts.Fence(ctx) }
	}
	_, err = t.Commit(ctx, req)
	if err != nil && !errors.Is(err, commit.ErrUnknown) {
		return errors.Join(err, w.Discard(context.WithoutCancel(ctx), messages))
	}
	l.serial++ // also when the outcome is not known: the number may be taken
	return err
}

// List gives the rows that the filter lets through, in the order of the key; nil: all. A ledger without rows, or
// without table, gives none. More than 100,000 rows are Exhausted: narrow the filter, or read the table with SQL.
func (l *Ledger[T]) List(ctx context.Context, filter predicate.And) ([]T, error) {
	t, err := l.open(ctx, false)
	if err != nil || t == nil {
		return nil, err
	}
	out, err := l.list(ctx, t, filter)
	if err != nil {
		return nil, fmt.Errorf("ledger sys.%s: %w", l.def.Name, err)
	}
	return out, nil
}

func (l *Ledger[T]) list(ctx context.Context, t *table.Table, filter predicate.And) ([]T, error) {
	p, err := t.Scan(ctx, snapshot.Ref{}, scan.Request{Filter: filter})
	if err != nil {
		return nil, err
	}
	enc, err := rowjson.NewEncoder(t.Schema().Fields, rowjson.EncodeOptions{})
	if err != nil {
		return nil, err
	}
	var out []T
	err = p.Each(ctx, func(rec arrow.RecordBatch) error {
		for i := range int(rec.NumRows()) {
			ok, err := matches(t.Schema().Fields, filter, rec, i)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			if len(out) == rowsMax {
				return errkind.Errorf(errkind.Exhausted, "more than %d rows: ask for fewer, or read the table with SQL", rowsMax)
			}
			var row T
			if err := json.Unmarshal(enc.AppendRow(nil, rec, i), &row); err != nil {
				return errkind.Errorf(errkind.Corrupt, "row %d: %w", i, err)
			}
			out = append(out, row)
		}
		return nil
	})
	return out, err
}

// Get is the row with the key, in the order of Definition.Key; ok is false when there is none.
func (l *Ledger[T]) Get(ctx context.Context, key ...any) (row T, ok bool, err error) {
	if len(key) != len(l.def.Key) {
		return row, false, errkind.Errorf(errkind.Bug, "ledger sys.%s: %d key values, the key is %v", l.def.Name, len(key), l.def.Key)
	}
	var filter predicate.And
	for i, k := range l.def.Key {
		filter = append(filter, predicate.Compare{Column: k, Op: predicate.Eq, Values: []any{key[i]}})
	}
	rows, err := l.List(ctx, filter)
	if err != nil || len(rows) == 0 {
		return row, false, err
	}
	return rows[0], true, nil
}

// Columns are the ledger's, for those who describe it without rows.
func (l *Ledger[T]) Columns() []schema.Field { return slices.Clone(l.def.Columns) }
