package replay

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/connectortest"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

var table = &plan.Table{Name: "r", Columns: []plan.TableColumn{
	{Column: plan.Column{Name: "id", Type: schema.TInt}},
	{Column: plan.Column{Name: "at", Type: schema.TTimestamp(3)}},
	{Column: plan.Column{Name: "s", Type: schema.TString}},
}}

type event struct {
	id int32
	at int64 // ms
	s  string
}

// events are n rows, three at each second, some of them equal, in an order given by seed.
func events(n int, seed uint64) []event {
	out := make([]event, n)
	for i := range out {
		out[i] = event{int32(i % 50), int64(i/3) * 1000, fmt.Sprint("s", i%7)}
	}
	rand.New(rand.NewPCG(seed, 1)).Shuffle(n, func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func provider(t testing.TB, evs []event, batch int) Rows {
	return func(context.Context) (array.RecordReader, error) {
		s, err := connector.ArrowSchema(connector.Fields(table))
		if err != nil {
			return nil, err
		}
		b := array.NewRecordBuilder(memory.DefaultAllocator, s)
		defer b.Release()
		var recs []arrow.RecordBatch
		for part := range slices.Chunk(evs, batch) {
			for _, e := range part {
				b.Field(0).(*array.Int32Builder).Append(e.id)
				if e.at < 0 {
					b.Field(1).AppendNull()
				} else {
					b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(e.at))
				}
				b.Field(2).(*array.StringBuilder).Append(e.s)
			}
			recs = append(recs, b.NewRecordBatch())
		}
		return array.NewRecordReader(s, recs)
	}
}

func open(t testing.TB, c connector.Context, o Options, rows Rows) connector.Source {
	t.Helper()
	c.Table = table
	o.Time = "at"
	s, err := Open(c, o, rows)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	seed := uint64(0)
	connectortest.Source(t, connectortest.SourceSpec{
		Rows: 300,
		Open: func(t *testing.T) connector.Source {
			seed++ // another physical order of the same rows each time
			return open(t, connector.Context{Bounded: true}, Options{}, provider(t, events(300, seed), 13))
		},
	})
}

func TestOrderIsTimeThenRow(t *testing.T) {
	src := open(t, connector.Context{}, Options{Speed: math.Inf(1)}, provider(t, events(100, 3), 7))
	to, end, err := src.Poll(t.Context(), nil, 1000)
	if err != nil || !end {
		t.Fatal(to, end, err)
	}
	type key struct{ at, id, s string }
	var got []key
	for _, r := range connectortest.Read(t, src, nil, to) {
		f := strings.Split(strings.TrimPrefix(r, "+I "), "|")
		got = append(got, key{f[1], fmt.Sprintf("%05s", f[0]), f[2]})
	}
	if len(got) != 100 || !slices.IsSortedFunc(got, func(a, b key) int {
		return strings.Compare(a.at+a.id+a.s, b.at+b.id+b.s)
	}) {
		t.Errorf("not sorted: %v", got)
	}
}

func TestPaceUntilAndRestart(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	rows := provider(t, events(300, 1), 100) // 3 rows a second over 100 s
	o := Options{Speed: 10, Until: time.UnixMilli(50_000).UTC()}
	src := open(t, connector.Context{Now: clock}, o, rows)
	expect := func(from connector.Offsets, want int, wantEnd bool) connector.Offsets {
		t.Helper()
		to, end, err := src.Poll(t.Context(), from, 1000)
		if err != nil || end != wantEnd || !strings.HasPrefix(string(to[split]), fmt.Sprint(want, "/")) {
			t.Fatalf("poll: %v %v %v, want row %d, end %v", to, end, err, want, wantEnd)
		}
		return to
	}
	at := expect(nil, 3, false) // the rows at the first second
	now = now.Add(time.Second)
	at = expect(at, 33, false)
	now = now.Add(50 * time.Millisecond)
	at = expect(at, 33, false)
	now = now.Add(time.Hour) // down for an hour: the replay goes on from row 33, not from where it would be
	src = open(t, connector.Context{Now: clock}, o, rows)
	at = expect(at, 36, false)
	now = now.Add(time.Hour)
	at = expect(at, 150, true)
	expect(at, 150, true)
	// The position stays good for a longer replay of the same rows.
	src = open(t, connector.Context{Now: clock, Bounded: true}, Options{}, rows)
	expect(at, 300, true)
}

func TestChangedRowsAreALostPosition(t *testing.T) {
	src := open(t, connector.Context{Bounded: true}, Options{}, provider(t, events(30, 1), 10))
	to, _, err := src.Poll(t.Context(), nil, 10)
	if err != nil {
		t.Fatal(err)
	}
	changed := events(30, 1)
	changed[29].s = "edited"
	src = open(t, connector.Context{Bounded: true}, Options{}, provider(t, changed, 10))
	if _, _, err := src.Poll(t.Context(), to, 10); !errors.Is(err, connector.ErrPositionLost) {
		t.Errorf("poll over changed rows: %v", err)
	}
	if err := src.Read(t.Context(), nil, to, func(connector.Chunk) error { return nil }); !errors.Is(err, connector.ErrPositionLost) {
		t.Errorf("read over changed rows: %v", err)
	}
	if _, _, err := src.Poll(t.Context(), connector.Offsets{split: "x"}, 10); !errkind.Is(err, errkind.Corrupt) {
		t.Errorf("bad position: %v", err)
	}
}

func TestErrors(t *testing.T) {
	null := append(events(3, 1), event{id: 9, at: -1, s: "no time"})
	src := open(t, connector.Context{Bounded: true}, Options{}, provider(t, null, 10))
	if _, _, err := src.Poll(t.Context(), nil, 1); err == nil || !strings.Contains(err.Error(), "row 4 has no at") || !strings.Contains(err.Error(), "s=no time") {
		t.Errorf("row without time: %v", err)
	}
	outside := errors.New("disk gone")
	src = open(t, connector.Context{}, Options{}, func(context.Context) (array.RecordReader, error) { return nil, outside })
	if _, _, err := src.Poll(t.Context(), nil, 1); !errors.Is(err, outside) {
		t.Errorf("provider: %v", err)
	}
	for col, want := range map[string]string{"id": "not a TIMESTAMP", "nope": "no such physical column"} {
		if _, err := Open(connector.Context{Table: table}, Options{Time: col}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("replay.time = %s: %v", col, err)
		}
	}
	src = open(t, connector.Context{Bounded: true}, Options{}, provider(t, nil, 1))
	if to, end, err := src.Poll(t.Context(), nil, 1); err != nil || !end || len(to) != 0 {
		t.Errorf("no rows: %v %v %v", to, end, err)
	}
}

func TestReadOptions(t *testing.T) {
	r := connector.ReadOptions(map[string]string{"replay.time": "at", "replay.speed": "max", "replay.until": "2013-06-01", "replay.query": "SELECT 1"})
	o, ok := ReadOptions(r)
	if !ok || r.Done() != nil || !math.IsInf(o.Speed, 1) || o.Until != time.Date(2013, 6, 1, 0, 0, 0, 0, time.UTC) || o.Query != "SELECT 1" {
		t.Errorf("options: %+v, %v", o, r.Done())
	}
	for _, c := range []struct{ key, value string }{
		{"replay.speed", "0"}, {"replay.speed", "-5"}, {"replay.speed", "fast"}, {"replay.speed", "inf"}, {"replay.until", "soon"}, {"replay.until", "2013-13-01 00:00:00"},
	} {
		r := connector.ReadOptions(map[string]string{"replay.time": "at", c.key: c.value})
		ReadOptions(r)
		if err := r.Done(); err == nil || !strings.Contains(err.Error(), c.key) {
			t.Errorf("%s = %s: %v", c.key, c.value, err)
		}
	}
	r = connector.ReadOptions(map[string]string{"replay.speed": "5"})
	if _, ok := ReadOptions(r); ok || r.Done() == nil {
		t.Error("replay.speed without replay.time was taken")
	}
}

func BenchmarkLoad(b *testing.B) {
	evs := events(1_000_000, 1)
	rows := provider(b, evs, 100_000)
	for b.Loop() {
		if _, err := load(b.Context(), connector.Fields(table), "at", rows); err != nil {
			b.Fatal(err)
		}
	}
}

// A recorded position is text from the log or a snapshot: whatever it says, it is a place in the replay or an error.
func FuzzPosition(f *testing.F) {
	src := open(f, connector.Context{Bounded: true}, Options{}, provider(f, events(30, 1), 7))
	to, _, err := src.Poll(f.Context(), nil, 10)
	if err != nil {
		f.Fatal(err)
	}
	for split, p := range to {
		f.Add(split, string(p))
	}
	f.Add(split, "-1/x")
	f.Add(split, "31/")
	f.Fuzz(func(t *testing.T, split, text string) {
		from := connector.Offsets{split: connector.Position(text)}
		next, _, err := src.Poll(t.Context(), from, 5)
		if err != nil {
			if !errkind.Is(err, errkind.Corrupt) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if err := src.Read(t.Context(), from, next, func(connector.Chunk) error { return nil }); err != nil {
			t.Fatalf("%q was taken, and then: %v", text, err)
		}
	})
}
