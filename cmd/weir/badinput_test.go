package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
)

// tryScript is the error of a script.
func tryScript(t *testing.T, e *engine, script string) error {
	t.Helper()
	r := &localScript{session: session.New(e.svc, session.Options{}), env: &tablecmd.Env{Note: io.Discard}, out: newPrinter(io.Discard, "jsonl")}
	return runAll(t.Context(), r, script)
}

// says checks that an error holds every text.
func says(t *testing.T, what string, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error lacks %q: %v", what, text, err)
		}
	}
}

// started is a running engine on a folder.
func started(t *testing.T, warehouse string) *engine {
	t.Helper()
	e := testEngine(t, warehouse)
	if err := e.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e
}

// stillServes checks that the engine takes and gives rows.
func stillServes(t *testing.T, e *engine) {
	t.Helper()
	name := fmt.Sprintf("alive%d", time.Now().UnixNano())
	runSQL(t, e, fmt.Sprintf("CREATE TABLE %s (k INT); INSERT INTO %s VALUES (7)", name, name))
	if got := jsonRows(t, e, "SET 'weir.consistency' = 'latest'; SELECT * FROM "+name); len(got) != 1 || got[0] != `{"k":7}` {
		t.Errorf("afterwards %v", got)
	}
}

func TestWrongSQLIsShownWhereItIs(t *testing.T) {
	e := started(t, t.TempDir())
	runSQL(t, e, "CREATE TABLE orders (id INT, amount DECIMAL(10, 2), customer STRING)")
	for _, c := range []struct {
		sql  string
		says []string
	}{
		{"SELECT id,\n       amuont\nFROM orders", []string{"line 2, column 8", "amuont", "amount"}},
		{"SELECT id\nFROM ordres", []string{"line 2, column 6", "ordres", "orders"}},
		{"SELECT o.idd FROM orders AS o", []string{"line 1, column 10", "'idd'", "did you mean id?"}},
		{"SELECT id FORM orders o p", []string{"line 1, column"}},
		{"SELECT id FROM orders WHERE (id > 1", []string{"line 1, column", ")"}},
		{"SELECT id\nFROM orders\nWHERE customer = 'open", []string{"line 3, column 18"}},
		{"SELECT COUTN(id) FROM orders", []string{"line 1, column 8", "COUTN", "COUNT"}},
		{"SELECT id FROM orders\nWHERE amount LIKE 3 + TRUE", []string{"line 2, column"}},
		{"SELECT id, SUM(amount) AS s FROM orders", []string{"line 1, column 8", "id", "GROUP BY"}},
		{"INSERT INTO orders (id, custmer) SELECT 1, 'x'", []string{"line 1, column 25", "custmer", "customer"}},
		{"SELECT 1;\nSELECT nope FROM orders", []string{"line 2, column 8", "nope"}},
		{"SET 'execution.epoch.max-rows' = '0'", []string{"execution.epoch.max-rows", "at least 1"}},
		{"CREATE TABLE k (v STRING) WITH ('connector' = 'kafak')", []string{"kafak", "kafka"}},
	} {
		says(t, c.sql, tryScript(t, e, c.sql), c.says...)
	}
	stillServes(t, e)
}

