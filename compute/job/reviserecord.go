package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/lsm"
	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/table"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/commit"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// Objects of revisions in the warehouse: <id>.json once it is decided, <id>.done once its outcome is certain, and the
// folder <id> with the rows as Paimon tables.
const (
	revisionRoot    = ".weir/revisions"
	revisionVersion = 1
	opColumn        = "weir_op" // "-" for a row taken away, "+" for one put
)

// RevisionRange is where the rows that a revision takes away lie: From <= Column < To, in the column's stored unit
// (microseconds or milliseconds of a timestamp by its precision, days of a date).
type RevisionRange struct {
	Column string `json:"column"`
	From   int64  `json:"from"`
	To     int64  `json:"to"`
}

// RevisionRecord is a decided revision, as its object in the warehouse says. It is written before the commit and never
// rewritten.
type RevisionRecord struct {
	Version    int               `json:"version"`
	ID         string            `json:"id"`
	Table      string            `json:"table"` // path
	Base       snapshot.Identity `json:"base"`  // the version the difference was made from; ID 0: the empty table
	CommitUser string            `json:"commit_user"`
	Epoch      int64             `json:"epoch"`
	ClockMs    int64             `json:"clock_ms"`
	Range      RevisionRange     `json:"range"`
	KeepNewer  bool              `json:"keep_newer,omitempty"` // rows that changed since the base stay
	Inputs     []commit.Input    `json:"inputs,omitempty"`
	User       string            `json:"user,omitempty"`
	Removed    int64             `json:"removed"` // rows of the difference
	Added      int64             `json:"added"`
	// Void is set of what is put in the place of a decision that is never to come.
	Void bool `json:"void,omitempty"`
	// Done is what became of it; nil while that is not certain.
	Done *RevisionDone `json:"-"`
}

// RevisionDone is the outcome of a decided revision.
type RevisionDone struct {
	Snapshot int64  `json:"snapshot,omitempty"` // 0: nothing was left to change, or Error
	Hash     string `json:"hash,omitempty"`
	Rows     string `json:"rows,omitempty"` // folder of the rows that were changed in fact
	Removed  int64  `json:"removed"`
	Added    int64  `json:"added"`
	Changed  int64  `json:"changed"` // keys that had a row before and after; counted in neither of the others
	Skipped  int64  `json:"skipped"` // rows of the difference that others had changed meanwhile
	Error    string `json:"error,omitempty"`
}

func revisionKey(id string) string  { return revisionRoot + "/" + id + ".json" }
func revisionDone(id string) string { return revisionRoot + "/" + id + ".done" }
func revisionRows(id string) string { return revisionRoot + "/" + id + "/rows" }

// RevisionRecord reads a decided revision; errkind.NotFound if there is none of that id.
func (m *Manager) RevisionRecord(ctx context.Context, id string) (*RevisionRecord, error) {
	if id == "" || strings.ContainsAny(id, "/\\.") {
		return nil, errkind.Errorf(errkind.Invalid, "%q is not the id of a revision", id)
	}
	data, err := objstore.ReadAll(ctx, m.opts.Store, revisionKey(id))
	if err != nil {
		return nil, fmt.Errorf("read revision %s: %w", id, err)
	}
	rec, err := decodeRevision(data)
	if err != nil {
		return nil, fmt.Errorf("revision %s: %w", m.opts.Store.URI(revisionKey(id)), err)
	}
	data, err = objstore.ReadAll(ctx, m.opts.Store, revisionDone(id))
	if errors.Is(err, objstore.ErrNotFound) {
		return rec, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read revision %s: %w", id, err)
	}
	rec.Done = &RevisionDone{}
	if err := json.Unmarshal(data, rec.Done); err != nil {
		return nil, errkind.Errorf(errkind.Corrupt, "revision %s: %w", m.opts.Store.URI(revisionDone(id)), err)
	}
	return rec, nil
}

