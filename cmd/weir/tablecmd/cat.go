package tablecmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table"
	"github.com/weir-lake/weir/table/rowjson"
	"github.com/weir-lake/weir/table/scan"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/table/snapshot"
)

// Cat is `weir table cat`.
type Cat struct {
	Path
	Version
	Branch    string            `help:"Read a branch." placeholder:"B"`
	Columns   []string          `help:"Columns to print, in this order; * is all." placeholder:"a,b"`
	Where     string            `help:"Print only rows for which the SQL condition is true." placeholder:"SQL"`
	Option    map[string]string `help:"Read as if the table had this option; may be repeated." placeholder:"K=V" mapsep:"none"`
	Changelog bool              `help:"Print the changes that snapshots stored, in order, with _snapshot and _kind."`
	From      int64             `help:"First snapshot of the changelog; default: the oldest there is." placeholder:"N"`
	Follow    bool              `help:"With --changelog: wait for new snapshots until interrupted."`

	Incremental string `help:"Print what came after snapshot A up to snapshot B, with _kind." placeholder:"A,B"`
	ScanMode    string `help:"How: delta (rows as written), changelog, diff (new and changed rows) or auto." enum:"auto,delta,changelog,diff" default:"auto"`
}

// kindNames are the row kinds by their number.
var kindNames = [...]string{"+I", "-U", "+U", "-D"}

// Run prints rows.
func (c *Cat) Run(env *Env) error {
	ref, err := c.ref()
	if err != nil {
		return err
	}
	if (c.From != 0 || c.Follow) && !c.Changelog {
		return errkind.Errorf(errkind.Invalid, "--from, --follow: they go with --changelog")
	}
	if c.Changelog && ref != (snapshot.Ref{}) {
		return errkind.Errorf(errkind.Invalid, "--changelog: it begins at --from N; leave out --snapshot, --tag and --timestamp")
	}
	if c.Incremental != "" && (c.Changelog || ref != (snapshot.Ref{})) {
		return errkind.Errorf(errkind.Invalid, "--incremental: it names both ends; leave out --changelog, --snapshot, --tag and --timestamp")
	}
	t, err := c.read(env, table.Options{Branch: c.Branch, Overrides: c.Option})
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(env.Stdout, 1<<16)
	switch {
	case c.Changelog:
		err = c.changes(env, t, out)
	case c.Incremental != "":
		err = c.between(env, t, out)
	default:
		err = c.rows(env, t, ref, out)
	}
	return errors.Join(err, out.Flush())
}