// deadAre waits for rows beside a table that could not be decoded, as "split position reason".
func deadAre(t *testing.T, e *engine, table string, want []string) {
	t.Helper()
	query := fmt.Sprintf("SET 'weir.consistency' = 'latest'; SELECT CONCAT(split, ' ', position, ' ', reason) AS d FROM `%s$dead_letter`", table)
	deadline := time.Now().Add(30 * time.Second)
	for {
		var got []string
		if tryScript(t, e, query) == nil { // the table is made at its first row
			got = jsonRows(t, e, query)
		}
		if len(got) == len(want) || time.Now().After(deadline) {
			text := strings.Join(got, "\n")
			for _, w := range want {
				if !strings.Contains(text, w) {
					t.Errorf("%s: no dead letter says %q:\n%s", table, w, text)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s: %d dead letters, want %d:\n%s", table, len(got), len(want), text)
			}
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Rows of files and topics that do not fit are kept beside the table with their place; the others go on.
func TestBadRowsOfFilesAndTopicsAreKeptWithTheirPlace(t *testing.T) {
	e := started(t, t.TempDir())
	dir := t.TempDir()
	file := filepath.Join(dir, "in.json")
	if err := os.WriteFile(file, []byte(`{"id": 1, "v": "a"}`+"\n"+`{"id": "many", "v": "b"}`+"\n"+`{"v": "no key"}`+"\n"+`{"id": 4, "v"`+"\n"+`{"id": 5, "v": "e"}`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "events"))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	kafka := fmt.Sprintf("'connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = '%s', 'scan.startup.mode' = 'earliest-offset'", strings.Join(broker.ListenAddrs(), ","))
	runSQL(t, e, fmt.Sprintf(`
		CREATE TABLE from_file (id INT NOT NULL, v STRING) WITH ('connector' = 'filesystem', 'path' = '%s', 'format' = 'json');
		CREATE TABLE raw_topic (v STRING) WITH (%s, 'format' = 'raw');
		INSERT INTO raw_topic VALUES ('{"id": 1, "v": "a"}');
		INSERT INTO raw_topic VALUES ('this is no JSON');
		INSERT INTO raw_topic VALUES ('{"id": [2]}');
		INSERT INTO raw_topic VALUES ('{"id": 5, "v": "e"}');
		CREATE TABLE from_topic (id INT NOT NULL, v STRING) WITH (%s, 'format' = 'json');
		CREATE TABLE kept_file (id INT, v STRING, PRIMARY KEY (id) NOT ENFORCED);
		CREATE TABLE kept_topic (id INT, v STRING, PRIMARY KEY (id) NOT ENFORCED);
		SET 'execution.runtime-mode' = 'streaming';
		SET 'weir.freshness' = '100ms';
		INSERT INTO kept_file SELECT * FROM from_file;
		INSERT INTO kept_topic SELECT * FROM from_topic`, file, kafka, kafka))
	good := []string{`{"id":1,"v":"a"}`, `{"id":5,"v":"e"}`}
	becomes(t, e, "SET 'weir.consistency' = 'latest'; SELECT * FROM kept_file", good)
	becomes(t, e, "SET 'weir.consistency' = 'latest'; SELECT * FROM kept_topic", good)
	deadAre(t, e, "kept_file", []string{file + " line 2 column id", file + " line 3", file + " line 4 malformed JSON"})
	deadAre(t, e, "kept_topic", []string{"events/0 offset 2 malformed JSON", "events/0 offset 4 column id: expected INT"})
	for _, j := range e.jobs.List() {
		if j.State == job.Failed || j.State == job.Failing {
			t.Errorf("%s: %s", j.Name, j.Error)
		}
	}
	stillServes(t, e)
}

// A damaged table is named by query and job; everything else goes on, and the job too once the file is back.
func TestDamagedTableStopsOnlyWhatReadsIt(t *testing.T) {
	for _, c := range []struct{ name, glob string }{
		{"truncated data file", "bucket-0/data-*.parquet"},
		{"missing manifest", "manifest/manifest-[0-9a-f]*-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			warehouse := t.TempDir()
			e := started(t, warehouse)
			runSQL(t, e, "CREATE TABLE src (k INT, v BIGINT); INSERT INTO src VALUES (1, 10), (2, 5)")
			files, err := filepath.Glob(filepath.Join(warehouse, "default.db/src", c.glob))
			if err != nil || len(files) == 0 {
				t.Fatal(files, err)
			}
			whole, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(files[0], ".parquet") {
				err = os.Truncate(files[0], int64(len(whole)/2))
			} else {
				err = os.Remove(files[0])
			}
			if err != nil {
				t.Fatal(err)
			}
			err = tryScript(t, e, "SELECT SUM(v) AS s FROM src")
			says(t, c.name, err, filepath.Base(files[0]))
			if k := errkind.Of(err); k != errkind.Corrupt && k != errkind.Unavailable {
				t.Errorf("kind %s: %v", k, err)
			}
			runSQL(t, e, "CREATE MATERIALIZED TABLE sums AS SELECT k, SUM(v) AS s FROM src GROUP BY k")
			j := awaitFailure(t, e, "default.sums")
			says(t, "the job", errors.New(j.Error), filepath.Base(files[0]))
			stillServes(t, e)
			if err := os.WriteFile(files[0], whole, 0o644); err != nil {
				t.Fatal(err)
			}
			if j, err = e.jobs.Show("default.sums"); err == nil && j.State == job.Failed {
				_, err = e.jobs.Restart(t.Context(), j.ID)
			}
			if err != nil {
				t.Fatal(err)
			}
			becomes(t, e, "SET 'weir.consistency' = 'latest'; SELECT * FROM sums", []string{`{"k":1,"s":10}`, `{"k":2,"s":5}`})
		})
	}
}

func awaitFailure(t *testing.T, e *engine, name string) job.Status {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		j, err := e.jobs.Show(name)
		if err != nil {
			t.Fatal(err)
		}
		if j.Error != "" {
			return j
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s without an error", name, j.State)
		}
	}
}

// A folder that holds something else is not touched, whatever is asked of it.
func TestFolderThatIsNoWarehouse(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "photos"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "letter.txt")
	if err := os.WriteFile(file, []byte("Dear"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		where string
		says  []string
	}{
		{dir, []string{"not a warehouse", "photos"}},
		{file, []string{"letter.txt"}},
		{"ftp://host/x", []string{"unknown scheme"}},
	} {
		for _, args := range [][]string{
			{"sql", "--warehouse", c.where, "-e", "SELECT 1"},
			{"serve", "--warehouse", c.where, "--data", filepath.Join(t.TempDir(), "data"), "--listen", "127.0.0.1:0"},
		} {
			code, _, errs := weir(t, "", args...)
			if code != exitFailed {
				t.Errorf("weir %v: exit %d", args, code)
			}
			says(t, strings.Join(args, " "), errors.New(errs), c.says...)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the folder was changed: %v %v", entries, err)
	}
}
