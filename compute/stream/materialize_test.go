package stream

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
)

var sinkColumns = []plan.Column{bigint("k"), bigint("a"), text("s")}

// table is what a primary-key table holds after the writes it got.
type table struct {
	t       tester
	rows    map[int64]tuple
	partial bool
}

func (tb *table) write(changes []RowChanges) {
	for _, batch := range changes {
		for i, c := range fromDelta(Delta{Rows: batch.Rows}) {
			k := c.row[0].(int64)
			switch batch.Kinds[i] {
			case KindDelete:
				delete(tb.rows, k)
			case KindInsert, KindUpdateAfter:
				if old := tb.rows[k]; old != nil && tb.partial {
					c.row = foldTuple(old, c.row)
				}
				tb.rows[k] = c.row
			default:
				tb.t.Fatalf("the writer got kind %d", batch.Kinds[i])
			}
		}
	}
}

// follow applies a changelog strictly: every row must change what is there.
func (tb *table) follow(changes []RowChanges) {
	for _, batch := range changes {
		rows := fromDelta(Delta{Rows: batch.Rows})
		for i, c := range rows {
			k := c.row[0].(int64)
			old, has := tb.rows[k]
			switch batch.Kinds[i] {
			case KindInsert:
				if has {
					tb.t.Fatalf("+I %v over %v", c.row, old)
				}
				tb.rows[k] = c.row
			case KindUpdateBefore:
				if !has || compareTuples(old, c.row) != 0 || batch.Kinds[i+1] != KindUpdateAfter || rows[i+1].row[0] != c.row[0] {
					tb.t.Fatalf("-U %v where the table has %v", c.row, old)
				}
			case KindUpdateAfter:
				if i == 0 || batch.Kinds[i-1] != KindUpdateBefore {
					tb.t.Fatalf("+U %v without -U", c.row)
				}
				tb.rows[k] = c.row
			case KindDelete:
				if !has || compareTuples(old, c.row) != 0 {
					tb.t.Fatalf("-D %v where the table has %v", c.row, old)
				}
				delete(tb.rows, k)
			}
		}
	}
}

func foldTuple(old, row tuple) tuple {
	out := slices.Clone(old)
	for i, v := range row {
		if v != nil {
			out[i] = v
		}
	}
	return out
}

// winners is what a table with deduplicate holds of a result: per key the greatest row.
func winners(r relation, descendingSequence bool) map[int64]tuple {
	out := map[int64]tuple{}
	for _, row := range r.rows() {
		k := row[0].(int64)
		if old := out[k]; old == nil || !descendingSequence || row[1].(int64) <= old[1].(int64) {
			out[k] = row
		}
	}
	return out
}

// sinkRun drives a materializer with the changes of a random result.
type sinkRun struct {
	t          *rapid.T
	m          *Materializer
	opts       SinkOptions
	result     relation
	written    *table
	followed   *table
	insertOnly bool
}

func newSinkRun(t *rapid.T, opts SinkOptions) *sinkRun {
	opts.Columns, opts.Key = sinkColumns, []int{0}
	m, err := NewMaterializer(opts)
	if err != nil {
		t.Fatal(err)
	}
	partial := opts.MergeEngine == "partial-update"
	return &sinkRun{
		t: t, m: m, opts: opts, result: relation{}, insertOnly: opts.InsertOnly,
		written:  &table{t: t, rows: map[int64]tuple{}, partial: partial},
		followed: &table{t: t, rows: map[int64]tuple{}},
	}
}

