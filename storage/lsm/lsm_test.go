package lsm

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/weir-lake/weir/internal/errkind"
)

// The test table: key (k1, k2), sequence number, kind, a user sequence u, values a and b.
var testSchema = arrow.NewSchema([]arrow.Field{
	{Name: "k1", Type: arrow.BinaryTypes.String},
	{Name: "k2", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
	{Name: "seq", Type: arrow.PrimitiveTypes.Int64},
	{Name: "kind", Type: arrow.PrimitiveTypes.Int8},
	{Name: "u", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "a", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "b", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	{Name: "c", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
	{Name: "d", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32), Nullable: true},
}, nil)

func testConfig() Config { return Config{Key: []int{0, 1}, Sequence: 2, Kind: 3, BatchRows: 7} }

type row struct {
	k1   string
	k2   *int32
	seq  int64
	kind int8
	u    *int64
	a    *string
	b    *float64
}

func (r row) key() string { return fmt.Sprintf("%s|%s", r.k1, show(r.k2)) }

func show[T any](p *T) string {
	if p == nil {
		return "NULL"
	}
	return fmt.Sprint(*p)
}

func (r row) String() string {
	return fmt.Sprintf("%s seq=%d kind=%d u=%s a=%s b=%s", r.key(), r.seq, r.kind, show(r.u), show(r.a), show(r.b))
}

func compareRow(x, y row) int {
	if c := cmp.Compare(x.k1, y.k1); c != 0 {
		return c
	}
	switch {
	case x.k2 == nil && y.k2 == nil:
		return 0
	case x.k2 == nil:
		return -1
	case y.k2 == nil:
		return 1
	}
	return cmp.Compare(*x.k2, *y.k2)
}

func batch(rows []row) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, testSchema)
	for _, r := range rows {
		b.Field(0).(*array.StringBuilder).Append(r.k1)
		opt(b.Field(1), r.k2, b.Field(1).(*array.Int32Builder).Append)
		b.Field(2).(*array.Int64Builder).Append(r.seq)
		b.Field(3).(*array.Int8Builder).Append(r.kind)
		opt(b.Field(4), r.u, b.Field(4).(*array.Int64Builder).Append)
		opt(b.Field(5), r.a, b.Field(5).(*array.StringBuilder).Append)
		opt(b.Field(6), r.b, b.Field(6).(*array.Float64Builder).Append)
		opt(b.Field(7), r.b, func(f float64) { b.Field(7).(*array.BooleanBuilder).Append(f > 3) })
		lb := b.Field(8).(*array.ListBuilder)
		opt(lb, r.b, func(f float64) {
			lb.Append(true)
			lb.ValueBuilder().(*array.Int32Builder).AppendValues([]int32{int32(f), 7}, nil)
		})
	}
	return b.NewRecordBatch()
}

func opt[T any](b array.Builder, v *T, app func(T)) {
	if v == nil {
		b.AppendNull()
		return
	}
	app(*v)
}

func rowsOf(t interface{ Fatalf(string, ...any) }, rec arrow.RecordBatch) []row {
	out := make([]row, rec.NumRows())
	for i := range out {
		r := row{k1: rec.Column(0).(*array.String).Value(i), seq: rec.Column(2).(*array.Int64).Value(i), kind: rec.Column(3).(*array.Int8).Value(i)}
		r.k2 = cell(rec.Column(1), i, rec.Column(1).(*array.Int32).Value)
		r.u = cell(rec.Column(4), i, rec.Column(4).(*array.Int64).Value)
		r.a = cell(rec.Column(5), i, rec.Column(5).(*array.String).Value)
		r.b = cell(rec.Column(6), i, rec.Column(6).(*array.Float64).Value)
		if r.b != nil {
			if rec.Column(7).(*array.Boolean).Value(i) != (*r.b > 3) {
				t.Fatalf("row %d: column c does not fit b", i)
			}
			l := rec.Column(8).(*array.List)
			from, to := l.ValueOffsets(i)
			if to-from != 2 || l.ListValues().(*array.Int32).Value(int(from)) != int32(*r.b) {
				t.Fatalf("row %d: column d does not fit b", i)
			}
		} else if rec.Column(7).IsValid(i) || rec.Column(8).IsValid(i) {
			t.Fatalf("row %d: columns c, d are not null", i)
		}
		out[i] = r
	}
	return out
}

func cell[T any](arr arrow.Array, i int, get func(int) T) *T {
	if arr.IsNull(i) {
		return nil
	}
	v := get(i)
	return &v
}

