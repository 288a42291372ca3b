package job

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table/predicate"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// Limits of a listing of dead letters.
const (
	deadListDefault = 100
	deadListMax     = 10_000
)

// DeadLetter is a row that could not be decoded, kept beside the table of the job that met it.
type DeadLetter struct {
	ID       string `json:"id"`    // says the row by its content: the same wherever it is stored
	Table    string `json:"table"` // db.table that the row was meant for
	Job      string `json:"job"`   // name
	Epoch    int64  `json:"epoch"`
	Split    string `json:"split"`
	Position string `json:"position"`
	Reason   string `json:"reason"`
	Raw      []byte `json:"raw"` // at most connector.MaxRawBytes
}

func (d DeadLetter) message() connector.DeadLetter {
	return connector.DeadLetter{Split: d.Split, Position: d.Position, Reason: d.Reason, Raw: d.Raw}
}

// DeadLetterFilter says which dead letters are meant; empty fields mean any.
type DeadLetterFilter struct {
	Job   string // id or name
	Table string // db.table
	Limit int    // 0: 100; at most 10,000
}

// DeadLetters lists dead letters, and whether there are more.
func (m *Manager) DeadLetters(ctx context.Context, f DeadLetterFilter) (list []DeadLetter, more bool, err error) {
	limit := f.Limit
	if limit <= 0 {
		limit = deadListDefault
	}
	limit = min(limit, deadListMax)
	tables, job, err := m.deadTables(f)
	if err != nil {
		return nil, false, err
	}
	for _, t := range tables {
		_, err := m.eachDead(ctx, t, func(d DeadLetter) error {
			if job != "" && d.Job != job {
				return nil
			}
			if len(list) == limit {
				more = true
				return errEnough
			}
			list = append(list, d)
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return nil, false, err
		}
	}
	return list, more, nil
}

// deadTables are the tables (db.table) whose dead letters are meant, and the job's name if one was asked for.
func (m *Manager) deadTables(f DeadLetterFilter) (tables []string, job string, err error) {
	if f.Job != "" {
		s, err := m.Show(f.Job)
		if err != nil {
			return nil, "", err
		}
		if f.Table != "" && f.Table != s.Sink {
			return nil, "", errkind.Errorf(errkind.Invalid, "job %s writes %s, not %s", s.Name, s.Sink, f.Table)
		}
		return []string{s.Sink}, s.Name, nil
	}
	if f.Table != "" {
		if db, name, ok := strings.Cut(f.Table, "."); !ok || db == "" || name == "" || strings.ContainsAny(f.Table, "/\\") {
			return nil, "", errkind.Errorf(errkind.Invalid, "table %q: want database.table", f.Table)
		}
		return []string{f.Table}, "", nil
	}
	seen := map[string]bool{}
	for _, s := range m.List() {
		if !seen[s.Sink] && s.Sink != "" {
			seen[s.Sink] = true
			tables = append(tables, s.Sink)
		}
	}
	return tables, "", nil
}

// deadPath is the folder of a table's dead letters.
func deadPath(table string) string {
	db, name, _ := strings.Cut(table, ".")
	return db + ".db/" + name + DeadLetterSuffix
}

// deadTable is a dead-letter table as it is now.
type deadTable struct {
	store  objstore.Store
	schema *schema.Schema
	at     *snapshot.Snapshot
	rows   *tableRows
	filter predicate.And // of each
}

// openDead opens a table's dead letters; nil when it has none.
func (m *Manager) openDead(ctx context.Context, table string) (*deadTable, error) {
	t := &deadTable{store: objstore.Sub(m.opts.Store, deadPath(table))}
	var err error
	if t.schema, err = schema.NewFiles(t.store, "").Latest(ctx); err == nil {
		t.at, err = snapshot.NewManager(t.store, "").Latest(ctx)
	}
	if errors.Is(err, schema.ErrNoTable) || errors.Is(err, snapshot.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("dead letters of %s: %w", table, err)
	}
	t.rows, err = newTableRows(t.schema)
	return t, err
}

// eachDead calls fn with every dead letter of the table as it is now.
func (m *Manager) eachDead(ctx context.Context, table string, fn func(DeadLetter) error) (*deadTable, error) {
	t, err := m.openDead(ctx, table)
	if err != nil || t == nil {
		return nil, err
	}
	return t, t.each(ctx, table, func(d DeadLetter, _ arrow.RecordBatch, _ int) error { return fn(d) })
}

func (t *deadTable) each(ctx context.Context, table string, fn func(d DeadLetter, in arrow.RecordBatch, row int) error) error {
	x, err := scan.New(t.store, t.schema, nil)
	if err != nil {
		return err
	}
	p, err := x.Plan(ctx, t.at, scan.Request{Filter: t.filter})
	if err != nil {
		return err
	}
	return p.Each(ctx, func(rec arrow.RecordBatch) error {
		return lettersOf(rec, table, func(d DeadLetter, i int) error { return fn(d, rec, i) })
	})
}

// lettersOf reads the rows of a batch of a dead-letter table.
func lettersOf(rec arrow.RecordBatch, table string, fn func(d DeadLetter, row int) error) error {
	bad := errkind.Errorf(errkind.Corrupt, "%s%s has other columns than a table of dead letters", table, DeadLetterSuffix)
	if int(rec.NumCols()) < len(deadFields) {
		return bad
	}
	var text [4]*array.String
	for i, c := range []int{0, 2, 3, 4} {
		a, ok := rec.Column(c).(*array.String)
		if !ok {
			return bad
		}
		text[i] = a
	}
	epochs, ok1 := rec.Column(1).(*array.Int64)
	raw, ok2 := rec.Column(5).(*array.Binary)
	if !ok1 || !ok2 {
		return bad
	}
	for i := range int(rec.NumRows()) {
		d := DeadLetter{Table: table, Job: strings.Clone(text[0].Value(i)), Epoch: epochs.Value(i), Split: strings.Clone(text[1].Value(i)),
			Position: strings.Clone(text[2].Value(i)), Reason: strings.Clone(text[3].Value(i)), Raw: append([]byte(nil), raw.Value(i)...)}
		d.ID = d.identity()
		if err := fn(d, i); err != nil {
			return err
		}
	}
	return nil
}

// identity names the letter by where it came from and what it holds.
func (d DeadLetter) identity() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %d %q %q ", d.Table, d.Job, d.Epoch, d.Split, d.Position)
	h.Write(d.Raw)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
