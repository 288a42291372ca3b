package testpeer

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const patience = 30 * time.Second

func startShell(t *testing.T, script string) *Process {
	t.Helper()
	p, err := Start(t, exec.Command("sh", "-c", script))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProcessIsKilled(t *testing.T) {
	p := startShell(t, "trap '' TERM; echo pid $$ ready; while :; do sleep 1; done")
	if err := p.WaitPrinted("ready", patience); err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.Fields(p.Output())[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("it does not run: %v", err)
	}
	p.Kill()
	p.Kill()
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("it still runs: %v", err)
	}
}

func TestProcessThatEnds(t *testing.T) {
	p := startShell(t, "echo went wrong >&2; exit 1")
	if err := p.WaitPrinted("ready", patience); err == nil || !strings.Contains(err.Error(), "it ended; it said: went wrong") {
		t.Errorf("got %v", err)
	}
}

func TestWaitListening(t *testing.T) {
	addr := FreeAddr(t)
	p := startShell(t, "exec sleep 60")
	if err := p.WaitListening(addr, 50*time.Millisecond); err == nil || !strings.Contains(err.Error(), addr) {
		t.Errorf("got %v", err)
	}
}

func TestOutputIsBounded(t *testing.T) {
	p := startShell(t, "yes | head -c 1000000; echo end; exec sleep 60")
	if err := p.WaitPrinted("end", patience); err != nil {
		t.Fatal(err)
	}
	out := p.Output()
	if len(out) > 2*outputBytesMax || !strings.HasSuffix(out, "y\nend\n") {
		t.Errorf("%d bytes kept, the end is %q", len(out), out[len(out)-10:])
	}
}
