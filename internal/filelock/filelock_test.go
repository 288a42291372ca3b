package filelock

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-lake/weir/internal/errkind"
)

const childEnv = "FILELOCK_TEST_PATH"

// TestMain runs this binary as the second process when childEnv is set.
func TestMain(m *testing.M) {
	path := os.Getenv(childEnv)
	if path == "" {
		os.Exit(m.Run())
	}
	if _, err := Acquire(path); err != nil {
		fmt.Println(err)
		os.Exit(3)
	}
	fmt.Println("acquired")
	select {} // until killed
}

func second(t *testing.T, path string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Fatalf("second process: want refusal, got %v, output %q", err, out)
	}
	return string(out)
}

func TestSecondProcessLearnsHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("in use by process %d", os.Getpid())
	if got := second(t, path); !strings.HasSuffix(strings.TrimSpace(got), want) {
		t.Errorf("refusal %q, want suffix %q", got, want)
	}
	if err := l.SetAddress("http://127.0.0.1:8480"); err != nil {
		t.Fatal(err)
	}
	if got := second(t, path); !strings.Contains(got, want+" at http://127.0.0.1:8480") {
		t.Errorf("refusal %q does not name the address", got)
	}
	_, err = Acquire(path)
	var held *HeldError
	if !errors.As(err, &held) || held.Holder.PID != os.Getpid() || errkind.Of(err) != errkind.Conflict {
		t.Errorf("second Acquire in this process: %v", err)
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	again, err := Acquire(path)
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestKilledOwnerLocksNobodyOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(path); !errkind.Is(err, errkind.Conflict) {
		t.Errorf("while the child lives: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // reports the kill
	l, err := Acquire(path)
	if err != nil {
		t.Fatalf("after kill -9: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAcquireWhereNoFolderIs(t *testing.T) {
	if _, err := Acquire(filepath.Join(t.TempDir(), "none", "lock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestHolderOfDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.WriteFile(path, []byte("{half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(path); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v", err)
	}
}