func mergeAll(t interface{ Fatalf(string, ...any) }, inputs []Input, cfg Config) ([]row, error) {
	m, err := NewMerger(inputs, testSchema, cfg)
	if err != nil {
		return nil, err
	}
	defer m.Release()
	var out []row
	for {
		rec, err := m.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if rec.NumRows() == 0 || int(rec.NumRows()) > cfg.BatchRows {
			t.Fatalf("batch of %d rows", rec.NumRows())
		}
		out = append(out, rowsOf(t, rec)...)
		rec.Release()
	}
}

// model folds rows per key as documented, without any of the merger's machinery.
func model(rows []row, cfg Config) []row {
	byKey := map[string][]row{}
	for _, r := range rows {
		byKey[r.key()] = append(byKey[r.key()], r)
	}
	var out []row
	for _, g := range byKey {
		slices.SortStableFunc(g, func(x, y row) int {
			if len(cfg.UserSequence) > 0 {
				xn, yn := x.u == nil, y.u == nil
				switch {
				case xn != yn && xn:
					return -1
				case xn != yn:
					return 1
				case !xn && *x.u != *y.u:
					c := cmp.Compare(*x.u, *y.u)
					if cfg.SequenceDesc {
						c = -c
					}
					return c
				}
			}
			return cmp.Compare(x.seq, y.seq)
		})
		if r, ok := fold(g, cfg); ok && (cfg.KeepRetracts || !IsRetract(r.kind)) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, compareRow)
	return out
}

func fold(g []row, cfg Config) (res row, ok bool) {
	for _, r := range g {
		if cfg.IgnoreDelete && IsRetract(r.kind) {
			continue
		}
		switch cfg.Engine {
		case FirstRow:
			if !ok {
				res, ok = r, true
			}
			continue
		case PartialUpdate:
			if r.kind == UpdateBefore {
				continue
			}
			if r.kind == Delete {
				res, ok = r, true
				continue
			}
			if ok {
				if r.a == nil {
					r.a = res.a
				}
				if r.b == nil {
					r.b = res.b
				}
				if r.u == nil {
					r.u = res.u
				}
			}
		}
		res, ok = r, true
	}
	return res, ok
}

// drawRuns makes rows with unique sequence numbers, spread over runs that hold a key once.
func drawRuns(t *rapid.T, kinds []int8) (all []row, runs [][]row) {
	n := rapid.IntRange(1, 6).Draw(t, "runs")
	seq := int64(0)
	for range n {
		seen := map[string]row{}
		for range rapid.IntRange(0, 40).Draw(t, "rows") {
			seq++
			r := row{k1: rapid.SampledFrom([]string{"", "a", "longer than eight bytes 1", "longer than eight bytes 2", "b"}).Draw(t, "k1"), seq: seq,
				kind: rapid.SampledFrom(kinds).Draw(t, "kind"),
				k2:   rapid.Ptr(rapid.Int32Range(-3, 3), true).Draw(t, "k2"),
				u:    rapid.Ptr(rapid.Int64Range(0, 4), true).Draw(t, "u"),
				a:    rapid.Ptr(rapid.SampledFrom([]string{"", "x", "yy"}), true).Draw(t, "a"),
				b:    rapid.Ptr(rapid.Float64Range(0, 5), true).Draw(t, "b")}
			seen[r.key()] = r
		}
		var run []row
		for _, r := range seen {
			run = append(run, r)
		}
		slices.SortFunc(run, compareRow)
		runs = append(runs, run)
		all = append(all, run...)
	}
	return all, runs
}

func inputsOf(t *rapid.T, runs [][]row) []Input {
	var out []Input
	for _, run := range runs {
		var recs []arrow.RecordBatch
		for len(run) > 0 {
			n := min(len(run), rapid.IntRange(1, 12).Draw(t, "batch"))
			recs = append(recs, batch(run[:n]))
			run = run[n:]
		}
		out = append(out, Input{Run: NewBatches(recs...)})
	}
	return out
}

func TestMergeEqualsModel(t *testing.T) {
	all := []int8{Insert, UpdateBefore, UpdateAfter, Delete}
	for name, tc := range map[string]struct {
		kinds []int8
		set   func(*Config)
	}{
		"deduplicate":             {all, func(*Config) {}},
		"deduplicate keep":        {all, func(c *Config) { c.KeepRetracts = true }},
		"ignore delete":           {all, func(c *Config) { c.IgnoreDelete = true }},
		"sequence field":          {all, func(c *Config) { c.UserSequence = []int{4} }},
		"sequence descending":     {all, func(c *Config) { c.UserSequence = []int{4}; c.SequenceDesc = true }},
		"first row":               {[]int8{Insert, UpdateAfter}, func(c *Config) { c.Engine = FirstRow }},
		"partial update":          {[]int8{Insert, UpdateAfter}, func(c *Config) { c.Engine = PartialUpdate }},
		"partial ignore delete":   {all, func(c *Config) { c.Engine = PartialUpdate; c.IgnoreDelete = true }},
		"partial remove":          {all, func(c *Config) { c.Engine = PartialUpdate; c.RemoveOnDelete = true }},
		"partial remove and keep": {all, func(c *Config) { c.Engine, c.RemoveOnDelete, c.KeepRetracts = PartialUpdate, true, true }},
		"partial by user sequence": {[]int8{Insert}, func(c *Config) {
			c.Engine, c.UserSequence = PartialUpdate, []int{4}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				cfg := testConfig()
				tc.set(&cfg)
				rows, runs := drawRuns(t, tc.kinds)
				got, err := mergeAll(t, inputsOf(t, runs), cfg)
				if err != nil {
					t.Fatalf("merge: %v", err)
				}
				want := model(rows, cfg)
				if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
					t.Fatalf("merged\n%s\nwant\n%s", strings.ReplaceAll(g, " k", "\nk"), w)
				}
			})
		})
	}
}

func TestSortThenMergeOfOneBufferEqualsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := testConfig()
		cfg.Repeats, cfg.KeepRetracts = true, true
		rows, runs := drawRuns(t, []int8{Insert, Delete})
		var recs []arrow.RecordBatch
		for _, run := range runs {
			recs = append(recs, batch(run))
		}
		sel, err := Sort(recs, cfg)
		if err != nil {
			t.Fatal(err)
		}
		sorted, err := GatherBatch(testSchema, recs, sel)
		if err != nil {
			t.Fatal(err)
		}
		got, err := mergeAll(t, []Input{{Run: NewBatches(sorted)}}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if g, w := fmt.Sprint(got), fmt.Sprint(model(rows, cfg)); g != w {
			t.Fatalf("merged\n%s\nwant\n%s", g, w)
		}
	})
}

func TestUpperLevelsCountOnce(t *testing.T) {
	p := func(f float64) *float64 { return &f }
	s := func(x string) *string { return &x }
	in := []Input{
		{NewBatches(batch([]row{{k1: "k", seq: 1, a: s("level 5"), b: p(5)}})), 5},
		{NewBatches(batch([]row{{k1: "k", seq: 2, a: s("level 4")}})), 4},
		{NewBatches(batch([]row{{k1: "k", seq: 3, u: new(int64)}})), 0},
	}
	cfg := testConfig()
	cfg.Engine, cfg.UpperOnce = PartialUpdate, true
	got, err := mergeAll(t, in, cfg)
	if err != nil || len(got) != 1 || got[0].b != nil || show(got[0].a) != "level 4" || got[0].u == nil {
		t.Errorf("got %v, %v: level 5 must not show through level 4", got, err)
	}
}

