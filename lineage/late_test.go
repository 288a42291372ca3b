//go:build duckdb_arrow

package lineage_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/lineage"
)

const clicks = `
CREATE TABLE clicks (id INT, user_name STRING, at TIMESTAMP(3), note STRING, WATERMARK FOR at AS at - INTERVAL '5' MINUTE);
CREATE TABLE per_window (window_end TIMESTAMP(3), n BIGINT);
SET 'execution.runtime-mode' = 'streaming';
SET 'weir.freshness' = '20ms';
INSERT INTO per_window SELECT window_end, COUNT(*) FROM %s WHERE user_name <> 'robot' GROUP BY window_start, window_end;
SET 'execution.runtime-mode' = 'batch';
`

// A row that comes after its window was written changes nothing and is kept whole, whatever the query reads of it, and
// the table equals its query without that row.
func TestLateRowsAreKeptWhole(t *testing.T) {
	w := open(t, t.TempDir(), time.Now())
	w.exec(t, fmt.Sprintf(clicks, "TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(at), INTERVAL '1' HOUR))"))
	w.exec(t, "INSERT INTO clicks VALUES (1, 'ann', TIMESTAMP '2026-03-01 10:10:00', 'a'), (2, 'bob', TIMESTAMP '2026-03-01 10:20:00', 'b')")
	w.exec(t, "INSERT INTO clicks VALUES (3, 'ann', TIMESTAMP '2026-03-01 11:30:00', NULL)")
	w.becomes(t, "SELECT n FROM per_window", "2")
	w.exec(t, `INSERT INTO clicks VALUES (4, 'bob', TIMESTAMP '2026-03-01 10:59:00', 'too "late"'), (4, 'bob', TIMESTAMP '2026-03-01 10:59:00', 'too "late"'),
		(5, 'robot', TIMESTAMP '2026-03-01 10:59:00', 'not counted'), (6, 'ann', TIMESTAMP '2026-03-01 11:01:00', 'in time')`)
	w.becomes(t, "SELECT `row`, window_end, weight FROM `per_window$late`",
		`{"id":4,"user_name":"bob","at":"2026-03-01 10:59:00.000","note":"too \"late\""} 2026-03-01T11:00:00 1`,
		`{"id":4,"user_name":"bob","at":"2026-03-01 10:59:00.000","note":"too \"late\""} 2026-03-01T11:00:00 1`)
	// A row equal to a late one, but in time, counts.
	w.exec(t, "INSERT INTO clicks VALUES (7, 'ann', TIMESTAMP '2026-03-01 12:30:00', '')")
	w.becomes(t, "SELECT n FROM per_window", "2", "2")
	w.exec(t, "CALL sys.create_cut_tag('t')")
	for _, tag := range []string{"", "t"} {
		if r := w.verified(t, "insert-into_default.per_window", tag); r.Answer != lineage.Equal || r.Rows != 2 {
			t.Errorf("tag %q: %+v", tag, r)
		}
	}
}

// A row of several windows is late for those that are written, and counts in the others.
func TestLateForSomeWindows(t *testing.T) {
	w := open(t, t.TempDir(), time.Now())
	w.exec(t, fmt.Sprintf(clicks, "TABLE(HOP(TABLE clicks, DESCRIPTOR(at), INTERVAL '30' MINUTE, INTERVAL '1' HOUR))"))
	w.exec(t, "INSERT INTO clicks VALUES (1, 'ann', TIMESTAMP '2026-03-01 10:40:00', 'a')")
	w.exec(t, "INSERT INTO clicks VALUES (2, 'ann', TIMESTAMP '2026-03-01 11:06:00', 'b')") // closes 10:00 to 11:00
	w.becomes(t, "SELECT window_end, n FROM per_window", "2026-03-01T11:00:00 1")
	w.exec(t, "INSERT INTO clicks VALUES (3, 'ann', TIMESTAMP '2026-03-01 10:45:00', 'c')") // in 10:00 and in 10:30
	w.becomes(t, "SELECT window_end FROM `per_window$late`", "2026-03-01T11:00:00")
	w.exec(t, "INSERT INTO clicks VALUES (4, 'ann', TIMESTAMP '2026-03-01 11:40:00', 'd')") // closes 10:30 to 11:30
	w.becomes(t, "SELECT window_end, n FROM per_window", "2026-03-01T11:00:00 1", "2026-03-01T11:30:00 3")
	if r := w.verified(t, "insert-into_default.per_window", ""); r.Answer != lineage.Equal {
		t.Errorf("%+v", r)
	}
}

