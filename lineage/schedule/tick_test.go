//go:build duckdb_arrow

package schedule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/lineage/schedule"
	"github.com/weir-lake/weir/storage/objstore"
)

// startNightly has a backfill at three each night, and the clock at noon of January 10th.
func startNightly(t *testing.T, catchUp string) *engine {
	t.Helper()
	e := open(t, objstore.NewMem(), &fakeClock{at: utc("2020-01-10 12:00:00")})
	e.run(t, readings)
	e.fill(t, "2020-01-01", 30)
	if _, err := e.back.Create(t.Context(), schedule.Definition{Name: "days", SQL: dailySQL, Cron: "0 3 * * *", CatchUp: catchUp}); err != nil {
		t.Fatal(err)
	}
	return e
}

// again opens the warehouse anew, as after a restart, at another time.
func (e *engine) again(t *testing.T, now string) *engine {
	t.Helper()
	e.stop()
	return open(t, e.store, &fakeClock{at: utc(now)})
}

// ran is the history, the oldest first: ticks by day, those skipped in brackets.
func (e *engine) ran(t *testing.T) string {
	t.Helper()
	runs, err := e.back.History(t.Context(), "days", 0)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(runs, func(a, b schedule.Run) int { return a.To.Compare(b.To) })
	var out []string
	for _, r := range runs {
		switch r.State {
		case schedule.Skip:
			out = append(out, fmt.Sprintf("(%s-%s)", r.From.Format("02"), r.To.Format("02")))
		case schedule.Done:
			out = append(out, r.Tick.Format("02"))
		default:
			t.Errorf("run %+v", r)
		}
	}
	return strings.Join(out, " ")
}

func TestTicksOfTheWallsClock(t *testing.T) {
	e := startNightly(t, "last")
	e.clock.set(utc("2020-01-11 02:59:59"))
	e.idle(t, "days")
	if got := e.ran(t); got != "" {
		t.Fatalf("ran %s before the tick", got)
	}
	e.clock.set(utc("2020-01-11 03:00:00"))
	e.idle(t, "days")
	if got := e.ran(t); got != "11" {
		t.Fatalf("ran %s, want 11", got)
	}
	if got := fmt.Sprint(e.rows(t, "SELECT dt, n FROM daily")); got != "[2020-01-10 10]" {
		t.Errorf("the day is %s", got)
	}
	s := e.history(t, "daily")[0]
	if s.Properties[schedule.PropBackfill] != "days" || s.Properties[schedule.PropTick] != "2020-01-11T03:00:00Z" ||
		s.Properties[schedule.PropSlice] != "2020-01-10T03:00:00Z/2020-01-11T03:00:00Z" {
		t.Errorf("properties %v", s.Properties)
	}
	b, err := e.back.Show("days")
	if err != nil || b.Next == nil || !b.Next.Equal(utc("2020-01-12 03:00:00")) || b.Last == nil || b.Last.State != schedule.Done {
		t.Errorf("%+v, %v", b, err)
	}
}

// A restart over missed ticks, a jump of the clock over them, and a pause over them: catch-up says what is run.
func TestMissedTicks(t *testing.T) {
	want := map[string]string{
		"all":  "11 12 13 14",
		"last": "11 (12-13) 14",
		"none": "11 (12-14)",
	}
	for catchUp, want := range want {
		miss := map[string]func(*testing.T, *engine) *engine{
			"restart": func(t *testing.T, e *engine) *engine { return e.again(t, "2020-01-14 05:00:00") },
			"jump": func(_ *testing.T, e *engine) *engine {
				e.clock.set(utc("2020-01-14 05:00:00"))
				return e
			},
			"pause": func(t *testing.T, e *engine) *engine {
				if _, err := e.back.Pause(t.Context(), "days"); err != nil {
					t.Fatal(err)
				}
				e.clock.set(utc("2020-01-14 05:00:00"))
				if b, err := e.back.Resume(t.Context(), "days"); err != nil || b.State != schedule.Active {
					t.Fatalf("%+v, %v", b, err)
				}
				return e
			},
		}
		for how, miss := range miss {
			t.Run(catchUp+" "+how, func(t *testing.T) {
				e := startNightly(t, catchUp)
				e.clock.set(utc("2020-01-11 03:00:00"))
				e.idle(t, "days")
				e = miss(t, e)
				e.idle(t, "days")
				if got := e.ran(t); got != want {
					t.Errorf("ran %s, want %s", got, want)
				}
				for slice, n := range e.slicesMade(t, "daily") {
					if n != 1 {
						t.Errorf("slice %s was committed %d times", slice, n)
					}
				}
				// Nothing more comes of it at the next start.
				now := e.clock.now().Format(time.DateTime)
				if e = e.again(t, now); e.ran(t) != want {
					t.Errorf("after another start: ran %s", e.ran(t))
				}
			})
		}
	}
}

