package testpeer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// guard runs "$@" and kills it when the guard's own input ends. The input is a pipe
// that the test process holds, so a server ends with it, however it dies (time limit,
// kill -9). Background jobs of sh have no input, hence descriptor 3.
const guard = `exec 3<&0
"$@" 3<&- & pid=$!
(cat <&3 >/dev/null; kill -9 $pid) >/dev/null 2>&1 & watcher=$!
wait $pid
kill $watcher`

// outputBytesMax bounds the output kept for failure messages; up to twice as much is
// kept between two cuts.
const outputBytesMax = 64 << 10

// waitDelay is how long the output of a killed server's own children is waited for.
const waitDelay = time.Second

// Process is a server that a test runs.
type Process struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	exited chan struct{} // closed when the server has ended

	mu struct {
		sync.Mutex
		output []byte // the end of stdout and stderr
		watch  string
		seen   chan struct{} // closed when watch was printed
	}
}

// Start runs the command, which has neither input nor output set. It is killed at
// the test's end, or by Kill. Ready waits until it works.
func Start(t testing.TB, cmd *exec.Cmd) (*Process, error) {
	t.Helper()
	p := &Process{exited: make(chan struct{})}
	p.mu.seen = make(chan struct{})
	p.cmd = exec.Command("sh", append([]string{"-c", guard, "sh", cmd.Path}, cmd.Args[1:]...)...)
	p.cmd.Dir, p.cmd.Env = cmd.Dir, cmd.Env
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.WaitDelay = waitDelay
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, stdin.Close())
	}
	go func() {
		_ = p.cmd.Wait() // reports our own kill
		close(p.exited)
	}()
	t.Cleanup(p.Kill)
	return p, nil
}

// Write takes the process's output.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.output = append(p.mu.output, b...)
	p.checkLocked()
	if extra := len(p.mu.output) - outputBytesMax; extra > outputBytesMax {
		p.mu.output = append([]byte(nil), p.mu.output[extra:]...)
	}
	return len(b), nil
}

func (p *Process) checkLocked() {
	if p.mu.watch != "" && bytes.Contains(p.mu.output, []byte(p.mu.watch)) {
		close(p.mu.seen)
		p.mu.watch = ""
	}
}

// Output returns the end of what the process printed.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.mu.output)
}

// Kill ends the process as kill -9 does and waits. It may be called twice.
func (p *Process) Kill() {
	_ = p.stdin.Close() // the guard kills at the end of its input
	<-p.exited
}

// WaitPrinted waits until the process has printed text.
func (p *Process) WaitPrinted(text string, timeout time.Duration) error {
	p.mu.Lock()
	p.mu.watch = text
	p.checkLocked()
	p.mu.Unlock()
	select {
	case <-p.mu.seen:
		return nil
	case <-p.exited:
		return fmt.Errorf("it ended; it said: %s", p.Output())
	case <-time.After(timeout):
		return fmt.Errorf("it did not print %q in %s; it said: %s", text, timeout, p.Output())
	}
}

// WaitListening waits until something answers on the TCP address.
func (p *Process) WaitListening(addr string, timeout time.Duration) error {
	deadline := time.After(timeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.exited:
			return fmt.Errorf("it ended; it said: %s", p.Output())
		case <-deadline:
			return fmt.Errorf("it does not listen on %s after %s; it said: %s", addr, timeout, p.Output())
		case <-tick.C:
		}
		if c, err := net.Dial("tcp", addr); err == nil {
			return c.Close()
		}
	}
}

// FreeAddr returns an address of this machine that nobody listens on.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
