package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// weir runs a command line in this process.
func weir(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

// must runs a command that succeeds and leaves stderr empty.
func must(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	code, out, errs := weir(t, stdin, args...)
	if code != exitDone || errs != "" {
		t.Fatalf("weir %v: exit %d, stderr %q", args, code, errs)
	}
	return out
}

func wants(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}

func newTable(t *testing.T, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "t")
	must(t, "", append([]string{"table", "create", path, "--column", "id BIGINT", "--column", "name STRING", "--column", "price DECIMAL(8, 2)"}, args...)...)
	return path
}

func TestTableLife(t *testing.T) {
	path := newTable(t, "--primary-key", "id", "--option", "bucket=2", "--comment", "a table")
	wants(t, "empty", must(t, "", "table", "cat", path), "")
	rows := `{"id":1,"name":"Ada","price":"1.50"}
{"id":2,"name":"Grace","price":"2.00"}
`
	wants(t, "write", must(t, rows, "table", "write", path, "--rows", "-"), "2 rows in snapshot 1\n")
	file := filepath.Join(t.TempDir(), "rows.jsonl")
	if err := os.WriteFile(file, []byte(`{"_kind":"-D","id":2}
{"_kind":"+I","id":3,"name":"Edsger","price":"3.25"}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, "write", must(t, "", "--json", "table", "write", path, "--rows", file), `{"rows":2,"snapshot":2}`+"\n")
	sorted := func(s string) string {
		lines := strings.Split(strings.TrimSpace(s), "\n")
		if len(lines) == 2 && lines[0] > lines[1] {
			lines[0], lines[1] = lines[1], lines[0]
		}
		return strings.Join(lines, "\n")
	}
	wants(t, "newest", sorted(must(t, "", "table", "cat", path)), `{"id":1,"name":"Ada","price":"1.50"}`+"\n"+`{"id":3,"name":"Edsger","price":"3.25"}`)
	wants(t, "snapshot 1", sorted(must(t, "", "table", "cat", path, "--snapshot", "1")), strings.TrimSpace(rows))
	wants(t, "columns and condition", must(t, "", "table", "cat", path, "--columns", "name,id,name", "--where", "price > 2 AND id <> 7"), `{"name":"Edsger","id":3,"name":"Edsger"}`+"\n")
	wants(t, "tag", must(t, "", "table", "tag", path, "first", "--snapshot", "1"), "tag first is snapshot 1\n")
	wants(t, "tags", must(t, "", "table", "tag", path), "first\tsnapshot 1\n")
	wants(t, "by tag", sorted(must(t, "", "table", "cat", path, "--tag", "first")), strings.TrimSpace(rows))
	must(t, "", "table", "compact", path, "--full")
	wants(t, "verify", must(t, "", "table", "verify", path)[:12], "5 versions, ")
	must(t, "", "table", "rollback", path, "--tag", "first")
	wants(t, "rolled back", sorted(must(t, "", "table", "cat", path)), strings.TrimSpace(rows))
	wants(t, "untag", must(t, "", "table", "tag", path, "first", "--delete"), "deleted tag first\n")
}

func TestChangelog(t *testing.T) {
	path := newTable(t, "--primary-key", "id")
	must(t, `{"id":1,"name":"a"}`, "table", "write", path, "--rows", "-")
	must(t, `[{"id":1,"name":"b"},{"_kind":"-D","id":2}]`, "table", "write", path, "--rows", "-")
	wants(t, "changelog", must(t, "", "table", "cat", path, "--changelog", "--from", "2", "--columns", "id,name"),
		`{"_snapshot":2,"_kind":"+I","id":1,"name":"b"}`+"\n"+`{"_snapshot":2,"_kind":"-D","id":2,"name":null}`+"\n")
	code, _, errs := weir(t, "", "table", "cat", path, "--changelog", "--from", "0", "--snapshot", "1")
	if code != exitFailed || !strings.Contains(errs, "--from N") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

// A reader that follows sees what is committed later, and ends when interrupted.
func TestChangelogFollow(t *testing.T) {
	path := newTable(t, "--primary-key", "id")
	must(t, `{"id":1}`, "table", "write", path, "--rows", "-")
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"table", "cat", path, "--changelog", "--follow", "--columns", "id"}, nil, w, io.Discard)
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	for i, want := range []string{`{"_snapshot":1,"_kind":"+I","id":1}`, `{"_snapshot":2,"_kind":"+I","id":2}`} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("line %d: %q, %v", i, lines.Text(), lines.Err())
		}
		if i == 0 {
			must(t, `{"id":2}`, "table", "write", path, "--rows", "-")
		}
	}
	cancel()
	if lines.Scan() {
		t.Errorf("more: %q", lines.Text())
	}
	if c := <-code; c != exitDone {
		t.Errorf("exit %d", c)
	}
}

func TestOverwriteReplacesWhatTheRowsTouch(t *testing.T) {
	path := newTable(t, "--partitioned-by", "name")
	must(t, `{"id":1,"name":"a"}`+"\n"+`{"id":2,"name":"b"}`, "table", "write", path, "--rows", "-")
	must(t, `{"id":3,"name":"b"}`, "table", "write", path, "--rows", "-", "--overwrite")
	wants(t, "rows", must(t, "", "table", "cat", path, "--columns", "id", "--where", "name = 'b'"), `{"id":3}`+"\n")
	wants(t, "rows", must(t, "", "table", "cat", path, "--columns", "id", "--where", "name = 'a'"), `{"id":1}`+"\n")
}

func TestFilesAndExpireAsJSON(t *testing.T) {
	path := newTable(t, "--primary-key", "id")
	for _, id := range []string{"1", "2", "3"} {
		must(t, `{"id":`+id+`}`, "table", "write", path, "--rows", "-")
	}
	var file struct {
		Level, Rows int
		MinKey      []int64
		RowGroups   []any
	}
	line, _, _ := strings.Cut(must(t, "", "--json", "table", "files", path, "--pages"), "\n")
	if err := json.Unmarshal([]byte(line), &file); err != nil || file.Rows != 1 || len(file.RowGroups) != 1 || len(file.MinKey) != 1 {
		t.Errorf("%s: %+v, %v", line, file, err)
	}
	var done struct{ Snapshots []int }
	for _, dry := range []string{"--dry-run", ""} {
		args := []string{"--json", "table", "expire", path, "--retain-min", "1", "--retain-max", "1"}
		if dry != "" {
			args = append(args, dry)
		}
		if err := json.Unmarshal([]byte(must(t, "", args...)), &done); err != nil || len(done.Snapshots) != 2 {
			t.Errorf("%s: %+v, %v", dry, done, err)
		}
	}
	code, _, errs := weir(t, "", "table", "cat", path, "--snapshot", "1")
	if code != exitFailed || !strings.Contains(errs, "it has snapshots 3 to 3") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

func TestErrorsSayWhatWhereAndWhatToDo(t *testing.T) {
	path := newTable(t, "--primary-key", "id")
	empty := t.TempDir()
	for _, c := range []struct {
		code  int
		stdin string
		want  []string
		args  []string
	}{
		{exitUsage, "", []string{"<path>", "weir --help"}, []string{"table", "cat"}},
		{exitUsage, "", []string{"unknown flag", "--nope"}, []string{"table", "cat", path, "--nope"}},
		{exitUsage, "", []string{"weir --help"}, []string{"tabel"}},
		{exitFailed, "", []string{empty, "there is no table", "weir table create"}, []string{"table", "cat", empty}},
		{exitFailed, "", []string{"snapshot 4", "no snapshot"}, []string{"table", "cat", path, "--snapshot", "4"}},
		{exitFailed, "", []string{"--columns", "nam", "id, name, price"}, []string{"table", "cat", path, "--columns", "nam"}},
		{exitFailed, "", []string{"--columns", "_ROW_ID"}, []string{"table", "cat", path, "--columns", "_ROW_ID"}},
		{exitFailed, "", []string{"--where", "line 1, column"}, []string{"table", "cat", path, "--where", "id >"}},
		{exitFailed, "", []string{"--where", "nam"}, []string{"table", "cat", path, "--where", "nam = 'x'"}},
		{exitFailed, "", []string{"--timestamp", "noon"}, []string{"table", "cat", path, "--timestamp", "noon"}},
		{exitFailed, `{"id":1}` + "\n" + `{"id":"x"}`, []string{"stdin", "row 1", "id", "BIGINT", "nothing was written"}, []string{"table", "write", path, "--rows", "-"}},
		{exitFailed, `{"name":"no key"}`, []string{"stdin", "id"}, []string{"table", "write", path, "--rows", "-"}},
		{exitFailed, `{"id":1,"nam":"x"}`, []string{"stdin", "nam"}, []string{"table", "write", path, "--rows", "-"}},
		{exitFailed, "", []string{"/none.jsonl"}, []string{"table", "write", path, "--rows", "/none.jsonl"}},
		{exitFailed, "", []string{"exists already"}, []string{"table", "create", path, "--column", "id INT"}},
		{exitFailed, "", []string{"--column", "FOO"}, []string{"table", "create", empty, "--column", "id FOO"}},
		{exitFailed, "", []string{"'bucket' = '-1'"}, []string{"table", "create", empty, "--column", "id INT", "--primary-key", "id", "--option", "bucket=-1"}},
		{exitFailed, "", []string{"secret", "${env:NAME}"}, []string{"table", "create", empty, "--column", "id INT", "--option", "s3.secret-key=abc"}},
		{exitFailed, "", []string{"say where to"}, []string{"table", "rollback", path}},
		{exitFailed, "", []string{`tag "none"`}, []string{"table", "tag", path, "none", "--delete"}},
	} {
		code, out, errs := weir(t, c.stdin, c.args...)
		if code != c.code || out != "" || !strings.HasPrefix(errs, "error: ") || strings.Count(errs, "\n") != 1 {
			t.Errorf("weir %v: exit %d, stdout %q, stderr %q", c.args, code, out, errs)
		}
		for _, w := range c.want {
			if !strings.Contains(errs, w) {
				t.Errorf("weir %v: %q lacks %q", c.args, errs, w)
			}
		}
	}
}

func TestVerifyFailsOnADamagedTable(t *testing.T) {
	path := newTable(t)
	must(t, `{"id":1}`, "table", "write", path, "--rows", "-")
	files, err := filepath.Glob(path + "/bucket-0/*.parquet")
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.Truncate(files[0], 100); err != nil {
		t.Fatal(err)
	}
	code, out, errs := weir(t, "", "table", "verify", path)
	if code != exitFailed || !strings.Contains(out, "100 bytes") || !strings.Contains(errs, "1 problems") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	code, _, errs = weir(t, "", "table", "cat", path)
	if code != exitFailed || !strings.Contains(errs, filepath.Base(files[0])) {
		t.Errorf("exit %d, %q", code, errs)
	}
}

func TestHelpAndVersion(t *testing.T) {
	code, out, errs := weir(t, "", "table", "cat", "--help")
	if code != exitDone || !strings.Contains(out, "--where=SQL") || errs != "" {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	if out := must(t, "", "version"); !strings.HasPrefix(out, "weir ") {
		t.Errorf("%q", out)
	}
}

func TestInterruptIsAnError(t *testing.T) {
	path := newTable(t)
	must(t, `{"id":1}`, "table", "write", path, "--rows", "-")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	if code := run(ctx, []string{"table", "cat", path}, nil, &out, &errs); code != exitFailed || !strings.Contains(errs.String(), "interrupted") {
		t.Errorf("exit %d, %q", code, errs.String())
	}
}