// A clock that jumps by an hour, forward and back: each tick is run once.
func TestClockJumpsByAnHour(t *testing.T) {
	for catchUp, want := range map[string]string{"all": "11 12", "last": "11 12", "none": "11 (12-12)"} {
		t.Run(catchUp, func(t *testing.T) {
			e := startNightly(t, catchUp)
			for _, now := range []string{
				"2020-01-11 02:30:00", "2020-01-11 03:00:00", // the tick
				"2020-01-11 02:00:00", "2020-01-11 02:59:00", "2020-01-11 03:00:00", "2020-01-11 03:30:00", // back, and over it again
				"2020-01-12 02:40:00", "2020-01-12 03:40:00", // forward over the next one
				"2020-01-12 02:40:00", "2020-01-12 03:00:00", "2020-01-12 04:00:00", // and back
			} {
				e.clock.set(utc(now))
				e.idle(t, "days")
			}
			if got := e.ran(t); got != want {
				t.Errorf("ran %s, want %s", got, want)
			}
			e = e.again(t, "2020-01-11 02:00:00") // a start with a clock that goes slow
			e.idle(t, "days")
			e.clock.set(utc("2020-01-12 03:00:00"))
			e.idle(t, "days")
			if got := e.ran(t); got != want {
				t.Errorf("after a start with a slow clock: ran %s, want %s", got, want)
			}
		})
	}
}

// The watermark of a table as clock: ticks are decided by the data, with the delay, and made up together.
func TestTicksOfAWatermark(t *testing.T) {
	e := open(t, objstore.NewMem(), &fakeClock{at: utc("2030-01-01 00:00:00")})
	e.run(t, `
CREATE TABLE src (at TIMESTAMP(3), v BIGINT, WATERMARK FOR at AS at);
CREATE TABLE readings (at TIMESTAMP(3), v BIGINT, WATERMARK FOR at AS at);
CREATE TABLE daily (dt STRING, n BIGINT, total BIGINT) PARTITIONED BY (dt);
SET 'pipeline.name' = 'copy'; SET 'execution.runtime-mode' = 'streaming';
INSERT INTO readings SELECT at, v FROM src`)
	start := utc("2020-01-01 00:00:00")
	if _, err := e.back.Create(t.Context(), schedule.Definition{Name: "days", SQL: dailySQL, Cron: "0 3 * * *", Clock: "watermark:readings",
		CatchUp: "all", Delay: "6h", Together: 10, Start: &start}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ at, want string }{
		{"2020-01-02 08:59:00", "01"}, {"2020-01-02 09:00:00", "01 02"}, {"2020-01-05 08:00:00", "01 02 03 04"},
	} {
		e.run(t, fmt.Sprintf("SET 'execution.runtime-mode' = 'batch'; INSERT INTO src VALUES (TIMESTAMP '%s', 1)", c.at))
		e.clock.set(utc(c.at)) // what idle waits for; the wall's clock is not asked
		e.idle(t, "days")
		if got := e.ran(t); got != c.want {
			t.Errorf("at %s ran %s, want %s", c.at, got, c.want)
		}
	}
	if got := fmt.Sprint(e.rows(t, "SELECT dt, n FROM daily")); got != "[2020-01-02 2]" {
		t.Errorf("days %s", got)
	}
}

// While the statement cannot be bound, ticks wait; the backfill says why.
func TestTicksWaitForTheirTables(t *testing.T) {
	e := startNightly(t, "all")
	e.run(t, "DROP TABLE readings")
	e.clock.set(utc("2020-01-11 03:00:00"))
	wait(t, "the error", func() bool {
		b, err := e.back.Show("days")
		return err == nil && strings.Contains(b.Error, "readings")
	})
	e.run(t, "CREATE TABLE readings (at TIMESTAMP(3), v BIGINT)")
	e.fill(t, "2020-01-10", 1)
	wait(t, "the tick", func() bool {
		b, err := e.back.Show("days")
		return err == nil && b.Error == "" && b.Last != nil && b.Last.State == schedule.Done
	})
	if got := e.ran(t); got != "11" {
		t.Errorf("ran %s", got)
	}
}