// decodeRevision reads a record's bytes.
func decodeRevision(data []byte) (*RevisionRecord, error) {
	var rec RevisionRecord
	if err := json.Unmarshal(data, &rec); err != nil {
		return nil, errkind.Wrap(errkind.Corrupt, err)
	}
	if rec.Version != revisionVersion {
		return nil, errkind.Errorf(errkind.Invalid, "it has version %d, this program reads %d: update weir", rec.Version, revisionVersion)
	}
	if rec.Void {
		return nil, errkind.New(errkind.NotFound, "it was never decided")
	}
	if rec.ID == "" || rec.Table == "" || rec.CommitUser == "" || rec.Epoch <= 0 || strings.Contains(rec.Table, "..") {
		return nil, errkind.New(errkind.Corrupt, "it lacks its id, table, commit user or epoch")
	}
	return &rec, nil
}

// Revisions lists the decided revisions of the table at path, or of all tables when it is empty, in the order of
// their epochs.
func (m *Manager) Revisions(ctx context.Context, path string) ([]*RevisionRecord, error) {
	return m.listRevisions(ctx, path, false)
}

// listRevisions lists decided revisions; with open set, only those whose outcome is not recorded.
func (m *Manager) listRevisions(ctx context.Context, path string, open bool) ([]*RevisionRecord, error) {
	decided, done := map[string]bool{}, map[string]bool{}
	err := m.opts.Store.List(ctx, revisionRoot+"/", func(i objstore.Info) error {
		name := strings.TrimPrefix(i.Key, revisionRoot+"/")
		if id, ok := strings.CutSuffix(name, ".json"); ok && !strings.Contains(id, "/") {
			decided[id] = true
		}
		if id, ok := strings.CutSuffix(name, ".done"); ok {
			done[id] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list revisions: %w", err)
	}
	var out []*RevisionRecord
	for id := range decided {
		if open && done[id] {
			continue
		}
		rec, err := m.RevisionRecord(ctx, id)
		if errkind.Is(err, errkind.NotFound) {
			continue // never decided
		}
		if err != nil {
			return nil, err
		}
		if path == "" || rec.Table == path {
			out = append(out, rec)
		}
	}
	slices.SortFunc(out, func(a, b *RevisionRecord) int { return int(a.Epoch - b.Epoch) })
	return out, nil
}

// RevisionRows streams the rows that the revision took away and put: those it changed in fact once that is certain,
// before that those it was decided to. Batches have the columns the table had then, and are valid during the call.
func (m *Manager) RevisionRows(ctx context.Context, rec *RevisionRecord, fn func(added bool, rows arrow.RecordBatch) error) error {
	folder := revisionRows(rec.ID)
	if rec.Done != nil && rec.Done.Rows != "" {
		folder = rec.Done.Rows
	}
	return readDifference(ctx, m.opts.Store, folder, fn)
}

func readDifference(ctx context.Context, store objstore.Store, folder string, fn func(added bool, rows arrow.RecordBatch) error) error {
	t, err := table.Open(ctx, store, folder, table.Options{})
	if err != nil {
		return fmt.Errorf("rows of the revision: %w", err)
	}
	p, err := t.Scan(ctx, snapshot.Ref{}, scan.Request{})
	if err != nil {
		return err
	}
	return p.Each(ctx, func(rec arrow.RecordBatch) error { return byOperation(rec, fn) })
}

// byOperation hands on the rows of a batch, split by the operation, without that column.
func byOperation(rec arrow.RecordBatch, fn func(added bool, rows arrow.RecordBatch) error) error {
	ops, ok := rec.Column(0).(*array.String)
	if !ok {
		return errkind.Errorf(errkind.Corrupt, "column %s of a revision's rows is %s", opColumn, rec.Column(0).DataType())
	}
	plain := array.NewRecordBatch(arrow.NewSchema(rec.Schema().Fields()[1:], nil), rec.Columns()[1:], rec.NumRows())
	defer plain.Release()
	for _, op := range []string{"-", "+"} {
		var sel []lsm.Ref
		for i := range ops.Len() {
			if ops.Value(i) == op {
				sel = append(sel, lsm.Ref{Row: int32(i)})
			}
		}
		if len(sel) == 0 {
			continue
		}
		part, err := lsm.GatherBatch(plain.Schema(), []arrow.RecordBatch{plain}, sel)
		if err != nil {
			return err
		}
		err = fn(op == "+", part)
		part.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// writeDifference stores rows of a table of schema s as a Paimon append table at folder, durably.
func writeDifference(ctx context.Context, store objstore.Store, folder string, s *schema.Schema, removed, added []arrow.RecordBatch) error {
	fields := []schema.Field{{Name: opColumn, Type: schema.TString}}
	for _, f := range s.Fields {
		fields = append(fields, schema.Field{Name: f.Name, Type: f.Type})
	}
	t, err := table.Create(ctx, store, folder, schema.Definition{Fields: fields}, table.Options{})
	if err != nil {
		return err
	}
	var batches []arrow.RecordBatch
	defer func() {
		for _, b := range batches {
			b.Release()
		}
	}()
	sc, err := schema.ArrowSchema(t.Schema().Fields)
	if err != nil {
		return err
	}
	for op, list := range map[string][]arrow.RecordBatch{"-": removed, "+": added} {
		for _, rec := range list {
			b := array.NewStringBuilder(memory.DefaultAllocator)
			for range rec.NumRows() {
				b.Append(op)
			}
			ops := b.NewArray()
			b.Release()
			batches = append(batches, array.NewRecordBatch(sc, append([]arrow.Array{ops}, rec.Columns()...), rec.NumRows()))
			ops.Release()
		}
	}
	_, err = t.Write(ctx, batches, nil)
	return err
}

// ForgetRevision makes sure that a revision of the table ("db.table") that was not decided never is, and removes what it
// left: its rows and the tag of its base. It does nothing to one that was decided.
func (m *Manager) ForgetRevision(ctx context.Context, id, table string) error {
	name, err := catalog.ParseIdentifier(table, catalog.DefaultDatabase)
	if err != nil {
		return err
	}
	return m.forget(ctx, id, name.Path())
}

func (m *Manager) forget(ctx context.Context, id, path string) error {
	void, err := json.Marshal(RevisionRecord{Version: revisionVersion, ID: id, Void: true})
	if err != nil {
		return err
	}
	// An owner that was replaced between its last look at the term and its put finds this there.
	err = m.opts.Store.PutIfAbsent(ctx, revisionKey(id), void)
	if err != nil && !errors.Is(err, objstore.ErrExists) {
		return fmt.Errorf("keep revision %s from being decided: %w", id, err)
	}
	if _, err := m.RevisionRecord(ctx, id); !errkind.Is(err, errkind.NotFound) {
		return err
	}
	if err := m.putDone(ctx, &RevisionRecord{ID: id}, RevisionDone{}); err != nil {
		return err
	}
	var keys []string
	err = m.opts.Store.List(ctx, revisionRoot+"/"+id+"/", func(i objstore.Info) error {
		keys = append(keys, i.Key)
		return nil
	})
	for _, k := range keys {
		err = errors.Join(err, m.opts.Store.Delete(ctx, k))
	}
	if terr := snapshot.NewManager(objstore.Sub(m.opts.Store, path), "").DeleteTag(ctx, RevisionBaseTag(id)); !errkind.Is(terr, errkind.NotFound) {
		err = errors.Join(err, terr)
	}
	if err != nil {
		return fmt.Errorf("remove what is left of revision %s: %w", id, err)
	}
	return nil
}

// putDone records the outcome.
func (m *Manager) putDone(ctx context.Context, rec *RevisionRecord, d RevisionDone) error {
	data, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if err := m.opts.Store.Put(ctx, revisionDone(rec.ID), data); err != nil {
		return fmt.Errorf("record the outcome of revision %s: %w", rec.ID, err)
	}
	return nil
}
