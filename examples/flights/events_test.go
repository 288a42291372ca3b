package flights_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/bind"
	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/connector/filesystem"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/compute/stream"
)

// query runs a query over the data files through the stream engine in one step.
func (c catalog) query(t *testing.T, text string) arrow.RecordBatch {
	t.Helper()
	q, err := sql.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	node, err := bind.Query(t.Context(), c, text, q, bind.Options{})
	if err != nil {
		t.Fatal(err)
	}
	flow, err := stream.Compile(plan.Optimize(node), stream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	in := map[int][]stream.Delta{}
	for i, scan := range flow.Sources() {
		err := rows(t.Context(), scan.Table, func(rec arrow.RecordBatch) {
			cols := make([]arrow.Array, len(scan.Out))
			fields := make([]arrow.Field, len(scan.Out))
			for j, at := range scan.Out {
				cols[j], fields[j] = rec.Column(at), rec.Schema().Field(at)
			}
			in[i] = append(in[i], stream.Delta{Rows: array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, rec.NumRows())})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	out, err := flow.Step(t.Context(), stream.Epoch{ID: 1}, in)
	if err != nil {
		t.Fatal(err)
	}
	parts := make([]arrow.RecordBatch, len(out))
	for i, d := range out {
		for _, w := range d.Weights {
			if w != 1 {
				t.Fatalf("a row occurs %d times", w)
			}
		}
		parts[i] = d.Rows
	}
	return joined(t, parts)
}

func rows(ctx context.Context, tb *plan.Table, fn func(arrow.RecordBatch)) error {
	src, err := filesystem.Factory().OpenSource(ctx, connector.Context{Table: tb, Options: tb.Options, Bounded: true})
	if err != nil {
		return err
	}
	to, _, err := src.Poll(ctx, nil, 1<<30)
	if err != nil {
		return err
	}
	return src.Read(ctx, nil, to, func(c connector.Chunk) error {
		c.Rows.Retain()
		fn(c.Rows)
		return nil
	})
}

func joined(t *testing.T, parts []arrow.RecordBatch) arrow.RecordBatch {
	t.Helper()
	tbl := array.NewTableFromRecords(parts[0].Schema(), parts)
	defer tbl.Release()
	cols := make([]arrow.Array, tbl.NumCols())
	for i := range cols {
		col, err := array.Concatenate(tbl.Column(i).Data().Chunks(), memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		cols[i] = col
	}
	return array.NewRecordBatch(parts[0].Schema(), cols, tbl.NumRows())
}

// showing is the first minute after departure at which the clock in zone shows hhmm,
// found by looking at the clock minute by minute.
func showing(departed time.Time, zone *time.Location, hhmm int) time.Time {
	for at := departed.Add(time.Minute); ; at = at.Add(time.Minute) {
		h, m, _ := at.In(zone).Clock()
		if h*100+m == hhmm%2400 {
			return at
		}
	}
}

// key names a flight.
type key struct {
	hour    arrow.Timestamp
	carrier string
	flight  int32
}

// expected are the events of each flight by name.
func expected(t *testing.T, c catalog, zones map[string]*time.Location) map[key]map[string]time.Time {
	t.Helper()
	west4 := time.FixedZone("UTC-4", -4*3600)
	want := map[key]map[string]time.Time{}
	fl := c.query(t, "SELECT time_hour, carrier, flight, `minute`, dep_delay, arr_time, dest FROM flights_file")
	ints := func(col int) *array.Int32 { return fl.Column(col).(*array.Int32) }
	for i := range int(fl.NumRows()) {
		k := key{fl.Column(0).(*array.Timestamp).Value(i), fl.Column(1).(*array.String).Value(i), ints(2).Value(i)}
		scheduled := k.hour.ToTime(arrow.Millisecond).Add(time.Duration(ints(3).Value(i)) * time.Minute)
		events := map[string]time.Time{"scheduled": scheduled.Add(-24 * time.Hour)}
		if ints(4).IsValid(i) {
			departed := scheduled.Add(time.Duration(ints(4).Value(i)) * time.Minute)
			events["departed"] = departed
			if ints(5).IsValid(i) {
				zone := zones[fl.Column(6).(*array.String).Value(i)]
				if zone == nil {
					zone = west4
				}
				events["arrived"] = showing(departed, zone, int(ints(5).Value(i)))
			}
		}
		want[k] = events
	}
	if len(want) != 336776 {
		t.Fatalf("%d flights; the key is not unique", len(want))
	}
	return want
}

// The events of the year, against arrivals found by watching the clock at the destination.
func TestEventsOfTheYear(t *testing.T) {
	if testing.Short() {
		t.Skip("reads the whole year")
	}
	c, _ := bound(t)
	t.Chdir("../..")
	zones := map[string]*time.Location{}
	air := c.query(t, "SELECT faa, tzone FROM airports_file")
	for i := range int(air.NumRows()) {
		loc, err := time.LoadLocation(air.Column(1).(*array.String).Value(i))
		if err != nil {
			continue // some far airports have no zone; no flight goes there
		}
		zones[air.Column(0).(*array.String).Value(i)] = loc
	}
	want := expected(t, c, zones)
	got := c.query(t, "SELECT time_hour, carrier, flight, event, event_time FROM flights_as_events")
	for i := range int(got.NumRows()) {
		k := key{got.Column(0).(*array.Timestamp).Value(i), got.Column(1).(*array.String).Value(i), got.Column(2).(*array.Int32).Value(i)}
		event, at := got.Column(3).(*array.String).Value(i), got.Column(4).(*array.Timestamp).Value(i).ToTime(arrow.Millisecond)
		if w, ok := want[k][event]; !ok || !w.Equal(at) {
			t.Fatalf("%v %s: at %s, want %s (%v)", k, event, at, w, ok)
		}
		delete(want[k], event)
	}
	left := 0
	for k, events := range want {
		if left += len(events); len(events) > 0 && left < 5 {
			t.Errorf("%v: no event for %v", k, fmt.Sprint(events))
		}
	}
	if n := got.NumRows(); n != 336776+328521+328063 || left > 0 {
		t.Errorf("%d events, %d missing", n, left)
	}
}
