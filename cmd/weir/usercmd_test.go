package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-lake/weir/web/api"
)

func TestRolesUsersAndAuditOnTheCommandLine(t *testing.T) {
	p, _ := serveForTest(t)
	var made api.CreatedToken
	if err := json.Unmarshal([]byte(must(t, "", "--json", "token", "create", "dash", "--role", "reader", "--expires", "1h")), &made); err != nil || made.Role != "reader" || made.Expires == nil {
		t.Fatalf("%+v, %v", made, err)
	}
	must(t, "", "sql", "--server", p.url, "--token", made.Secret, "-e", "SELECT 1")
	code, _, errs := weir(t, "", "sql", "--server", p.url, "--token", made.Secret, "-e", "CREATE TABLE x (a INT)")
	if code != exitFailed || !strings.Contains(errs, "operator") {
		t.Errorf("a reader defines a table: exit %d, %q", code, errs)
	}
	if code, _, errs = weir(t, "", "token", "list", "--token", made.Secret); code != exitFailed || !strings.Contains(errs, "admin") {
		t.Errorf("a reader lists tokens: exit %d, %q", code, errs)
	}
	if out := must(t, "", "token", "list"); !strings.Contains(out, "dash") || !strings.Contains(out, "reader") || !strings.Contains(out, "never") {
		t.Errorf("%s", out)
	}

	if out := must(t, "correct horse\n", "user", "create", "ann", "--role", "writer"); !strings.Contains(out, "ann is a user now: writer") {
		t.Errorf("%s", out)
	}
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("battery staple\nnot this line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, "", "user", "password", "ann", "--password-file", file)
	must(t, "", "user", "role", "ann", "operator")
	if out := must(t, "", "user", "list"); !strings.Contains(out, "ann") || !strings.Contains(out, "operator") {
		t.Errorf("%s", out)
	}
	if code, _, errs = weir(t, "", "user", "create", "bob"); code != exitFailed || !strings.Contains(errs, "no password") {
		t.Errorf("without a password: exit %d, %q", code, errs)
	}
	if code, _, errs = weir(t, "short\n", "user", "create", "bob"); code != exitFailed || !strings.Contains(errs, "10") {
		t.Errorf("a short password: exit %d, %q", code, errs)
	}
	must(t, "", "user", "delete", "ann")

	if out := must(t, "", "audit", "--outcome", "denied"); !strings.Contains(out, "dash") || !strings.Contains(out, "CREATE TABLE x (a INT)") {
		t.Errorf("%s", out)
	}
	if out := must(t, "", "--json", "audit", "--search", "users"); strings.Contains(out, "staple") || strings.Contains(out, "horse") || !strings.Contains(out, "set-password") {
		t.Errorf("%s", out)
	}
	if out := must(t, "", "query", "list"); !strings.Contains(out, "done") || !strings.Contains(out, "dash") {
		t.Errorf("%s", out)
	}
}
