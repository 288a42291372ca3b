package testpeer

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// requireEnv set to 1 makes a missing peer a failure.
const requireEnv = "WEIR_REQUIRE_PEERS"

// Missing ends the test because what is not there; fix is the command that brings it.
func Missing(t testing.TB, what, fix string) {
	t.Helper()
	if os.Getenv(requireEnv) == "1" {
		t.Fatalf("%s is missing: run %s", what, fix)
	}
	t.Skipf("%s is missing: run %s", what, fix)
}

// Root returns the checkout's root: the nearest folder above the test with a go.mod.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = up
	}
}

// Binary returns the path of a server built by scripts/tools.sh: the value of the
// environment variable env, or .cache/bin/name of the checkout.
func Binary(t testing.TB, env, name, fix string) string {
	t.Helper()
	path := os.Getenv(env)
	if path == "" {
		path = filepath.Join(Root(t), ".cache", "bin", name)
	}
	if _, err := os.Stat(path); err != nil {
		Missing(t, name+" ("+path+")", fix)
	}
	return path
}

// InPath returns the path of a program of the system.
func InPath(t testing.TB, name, fix string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, name, fix)
	}
	return path
}