// At the end of a bounded source no watermark comes any more: what is open then is written, also of windows over windows.
func TestWindowsEndWithTheirSource(t *testing.T) {
	files := t.TempDir()
	write := func(name string, lines ...string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(files, name), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.json", `{"id":1,"at":"2026-03-01 10:10:00"}`, `{"id":2,"at":"2026-03-01 10:50:00"}`, `{"id":3,"at":"2026-03-01 11:10:00"}`, `{"id":4,"at":"2026-03-01 11:20:00"}`)
	dir := t.TempDir()
	w := open(t, dir, time.Now())
	w.exec(t, fmt.Sprintf(`
		CREATE TABLE src (id INT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '1' MINUTE) WITH ('connector' = 'filesystem', 'path' = '%s', 'format' = 'json');
		CREATE TABLE hours (hour_end TIMESTAMP(3), n BIGINT);
		CREATE TABLE days (day_end TIMESTAMP(3), hours BIGINT, rows_of_day BIGINT);
		SET 'execution.runtime-mode' = 'streaming';
		INSERT INTO hours SELECT window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(at), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
		INSERT INTO days SELECT window_end, COUNT(*), SUM(n) FROM TABLE(TUMBLE(TABLE (
			SELECT window_time AS t, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(at), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, window_time
		), DESCRIPTOR(t), INTERVAL '1' DAY)) GROUP BY window_start, window_end;
		SET 'execution.runtime-mode' = 'batch'`, files))
	w.becomes(t, "SELECT hour_end, n FROM hours", "2026-03-01T11:00:00 2", "2026-03-01T12:00:00 2")
	w.becomes(t, "SELECT day_end, hours, rows_of_day FROM days", "2026-03-02T00:00:00 2 4")
	w.awaitEnd(t)
	for _, name := range []string{"insert-into_default.hours", "insert-into_default.days"} {
		if r := w.verified(t, name, ""); r.Answer != lineage.Equal {
			t.Errorf("%+v", r)
		}
	}
	// Resumed with more rows, the job goes on behind the windows it has written.
	write("b.json", `{"id":5,"at":"2026-03-01 11:30:00"}`, `{"id":6,"at":"2026-03-01 12:30:00"}`)
	if _, err := w.jobs.Restart(t.Context(), "insert-into_default.hours"); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "SELECT hour_end, n FROM hours", "2026-03-01T11:00:00 2", "2026-03-01T12:00:00 2", "2026-03-01T13:00:00 1")
	w.becomes(t, "SELECT `row` FROM `hours$late`", `{"id":5,"at":"2026-03-01 11:30:00.000"}`)
	if r := w.verified(t, "insert-into_default.hours", ""); r.Answer != lineage.Equal {
		t.Errorf("%+v", r)
	}
}

// awaitEnd waits until all jobs have finished.
func (w *warehouse) awaitEnd(t *testing.T) {
	t.Helper()
	for _, s := range w.jobs.List() {
		for deadline := time.Now().Add(20 * time.Second); s.State != job.Finished; time.Sleep(20 * time.Millisecond) {
			var err error
			if s, err = w.jobs.Show(s.ID); err != nil {
				t.Fatal(err)
			}
			if time.Now().After(deadline) {
				t.Fatalf("job %s is %s", s.Name, s.State)
			}
		}
	}
}