// change draws one epoch's consolidated changes of the result.
func (s *sinkRun) change() []change {
	diff := relation{}
	move := func(row tuple, n int64) { s.result.add(row, n); diff.add(row, n) }
	for range rapid.IntRange(0, 5).Draw(s.t, "changes") {
		rows := s.result.rows()
		if len(rows) > 0 && !s.insertOnly && rapid.Bool().Draw(s.t, "take") {
			move(rows[rapid.IntRange(0, len(rows)-1).Draw(s.t, "which")], -1)
			continue
		}
		row := tuple{rapid.Int64Range(0, 3).Draw(s.t, "k"), nil, nil}
		if rapid.Bool().Draw(s.t, "has a") || s.opts.SequenceDescending {
			row[1] = rapid.Int64Range(0, 2).Draw(s.t, "a")
		}
		if rapid.Bool().Draw(s.t, "has s") {
			row[2] = rapid.SampledFrom([]string{"x", "y"}).Draw(s.t, "s")
		}
		if s.opts.Unique {
			for _, old := range rows {
				if old[0] == row[0] {
					move(old, -1)
				}
			}
		}
		move(row, 1)
	}
	var out []change
	for _, c := range diff {
		out = append(out, change{c.n, c.row})
	}
	slices.SortFunc(out, func(a, b change) int { return compareTuples(a.row, b.row) })
	return out
}

func (s *sinkRun) apply(epochs ...[]change) error {
	var in []Delta
	for _, changes := range epochs {
		if len(changes) > 0 {
			in = append(in, toDelta(s.t, sinkColumns, changes))
		}
	}
	out, err := s.m.Apply(in)
	if err != nil {
		return err
	}
	defer out.Release()
	s.written.write(out.Write)
	s.followed.follow(out.Changelog)
	return nil
}

func (s *sinkRun) check(want map[int64]tuple) {
	if w := fmt.Sprint(want); fmt.Sprint(s.written.rows) != w || fmt.Sprint(s.followed.rows) != w {
		s.t.Fatalf("table %v, by changelog %v, want %v", s.written.rows, s.followed.rows, w)
	}
}

func (s *sinkRun) restart() {
	var buf bytes.Buffer
	if err := s.m.Checkpoint(&buf); err != nil {
		s.t.Fatal(err)
	}
	m, err := NewMaterializer(s.opts)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := m.Restore(&buf); err != nil {
		s.t.Fatal(err)
	}
	s.m = m
}

func TestSinkHoldsTheGreatestRowPerKey(t *testing.T) {
	for name, opts := range map[string]SinkOptions{"unique": {Unique: true}, "kept": {}} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				s := newSinkRun(t, opts)
				for range rapid.IntRange(1, 6).Draw(t, "commits") {
					epochs := [][]change{s.change()}
					for range rapid.IntRange(0, 2).Draw(t, "more epochs") {
						epochs = append(epochs, s.change())
					}
					if err := s.apply(epochs...); err != nil {
						t.Fatal(err)
					}
					s.check(winners(s.result, false))
					s.restart()
				}
			})
		})
	}
}

func TestSinkFollowsTheSequenceField(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSinkRun(t, SinkOptions{Sequence: []int{1}, SequenceDescending: true, InsertOnly: true})
		for range rapid.IntRange(1, 6).Draw(t, "commits") {
			if err := s.apply(s.change()); err != nil {
				t.Fatal(err)
			}
			s.check(winners(s.result, true))
		}
	})
}

func TestSinkRefusesToGoBackInSequence(t *testing.T) {
	m, err := NewMaterializer(SinkOptions{Columns: sinkColumns, Key: []int{0}, Sequence: []int{1}})
	if err != nil {
		t.Fatal(err)
	}
	for i, changes := range [][]change{
		{{1, tuple{int64(1), int64(10), "x"}}, {1, tuple{int64(1), int64(20), "y"}}},
		{{-1, tuple{int64(1), int64(20), "y"}}},
	} {
		_, err := m.Apply([]Delta{toDelta(t, sinkColumns, changes)})
		if (i == 1) != errors.Is(err, ErrSequenceBack) {
			t.Fatalf("change %d: %v", i, err)
		}
	}
	if _, err := m.Apply(nil); !errors.Is(err, ErrBroken) {
		t.Errorf("after an error: %v, want ErrBroken", err)
	}
}

