package duck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/weir-lake/weir/compute/duck/internal/wire"
	"github.com/weir-lake/weir/internal/errkind"
)

const (
	// startTimeout bounds a worker's start: 50 ms on an idle machine, seconds when
	// many start at once on a loaded one.
	startTimeout = 30 * time.Second
	// stderrKept is how much of a worker's last words is kept, in bytes.
	stderrKept = 8 << 10
	// duckShare is DuckDB's part of a worker's memory, in percent; the rest is for
	// Arrow batches, Go code and allocations that DuckDB does not count.
	duckShare = 60
)

// process is one worker process.
type process struct {
	cmd    *exec.Cmd
	w      *wire.Writer
	frames chan wire.Frame // from the worker; closed when it has gone
	stderr *tail
	dir    string        // its temporary directory
	limit  int64         // memory in bytes, for messages
	fresh  bool          // it was started for the query it is given now; used by whoever holds it
	dead   chan struct{} // closed by the first kill
	exited chan struct{} // closed after Wait; then state may be read

	mu struct {
		sync.Mutex
		killed     bool
		killReason string
		exitErr    error
	}
}

// startProcess starts a worker and waits until it is ready.
func startProcess(ctx context.Context, o Options) (*process, error) {
	if err := os.MkdirAll(o.TempDir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory for worker files: %w", err)
	}
	dir, err := os.MkdirTemp(o.TempDir, "weir-duck-")
	if err != nil {
		return nil, fmt.Errorf("make directory for worker files: %w", err)
	}
	p := &process{
		stderr: &tail{}, dir: dir, limit: o.MemoryBytes,
		dead: make(chan struct{}), exited: make(chan struct{}), frames: make(chan wire.Frame),
	}
	if err := p.spawn(o); err != nil {
		_ = os.RemoveAll(dir)
		return nil, errkind.Errorf(errkind.Unavailable, "start query worker %s: %w", o.Command[0], err)
	}
	setup := wire.SetupMsg{
		MemoryBytes: o.MemoryBytes, DuckBytes: o.MemoryBytes / 100 * duckShare,
		Threads: o.Threads, TempDir: dir, TempBytesMax: o.TempBytesMax, Dirs: o.Dirs,
	}
	if err := p.w.WriteJSON(wire.Setup, 0, setup); err != nil {
		p.kill("it could not be set up")
		<-p.exited
		return nil, p.death("set up query worker")
	}
	return p, p.awaitReady(ctx)
}

func (p *process) spawn(o Options) error {
	p.cmd = exec.Command(o.Command[0], o.Command[1:]...)
	if o.Command[0] == selfLink {
		p.cmd.Args[0] = os.Args[0] // for people who list processes
	}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "TZ=UTC"}, o.Env...)
	p.cmd.Dir = p.dir
	p.cmd.Stderr = p.stderr
	// A group of its own: a terminal's Ctrl-C goes to the parent, which decides.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return err
	}
	// Not StdoutPipe: Wait would close it under the reading goroutine.
	out, outW, err := os.Pipe()
	if err != nil {
		return err
	}
	p.cmd.Stdout = outW
	err = p.cmd.Start()
	_ = outW.Close()
	if err != nil {
		_ = out.Close()
		return err
	}
	p.w = wire.NewWriter(in)
	go p.read(out)
	return nil
}

// read hands on frames until the worker's end, then reaps it.
func (p *process) read(out *os.File) {
	r := wire.NewReader(out)
	var readErr error
	for {
		f, err := r.Next()
		if err != nil {
			readErr = err
			break
		}
		select {
		case p.frames <- f:
		case <-p.dead: // nobody reads answers of a killed worker
		}
	}
	if readErr != io.EOF && !errors.Is(readErr, io.ErrUnexpectedEOF) {
		p.kill("its answer was not understood: " + readErr.Error())
	}
	err := p.cmd.Wait()
	_ = out.Close()
	_ = os.RemoveAll(p.dir)
	p.mu.Lock()
	p.mu.exitErr = err
	p.mu.Unlock()
	close(p.exited)
	close(p.frames)
}

func (p *process) awaitReady(ctx context.Context) error {
	timer := time.NewTimer(startTimeout)
	defer timer.Stop()
	reason := ""
	select {
	case f, ok := <-p.frames:
		switch {
		case ok && f.Kind == wire.Ready:
			return nil
		case ok && f.Kind == wire.Failed:
			var msg wire.FailedMsg
			if err := f.Decode(&msg); err != nil {
				msg.Text = err.Error()
			}
			reason = msg.Text
		case ok:
			reason = fmt.Sprintf("it answered with frame %d before it was ready", f.Kind)
		}
	case <-timer.C:
		reason = fmt.Sprintf("it was not ready after %s", startTimeout)
	case <-ctx.Done():
		p.kill("nobody waits for it")
		p.drain()
		return errorOf(ctx, "start query worker")
	}
	p.kill(reason)
	p.drain()
	return p.death("start query worker")
}

// drain takes frames nobody waits for until the worker is gone.
func (p *process) drain() {
	for range p.frames {
	}
}

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// kill ends the process and its children at once. The first reason given stays.
func (p *process) kill(reason string) {
	p.mu.Lock()
	if !p.mu.killed {
		p.mu.killed, p.mu.killReason = true, reason
		close(p.dead)
	}
	p.mu.Unlock()
	if p.alive() {
		// The group may be gone already, which is what we want.
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
}

// death is the error of a query whose worker is gone, after exited.
func (p *process) death(doing string) error {
	p.mu.Lock()
	reason, exitErr := p.mu.killReason, p.mu.exitErr
	p.mu.Unlock()
	words := p.stderr.String()
	switch {
	case outOfMemory(words):
		return errkind.Errorf(errkind.Exhausted, "%s: the worker reached its memory limit of %d bytes and ended; ask for less or raise the limit", doing, p.limit)
	case reason != "":
		return errkind.Errorf(errkind.Unavailable, "%s: the worker was killed: %s (%s)", doing, reason, lastLine(words))
	case killedByOS(exitErr):
		return errkind.Errorf(errkind.Exhausted, "%s: the worker was killed by the operating system (%v), most likely for memory", doing, exitErr)
	default:
		return errkind.Errorf(errkind.Bug, "%s: the worker ended by itself (%v): %s", doing, exitErr, lastLine(words))
	}
}

func outOfMemory(words string) bool {
	for _, s := range []string{"out of memory", "cannot allocate memory", "std::bad_alloc", "Out of memory", "errno=12", "pthread_create failed", "new OS thread"} {
		if bytes.Contains([]byte(words), []byte(s)) {
			return true
		}
	}
	return false
}

func killedByOS(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	ws, ok := exit.Sys().(syscall.WaitStatus)
	return ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL
}

// lastLine is the first line of the last words: a Go or C++ crash says why first.
func lastLine(words string) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace([]byte(words)), []byte("\n"))
	if len(line) == 0 {
		return "no last words"
	}
	return string(line)
}

// tail keeps the first stderrKept bytes after the last quiet moment: crashes print
// the reason first and goroutines after it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := stderrKept - len(t.buf); room > 0 {
		t.buf = append(t.buf, b[:min(room, len(b))]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

// reset forgets what was said during an earlier query.
func (t *tail) reset() {
	t.mu.Lock()
	t.buf = t.buf[:0]
	t.mu.Unlock()
}