func TestSequenceGroups(t *testing.T) {
	i := func(n int64) *int64 { return &n }
	s := func(x string) *string { return &x }
	b := func(f float64) *float64 { return &f }
	cfg := testConfig()
	cfg.Engine, cfg.Groups = PartialUpdate, []SequenceGroup{{Sequence: []int{4}, Members: []int{5}}} // a follows u
	run := func(rows ...row) string {
		t.Helper()
		var in []Input
		for n, r := range rows {
			r.k1, r.seq = "k", int64(n)
			in = append(in, Input{Run: NewBatches(batch([]row{r}))})
		}
		got, err := mergeAll(t, in, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			return "gone"
		}
		return fmt.Sprintf("u=%s a=%s b=%s", show(got[0].u), show(got[0].a), show(got[0].b))
	}
	for _, tc := range []struct {
		name string
		rows []row
		want string
	}{
		{"an older row of the group loses, other columns do not", []row{{u: i(5), a: s("new"), b: b(1)}, {u: i(3), a: s("old"), b: b(2)}}, "u=5 a=new b=2"},
		{"a newer one brings its NULLs", []row{{u: i(5), a: s("x"), b: b(1)}, {u: i(6)}}, "u=6 a=NULL b=1"},
		{"a tie goes to the later row", []row{{u: i(5), a: s("x")}, {u: i(5), a: s("y")}}, "u=5 a=y b=NULL"},
		{"without sequence the group stays", []row{{u: i(5), a: s("x")}, {a: s("y"), b: b(2)}}, "u=5 a=x b=2"},
		{"nothing before", []row{{a: s("y")}, {b: b(2)}}, "u=NULL a=NULL b=2"},
		{"a retraction clears the group", []row{{u: i(5), a: s("x"), b: b(1)}, {kind: Delete, u: i(6), a: s("z")}}, "u=6 a=NULL b=1"},
		{"an old retraction does not", []row{{u: i(5), a: s("x")}, {kind: Delete, u: i(4)}}, "u=5 a=x b=NULL"},
		{"nothing but retractions", []row{{kind: Delete, u: i(5)}, {kind: Delete, u: i(6)}}, "gone"},
	} {
		if got := run(tc.rows...); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestRetractsAreRefusedByName(t *testing.T) {
	for engine, word := range map[Engine]string{PartialUpdate: "partial-update.remove-record-on-delete", FirstRow: "ignore-delete"} {
		cfg := testConfig()
		cfg.Engine = engine
		_, err := mergeAll(t, []Input{{Run: NewBatches(batch([]row{{k1: "k", kind: Delete}}))}}, cfg)
		if errkind.Of(err) != errkind.Invalid || !strings.Contains(err.Error(), word) {
			t.Errorf("engine %d: %v", engine, err)
		}
	}
}

type failing struct{ after int }

func (f *failing) Next() (arrow.RecordBatch, error) {
	if f.after--; f.after < 0 {
		return nil, errors.New("disk on fire")
	}
	return batch([]row{{k1: fmt.Sprint(10 - f.after)}}), nil
}
func (f *failing) Release() {}

func TestRunErrorsComeThrough(t *testing.T) {
	for after := range 3 {
		_, err := mergeAll(t, []Input{{Run: &failing{after}}, {Run: NewBatches()}}, testConfig())
		if err == nil || !strings.Contains(err.Error(), "disk on fire") {
			t.Errorf("after %d: %v", after, err)
		}
	}
}

func TestPick(t *testing.T) {
	datadriven.RunTest(t, "testdata/pick.txt", func(t *testing.T, d *datadriven.TestData) string {
		o := PickOptions{SizeRatioPercent: 1}
		d.MaybeScanArgs(t, "trigger", &o.RunTrigger)
		d.MaybeScanArgs(t, "levels", &o.NumLevels)
		d.MaybeScanArgs(t, "amp", &o.SizeAmpPercent)
		d.MaybeScanArgs(t, "ratio", &o.SizeRatioPercent)
		var runs []RunSize
		for _, part := range strings.Split(d.Input, "|") {
			level, sizes, _ := strings.Cut(part, ":")
			var lv int
			if _, err := fmt.Sscanf(strings.TrimSpace(level), "L%d", &lv); err != nil {
				d.Fatalf(t, "level %q: %v", level, err)
			}
			for _, f := range strings.Fields(sizes) {
				var n int64
				if _, err := fmt.Sscan(f, &n); err != nil {
					d.Fatalf(t, "size %q: %v", f, err)
				}
				runs = append(runs, RunSize{lv, n})
			}
		}
		pick := Pick
		if d.Cmd == "full" {
			pick = PickFull
		}
		c, ok := pick(runs, o)
		if !ok {
			return "nothing\n"
		}
		return fmt.Sprintf("%d of %d runs to L%d: %s\n", c.Runs, len(runs), c.Output, c.Reason)
	})
}

func BenchmarkMerge5x200k(b *testing.B) {
	const n = 200_000
	rng := rand.New(rand.NewPCG(1, 2))
	sc := arrow.NewSchema([]arrow.Field{{Name: "k", Type: arrow.PrimitiveTypes.Int64}, {Name: "seq", Type: arrow.PrimitiveTypes.Int64}, {Name: "kind", Type: arrow.PrimitiveTypes.Int8},
		{Name: "v", Type: arrow.BinaryTypes.String}, {Name: "w", Type: arrow.PrimitiveTypes.Float64}}, nil)
	runs := make([][]arrow.RecordBatch, 5)
	for r := range runs {
		keys := make([]int64, n)
		for i := range keys {
			keys[i] = rng.Int64N(10 * n)
		}
		slices.Sort(keys)
		keys = slices.Compact(keys)
		for from := 0; from < len(keys); from += 8192 {
			rb := array.NewRecordBuilder(memory.DefaultAllocator, sc)
			for _, k := range keys[from:min(from+8192, len(keys))] {
				rb.Field(0).(*array.Int64Builder).Append(k)
				rb.Field(1).(*array.Int64Builder).Append(int64(r))
				rb.Field(2).(*array.Int8Builder).Append(0)
				rb.Field(3).(*array.StringBuilder).Append("some value")
				rb.Field(4).(*array.Float64Builder).Append(1)
			}
			runs[r] = append(runs[r], rb.NewRecordBatch())
		}
	}
	b.ResetTimer()
	for b.Loop() {
		var in []Input
		for _, r := range runs {
			in = append(in, Input{Run: NewBatches(r...)})
		}
		m, err := NewMerger(in, sc, Config{Key: []int{0}, Sequence: 1, Kind: 2})
		if err != nil {
			b.Fatal(err)
		}
		for {
			rec, err := m.Next()
			if err != nil {
				break
			}
			rec.Release()
		}
		m.Release()
	}
	b.ReportMetric(float64(5*n*b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}