func TestPartialUpdateFoldsColumns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := SinkOptions{MergeEngine: "partial-update", InsertOnly: true}
		s := newSinkRun(t, opts)
		want := map[int64]tuple{}
		for range rapid.IntRange(1, 6).Draw(t, "commits") {
			changes := s.change()
			for _, c := range changes {
				k := c.row[0].(int64)
				if want[k] == nil {
					want[k] = slices.Clone(c.row)
				} else {
					want[k] = foldTuple(want[k], c.row)
				}
			}
			if err := s.apply(changes); err != nil {
				t.Fatal(err)
			}
			s.check(want)
			if rapid.Bool().Draw(t, "seed") {
				s.seed(want)
			} else {
				s.restart()
			}
		}
	})
}

// seed starts over with the state made from the table's rows.
func (s *sinkRun) seed(rows map[int64]tuple) {
	m, err := NewMaterializer(s.opts)
	if err != nil {
		s.t.Fatal(err)
	}
	var all []change
	for _, row := range rows {
		all = append(all, change{1, row})
	}
	if err := m.Seed(toDelta(s.t, sinkColumns, all).Rows); err != nil {
		s.t.Fatal(err)
	}
	s.m = m
}

func TestSinksRefuseWhatTheyCannotTake(t *testing.T) {
	key := []int{0}
	for name, opts := range map[string]SinkOptions{
		"append table, changing query":     {},
		"partial-update, changing query":   {Key: key, MergeEngine: "partial-update"},
		"partial-update with sequence":     {Key: key, MergeEngine: "partial-update", InsertOnly: true, Sequence: []int{1}},
		"a merge engine of another reader": {Key: key, MergeEngine: "aggregation"},
	} {
		opts.Columns = sinkColumns
		if _, err := NewMaterializer(opts); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%s: got %v, want an error of kind invalid", name, err)
		}
	}
	row := tuple{int64(1), int64(2), "x"}
	for name, c := range map[string]struct {
		opts SinkOptions
		in   []change
		want error
	}{
		"partial":    {SinkOptions{Key: key, InsertOnly: true, MergeEngine: "partial-update"}, []change{{-1, row}}, ErrNotInsertOnly},
		"unique":     {SinkOptions{Key: key, Unique: true}, []change{{1, row}, {1, tuple{int64(1), nil, nil}}}, ErrNotUnique},
		"not unique": {SinkOptions{Key: key}, []change{{-1, row}}, ErrRetraction},
	} {
		c.opts.Columns = sinkColumns
		m, err := NewMaterializer(c.opts)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Apply([]Delta{toDelta(t, sinkColumns, c.in)}); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestAppendTableGetsEveryRow(t *testing.T) {
	m, err := NewMaterializer(SinkOptions{Columns: sinkColumns, InsertOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Apply([]Delta{toDelta(t, sinkColumns, []change{{3, tuple{int64(1), nil, "x"}}, {1, tuple{nil, nil, nil}}})})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(fromDelta(Delta{Rows: out.Write[0].Rows}), out.Write[0].Kinds); got != "[{1 [1 <nil> x]} {1 [1 <nil> x]} {1 [1 <nil> x]} {1 [<nil> <nil> <nil>]}] [0 0 0 0]" {
		t.Errorf("got %s", got)
	}
	out.Release()
}

// foldResult is what a partial-update table holds when the rows of every key are folded in canonical order.
func foldResult(r relation) map[int64]tuple {
	out := map[int64]tuple{}
	for _, row := range r.rows() {
		k := row[0].(int64)
		if out[k] == nil {
			out[k] = slices.Clone(row)
		} else {
			out[k] = foldTuple(out[k], row)
		}
	}
	return out
}

func TestPartialUpdateFoldsKeysAnewThatLoseRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s *sinkRun
		asked := 0
		s = newSinkRun(t, SinkOptions{MergeEngine: "partial-update", InsertOnly: true, Refold: func(keys arrow.RecordBatch) ([]Delta, error) {
			asked += int(keys.NumRows())
			var all []change
			for _, row := range s.result.rows() {
				all = append(all, change{1, row})
			}
			if len(all) == 0 {
				return nil, nil
			}
			return []Delta{toDelta(t, sinkColumns, all)}, nil
		}})
		s.insertOnly = false // rows go too
		for range rapid.IntRange(1, 8).Draw(t, "commits") {
			changes := s.change()
			if len(changes) == 0 {
				continue
			}
			before := map[int64]tuple{}
			for k, row := range s.written.rows {
				before[k] = row
			}
			asked = 0
			out, err := s.m.ApplyRevised([]Delta{toDelta(t, sinkColumns, changes)})
			if err != nil {
				t.Fatal(err)
			}
			touched := map[int64]bool{}
			for _, c := range changes {
				touched[c.row[0].(int64)] = true
			}
			if asked != len(touched) {
				t.Fatalf("asked for %d keys, %d are touched", asked, len(touched))
			}
			s.written.write(out.Write)
			s.followed.follow(out.Changelog)
			for _, r := range out.Replaced {
				k := decodeTuple(t, r.Was)[0].(int64)
				if fmt.Sprint(before[k]) != fmt.Sprint(decodeTuple(t, r.Was)) {
					t.Fatalf("replaced %v, the table has %v", decodeTuple(t, r.Was), before[k])
				}
				if !bytes.Equal(s.m.Merged(r.Key), r.Now) {
					t.Fatalf("merged row of %d is not what it was replaced by", k)
				}
				if r.Now == nil {
					delete(s.written.rows, k)
				} else {
					s.written.rows[k] = decodeTuple(t, r.Now)
				}
			}
			out.Release()
			s.check(foldResult(s.result))
			s.restart()
		}
	})
}