func (c *Cat) rows(env *Env, t *table.Table, ref snapshot.Ref, out *bufio.Writer) error {
	s, err := t.Snapshot(env.Ctx, ref)
	if err != nil {
		return err
	}
	sc, err := t.SchemaAt(env.Ctx, ref, s)
	if err != nil {
		return err
	}
	v, err := newView(env.Ctx, sc, c.Columns, c.Where)
	if err != nil {
		return err
	}
	plan, err := t.Scan(env.Ctx, ref, scan.Request{Columns: v.read, Filter: v.prune})
	if err != nil {
		return err
	}
	r, err := plan.Read(env.Ctx)
	if err != nil {
		return err
	}
	defer r.Release()
	first := true
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = v.print(out, rec, nil)
		rec.Release()
		if err != nil {
			return err
		}
		if first { // the reader of a pipe sees the first rows at once
			first = false
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

// followWait is between two looks for new snapshots: the shortest time between
// two commits of most tables.
const followWait = time.Second

func (c *Cat) changes(env *Env, t *table.Table, out *bufio.Writer) error {
	v, err := newView(env.Ctx, t.Schema(), c.Columns, c.Where)
	if err != nil {
		return err
	}
	for next := snapshot.ID(c.From); ; {
		latest, err := t.Snapshots().LatestID(env.Ctx)
		if err != nil && !errors.Is(err, snapshot.ErrNone) {
			return err
		}
		if latest >= next || next == 0 {
			err := t.StoredChanges(env.Ctx, next, v.read, func(ch table.Change) error {
				next = ch.Snapshot.ID + 1
				return c.change(v, out, ch)
			})
			if err != nil {
				return err
			}
			next = max(next, latest+1)
		}
		if !c.Follow {
			return nil
		}
		if err := out.Flush(); err != nil {
			return err
		}
		select {
		case <-time.After(followWait):
		case <-env.Ctx.Done():
			return nil // the way to end it
		}
	}
}

func (c *Cat) change(v *view, out *bufio.Writer, ch table.Change) error {
	id := strconv.FormatInt(int64(ch.Snapshot.ID), 10)
	return v.print(out, ch.Rows, func(dst []byte, row int) []byte {
		dst = append(append(dst, `"_snapshot":`...), id...)
		return append(append(append(dst, `,"_kind":"`...), kindNames[ch.Kinds[row]]...), '"')
	})
}

func (c *Cat) between(env *Env, t *table.Table, out *bufio.Writer) error {
	a, b, ok := strings.Cut(c.Incremental, ",")
	from, err := strconv.ParseInt(strings.TrimSpace(a), 10, 64)
	to, err2 := strconv.ParseInt(strings.TrimSpace(b), 10, 64)
	if !ok || err != nil || err2 != nil {
		return errkind.Errorf(errkind.Invalid, "--incremental: %q: write two snapshots, such as 3,7", c.Incremental)
	}
	v, err := newView(env.Ctx, t.Schema(), c.Columns, c.Where)
	if err != nil {
		return err
	}
	return t.Between(env.Ctx, scan.Mode(c.ScanMode), snapshot.ID(from), snapshot.ID(to), v.read, func(rows arrow.RecordBatch, kinds []int8) error {
		return v.print(out, rows, func(dst []byte, row int) []byte {
			return append(append(append(dst, `"_kind":"`...), kindNames[kinds[row]]...), '"')
		})
	})
}

// pick finds the columns to print, in the order asked for.
func pick(s *schema.Schema, columns []string) ([]schema.Field, error) {
	if len(columns) == 0 {
		return s.Fields, nil
	}
	var out []schema.Field
	for _, name := range columns {
		if name = strings.TrimSpace(name); name == "*" {
			out = append(out, s.Fields...)
			continue
		}
		if name == "_ROW_ID" || name == "_SEQUENCE_NUMBER" {
			return nil, errkind.Errorf(errkind.Invalid, "--columns: system column %s is not read by this version", name)
		}
		f, err := s.Select([]string{name})
		if err != nil {
			return nil, fmt.Errorf("--columns: %w", err)
		}
		out = append(out, f...)
	}
	return out, nil
}

// print writes the rows of rec, whose columns are v.read, that pass the filter;
// before, if set, adds members in front.
func (v *view) print(out *bufio.Writer, rec arrow.RecordBatch, before func(dst []byte, row int) []byte) error {
	rows, err := v.matching(rec)
	if err != nil {
		return err
	}
	shown := make([]arrow.Array, len(v.shown))
	for i, f := range v.shown {
		shown[i] = rec.Column(slices.Index(v.read, f.Name))
	}
	sc, err := schema.ArrowSchema(v.shown)
	if err != nil {
		return err
	}
	view := array.NewRecordBatch(sc, shown, rec.NumRows())
	defer view.Release()
	var line []byte
	for i := range int(rec.NumRows()) {
		if rows != nil && !rows[i] {
			continue
		}
		line = append(line[:0], '{')
		if before != nil {
			line = before(line, i)
			if len(v.shown) > 0 {
				line = append(line, ',')
			}
		}
		line = v.enc.AppendMembers(line, view, i)
		line = append(line, '}', '\n')
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// newEncoder makes the encoder of the columns to print.
func newEncoder(fields []schema.Field) (*rowjson.Encoder, error) {
	return rowjson.NewEncoder(fields, rowjson.EncodeOptions{})
}