// A tick whose statement fails is recorded with its error, and the next one is run.
func TestAFailedTick(t *testing.T) {
	e := startNightly(t, "all")
	e.run(t, "CREATE TABLE sums (dt STRING, n BIGINT, total BIGINT) PARTITIONED BY (dt)")
	statement := strings.Replace(strings.Replace(dailySQL, "SUM(v)", "SUM(1000 / (v - 905))", 1), "OVERWRITE daily", "OVERWRITE sums", 1) // January 10th has a 905
	if err := e.back.Drop(t.Context(), "days"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.back.Create(t.Context(), schedule.Definition{Name: "days", SQL: statement, Cron: "0 3 * * *", CatchUp: "all"}); err != nil {
		t.Fatal(err)
	}
	e.clock.set(utc("2020-01-12 03:00:00"))
	e.idle(t, "days")
	runs, err := e.back.History(t.Context(), "days", 0)
	if err != nil || len(runs) != 2 {
		t.Fatalf("%+v, %v", runs, err)
	}
	if r := runs[1]; r.State != schedule.Failed || r.Error == "" || r.Progress != "." || len(r.Log) == 0 {
		t.Errorf("the first is %+v", r)
	}
	if r := runs[0]; r.State != schedule.Done || r.Progress != "w" {
		t.Errorf("the next is %+v", r)
	}
	if n := len(e.history(t, "sums")); n != 1 {
		t.Errorf("%d snapshots", n)
	}
	files := 0
	if err := e.store.List(t.Context(), "default.db/sums/dt=2020-01-10/", func(objstore.Info) error { files++; return nil }); err != nil || files > 0 {
		t.Errorf("%d files of the failed run are left, %v", files, err)
	}
}

func TestDropAndCancel(t *testing.T) {
	e := startNightly(t, "all")
	if _, err := e.back.Cancel(t.Context(), "days", "hand-0"); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("cancel of none: %v", err)
	}
	r, err := e.back.Run(t.Context(), "days", schedule.Span{From: utc("1995-01-01 00:00:00"), To: utc("2020-01-01 00:00:00")}, "anna")
	if err != nil {
		t.Fatal(err)
	}
	second, err := e.back.Run(t.Context(), "days", schedule.Span{From: utc("2020-01-01 00:00:00"), To: utc("2020-01-02 00:00:00")}, "anna")
	if err != nil {
		t.Fatal(err)
	}
	third, err := e.back.Run(t.Context(), "days", schedule.Span{From: utc("2020-01-01 00:00:00"), To: utc("2020-01-03 00:00:00")}, "anna")
	if err != nil {
		t.Fatal(err)
	}
	wait(t, "some slices", func() bool {
		now, err := e.back.RunOf(t.Context(), "days", r.ID)
		if err != nil {
			t.Fatal(err)
		}
		return now.Finished > 3
	})
	for _, id := range []string{second.ID, r.ID} { // one that waits, one under way
		if _, err := e.back.Cancel(t.Context(), "days", id); err != nil {
			t.Fatal(err)
		}
		if got := e.finish(t, "days", id); got.State != schedule.Canceled || got.Finished == got.Slices && got.Slices > 0 {
			t.Errorf("%+v", got)
		}
	}
	if got := e.finish(t, "days", third.ID); got.State != schedule.Done {
		t.Errorf("the one after them: %+v", got)
	}
	if err := e.back.Drop(t.Context(), "days"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.back.Show("days"); !errkind.Is(err, errkind.NotFound) {
		t.Errorf("dropped, and %v", err)
	}
	e = e.again(t, "2020-01-20 00:00:00")
	if got := e.back.List(); len(got) != 0 {
		t.Errorf("after a start there is %+v", got)
	}
	if got := e.rows(t, "SELECT name, state FROM sys.backfills"); fmt.Sprint(got) != "[days dropped]" {
		t.Errorf("the ledger has %v", got)
	}
	// The name is free, and its ticks are its own.
	start := utc("2020-01-10 12:00:00")
	if _, err := e.back.Create(t.Context(), schedule.Definition{Name: "days", SQL: dailySQL, Cron: "0 3 * * *", CatchUp: "all", Start: &start}); err != nil {
		t.Fatal(err)
	}
	e.idle(t, "days")
	if got := e.ran(t); got != "11 12 13 14 15 16 17 18 19" {
		t.Errorf("ran %s", got)
	}
}