// decodeTuple is an encoded row of the sink's columns.
func decodeTuple(t tester, row []byte) tuple {
	out, err := newKindOutput(memory.DefaultAllocator, schemaOf(sinkColumns))
	if err != nil {
		t.Fatalf("%v", err)
	}
	if err := out.add(KindInsert, row); err != nil {
		t.Fatalf("%v", err)
	}
	batches := out.finish()
	defer batches[0].Rows.Release()
	return fromDelta(Delta{Rows: batches[0].Rows})[0].row
}

func TestAppendTableLosesRows(t *testing.T) {
	m, err := NewMaterializer(SinkOptions{Columns: sinkColumns, InsertOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Apply([]Delta{toDelta(t, sinkColumns, []change{{-2, tuple{int64(1), nil, "x"}}, {1, tuple{int64(2), nil, nil}}})})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Release()
	if got := fmt.Sprint(fromDelta(Delta{Rows: out.Removed[0].Rows}), len(out.Write[0].Kinds)); got != "[{1 [1 <nil> x]} {1 [1 <nil> x]}] 1" {
		t.Errorf("got %s", got)
	}
}

// A sink's state from a checkpoint is bytes that may be damaged: they are taken, or refused as such.
func FuzzMaterializerRestore(f *testing.F) {
	opts := []SinkOptions{
		{Columns: sinkColumns, Key: []int{0}},
		{Columns: sinkColumns, Key: []int{0}, Unique: true},
		{Columns: sinkColumns, Key: []int{0}, MergeEngine: "partial-update", InsertOnly: true},
	}
	for i, o := range opts {
		m, err := NewMaterializer(o)
		if err != nil {
			f.Fatal(err)
		}
		out, err := m.Apply([]Delta{toDelta(f, sinkColumns, []change{{1, tuple{int64(1), int64(5), "a"}}, {1, tuple{int64(2), nil, "b"}}})})
		if err != nil {
			f.Fatal(err)
		}
		out.Release()
		var b bytes.Buffer
		if err := m.Checkpoint(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(i, b.Bytes())
		f.Add(i, b.Bytes()[:b.Len()/2])
	}
	f.Fuzz(func(t *testing.T, i int, b []byte) {
		if i < 0 || i >= len(opts) {
			return
		}
		m, err := NewMaterializer(opts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Restore(bytes.NewReader(b)); err != nil && !errkind.Is(err, errkind.Corrupt) && !errors.Is(err, ErrOtherPlan) {
			t.Fatalf("error %v is of another kind", err)
		}
	})
}
