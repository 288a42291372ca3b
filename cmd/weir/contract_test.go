package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-lake/weir/internal/testpeer"
)

// contractSeconds bounds what schemathesis tries, besides starting it.
const contractSeconds = "50"

// contractChecks are what must hold of every answer: no fault of weir's own, and nothing that the contract does not say.
const contractChecks = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,unsupported_method"

// contractConfig gives the routes something that is there.
const contractConfig = `[parameters]
"path.db" = "default"
"path.table" = "flights"
`

// The demo's REST interface is what its own contract says, whatever is sent to it. Left out are the stream of events,
// which has no end, verify, which takes its time, and what would take the test's token or the demo's jobs away.
func TestRESTKeepsItsContract(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	peer := filepath.Join(testpeer.Root(t), ".cache", "peers", "schemathesis", "bin", "schemathesis")
	if _, err := os.Stat(filepath.Join(testpeer.Root(t), ".cache", "peers", ".schemathesis.stamp")); err != nil {
		testpeer.Missing(t, "schemathesis ("+peer+")", "scripts/peers.sh schemathesis")
	}
	dir := t.TempDir()
	warehouse := filepath.Join(dir, "warehouse")
	p := start(t, "quickstart", "--warehouse", warehouse, "--listen", "127.0.0.1:0", "--speed", "max", "--until", "2013-01-03 00:00:00")
	token, err := os.ReadFile(filepath.Join(warehouse, ".local", tokenFile))
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "schemathesis.toml")
	if err := os.WriteFile(config, []byte(contractConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--config-file", config, "run", p.url + "/openapi.json", "--header", "Authorization: Bearer " + strings.TrimSpace(string(token)),
		"--checks", contractChecks, "--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--seed", "7", "--no-shrink", "--continue-on-failure",
		"--request-timeout", "30", "--max-time", contractSeconds, "--workers", "2", "--no-color"}
	for _, left := range []string{"job-events", "verify", "revoke-token", "logout", "drop-job", "stop-job"} {
		args = append(args, "--exclude-operation-id", left)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, peer, args...)
	cmd.Dir = dir // where it keeps what it found
	out, err := cmd.CombinedOutput()
	text := string(out)
	_, summary, found := strings.Cut(text, " SUMMARY ")
	if !found {
		t.Fatalf("schemathesis: %v\n%s", err, text)
	}
	if strings.Contains(summary, "Failures:") || !strings.Contains(summary, "Test cases:") {
		_, failures, _ := strings.Cut(text, " FAILURES ")
		t.Errorf("%s", failures)
	}
	for _, line := range strings.Split(summary, "\n") {
		// Runtime errors are schemathesis's own, when its time is up while it makes a request; all others are no answer.
		if strings.Contains(line, "🚫") && strings.Contains(line, "Error") && !strings.Contains(line, "Runtime Error") {
			t.Errorf("%s\n%s", strings.TrimSpace(line), text)
		}
	}
	if strings.Contains(p.errs.String(), "request_panic") {
		t.Errorf("a handler panicked: %s", p.errs.String())
	}
	_, cases, _ := strings.Cut(summary, "Test cases:")
	t.Log(strings.TrimSpace(cases))
}
