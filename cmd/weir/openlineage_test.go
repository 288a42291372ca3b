package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-lake/weir/internal/testpeer"
	"github.com/weir-lake/weir/lineage/openlineage"
)

// told starts a service that writes OpenLineage events, gives it work, ends it, and returns the file.
func told(t *testing.T) string {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	warehouse, file := t.TempDir(), filepath.Join(t.TempDir(), "events.jsonl")
	p := start(t, "serve", "--warehouse", warehouse, "--listen", "127.0.0.1:0", "--epoch", "100ms", "--openlineage", file)
	t.Setenv("WEIR_SERVER", p.url)
	must(t, "", "sql", "--server", p.url, "-e", `CREATE TABLE a (id INT, name STRING, v DECIMAL(10, 2));
		CREATE TABLE b (name STRING, n BIGINT, s DECIMAL(38, 2), PRIMARY KEY (name) NOT ENFORCED);
		CREATE TABLE copy (id INT, name STRING);
		CREATE TABLE hurt (v INT);
		INSERT INTO a VALUES (1, 'x', 1.5), (2, 'y', 2), (3, 'x', 0.25);
		INSERT INTO copy SELECT id, UPPER(name) FROM a WHERE v > 1`)
	must(t, "", "job", "create", "--name", "counts", "-e", "INSERT INTO b SELECT name, COUNT(*), SUM(v) FROM a WHERE id > 0 GROUP BY name", "--option", "execution.runtime-mode=streaming")
	must(t, "", "job", "create", "--name", "hurts", "-e", "INSERT INTO hurt SELECT CAST(name AS INT) FROM a", "--option", "execution.runtime-mode=streaming")
	eventually(t, `{"name":"x","n":2,"s":"1.75"}`, "sql", "--server", p.url, "--format", "jsonl", "-e", "SELECT * FROM b")
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), `"name":"counts"`) && strings.Contains(string(data), `"FAIL"`) && strings.Contains(string(data), `"BATCH"`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("events: %s", data)
		}
	}
	must(t, "", "job", "drop", "hurts")
	p.signal(t, syscall.SIGTERM)
	if code := p.code(t, 30*time.Second); code != exitDone {
		t.Fatalf("serve: exit %d, %s", code, p.errs.String())
	}
	return file
}

// The events of a service are taken by the client that others use, which sends on what it was given, and are valid by
// the official schemas where those could be fetched.
func TestOpenLineageClientTakesTheEvents(t *testing.T) {
	const fix = "scripts/peers.sh openlineage"
	root := testpeer.Root(t)
	python := filepath.Join(root, ".cache/peers/openlineage/bin/python")
	if _, err := os.Stat(python); err != nil {
		testpeer.Missing(t, "openlineage-python", fix)
	}
	file := told(t)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want []any
	seen := map[string][]openlineage.EventType{}
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		var e openlineage.Event
		var whole any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(line), &whole); err != nil {
			t.Fatal(err)
		}
		want = append(want, whole)
		seen[e.Job.Name] = append(seen[e.Job.Name], e.EventType)
	}
	wantSeen := map[string][]openlineage.EventType{"counts": {openlineage.Start, openlineage.Complete}, "hurts": {openlineage.Start, openlineage.Fail},
		"default.copy by first": {openlineage.Start, openlineage.Complete}}
	if diff := cmp.Diff(wantSeen, seen); diff != "" {
		t.Error(diff)
	}

	var mu sync.Mutex
	var got []any
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var e map[string]any
		if err == nil {
			err = json.Unmarshal(body, &e)
		}
		if run, ok := e["run"].(map[string]any); ok {
			delete(run["facets"].(map[string]any), "tags") // in which the client names itself
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil || r.URL.Path != "/api/v1/lineage" {
			t.Errorf("%s: %v: %s", r.URL, err, body)
		}
		got = append(got, e)
		w.WriteHeader(http.StatusCreated)
	}))
	defer server.Close()
	args := []string{filepath.Join(root, "interop/python/lineageevents.py"), file, server.URL}
	if spec := filepath.Join(root, ".cache/peers/openlineage-spec"); fileExists(filepath.Join(spec, "2-0-2/OpenLineage.json")) {
		args = append(args, spec)
	} else {
		t.Logf("without the official schemas: %s fetches them", fix)
	}
	cmd := exec.CommandContext(t.Context(), python, args...)
	cmd.Env = append(os.Environ(), "PYTHONPATH=", "OPENLINEAGE_DISABLED=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// What is wrong is refused, so that the run above says something.
	for from, to := range map[string]string{`"runId":"`: `"runId":"x`, `"eventType":"START"`: `"eventType":"BEGIN"`, `"datasetVersion":`: `"datasetVersions":`} {
		wrong := filepath.Join(t.TempDir(), "wrong")
		if err := os.WriteFile(wrong, []byte(strings.ReplaceAll(string(data), from, to)), 0o644); err != nil {
			t.Fatal(err)
		}
		args := append([]string{args[0], wrong, "http://127.0.0.1:1"}, args[3:]...)
		if out, err := exec.CommandContext(t.Context(), python, args...).CombinedOutput(); err == nil || strings.Contains(string(out), "127.0.0.1") {
			t.Errorf("%s instead of %s is taken: %s", to, from, out)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(full(want), full(got)); diff != "" {
		t.Errorf("the client sent something else: %s", diff)
	}
}

// full is a value without empty members, which the client adds and leaves out as it likes.
func full(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			member = full(member)
			if m, ok := member.(map[string]any); ok && len(m) == 0 {
				continue
			}
			if l, ok := member.([]any); ok && len(l) == 0 {
				continue
			}
			out[name] = member
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, full(e))
		}
		return out
	}
	return v
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
