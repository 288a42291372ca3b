package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weir-lake/weir/compute/job"
)

// asProgram makes the test binary behave as weir.
const asProgram = "WEIR_TEST_AS_PROGRAM"

// process is a weir of its own.
type process struct {
	cmd   *exec.Cmd
	url   string
	errs  lockedBuffer
	ready chan string   // the address, when it is printed; closed at the end of standard output
	ended chan struct{} // closed when it has ended
	state error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// launch starts weir. The test kills it at its end if it still runs.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(exe, args...), ready: make(chan string, 1), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stderr = &p.errs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		in := bufio.NewScanner(out)
		for in.Scan() {
			if url, ok := strings.CutPrefix(in.Text(), "ready "); ok {
				p.ready <- url
			}
		}
		close(p.ready)
		_, _ = io.Copy(io.Discard, out) // what follows a line too long to scan
		p.state = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGCONT) // it may have ended
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	return p
}

// start launches weir and waits until it is ready.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := launch(t, args...)
	select {
	case url, ok := <-p.ready:
		if !ok {
			<-p.ended
			t.Fatalf("weir %v: %v: %s", args, p.state, p.errs.String())
		}
		p.url = url
	case <-time.After(time.Minute):
		t.Fatalf("weir %v is not ready: %s", args, p.errs.String())
	}
	return p
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("signal %s: %v: %s", s, err, p.errs.String())
	}
}

// code waits for the end and gives the exit code.
func (p *process) code(t *testing.T, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		t.Fatalf("the process has not ended within %s: %s", limit, p.errs.String())
		return -1
	}
}

// settled waits until the replay served at the address has ended and every table has taken it in.
func settled(t *testing.T, url, data string, limit time.Duration) {
	t.Helper()
	c, err := serverFlags{Server: url, Data: data}.client()
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		var jobs listOf[job.Status]
		if _, err := c.ask(t.Context(), http.MethodGet, "/v1/jobs", nil, &jobs); err != nil {
			t.Fatal(err)
		}
		busy, seen := "", 0
		for _, j := range jobs.Items {
			seen++
			if j.Name == replayJob && j.State != job.Finished || j.Name != replayJob && (j.State != job.Running || j.Pending > 0) {
				busy = fmt.Sprintf("%s %s, %d pending, %s", j.Name, j.State, j.Pending, j.Error)
			}
		}
		if busy == "" && seen == 6 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not settled: %s (%d jobs)", busy, seen)
		}
	}
}

// equalsReference compares every table of the warehouse, which nobody serves, with plain DuckDB.
func equalsReference(t *testing.T, warehouse, until string) {
	t.Helper()
	e := testEngine(t, warehouse)
	if err := e.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.back.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	settle(t, e, time.Minute)
	openReference(t, filepath.ToSlash(filepath.Join(warehouse, "files", "flights"))).compare(t, e, until)
}

// restartMax is how long a service may take from its start until it serves, also after a kill.
const restartMax = 5 * time.Second

// A throttled replay that is killed again and again, at random moments of its start, work and recovery, and loses
// its data folder once, ends with the rows that plain DuckDB computes from the files.
func TestQuickstartSurvivesKills(t *testing.T) {
	if testing.Short() {
		t.Skip("kills take a minute")
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	kills, until := soakKills(t), soakUntil(t, "2013-01-20 00:00:00")
	warehouse := filepath.Join(t.TempDir(), "demo")
	args := []string{"quickstart", "--warehouse", warehouse, "--listen", "127.0.0.1:0", "--until", until, "--epoch", "200ms"}
	// Each life is 2.8 s on average: the replay outlasts all of them.
	speed := fmt.Sprint(int64(eventTime(t, until).Sub(yearStart).Seconds()) / int64(3*kills))
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d kills, until %s, speed %s", seed, kills, until, speed)
	random := rand.New(rand.NewPCG(seed, 0))
	var slowest time.Duration
	served := 0
	for i := range kills {
		begun := time.Now()
		p := launch(t, append(args, "--speed", speed)...)
		life := time.After(300*time.Millisecond + time.Duration(random.Int64N(int64(restartMax))))
		select {
		case _, ok := <-p.ready:
			if ok {
				slowest = max(slowest, time.Since(begun))
				served++
			}
			select {
			case <-life:
			case <-p.ended:
			}
		case <-life:
		}
		select {
		case <-p.ended:
			t.Fatalf("it ended by itself: %v: %s", p.state, p.errs.String())
		default:
		}
		p.signal(t, syscall.SIGKILL)
		<-p.ended
		if i == kills/2 {
			if err := os.RemoveAll(filepath.Join(warehouse, ".local")); err != nil {
				t.Fatal(err)
			}
		}
	}
	begun := time.Now()
	p := start(t, append(args, "--speed", "max")...)
	slowest = max(slowest, time.Since(begun))
	settled(t, p.url, filepath.Join(warehouse, ".local"), 4*time.Minute)
	p.signal(t, syscall.SIGTERM)
	if code := p.code(t, 6*time.Second); code != exitDone || p.errs.String() != "" {
		t.Errorf("exit %d after SIGTERM: %s", code, p.errs.String())
	}
	begun = time.Now()
	p = start(t, append(args, "--speed", "max")...)
	slowest = max(slowest, time.Since(begun))
	p.signal(t, syscall.SIGINT)
	if code := p.code(t, 6*time.Second); code != exitDone {
		t.Errorf("exit %d after SIGINT: %s", code, p.errs.String())
	}
	t.Logf("%d of %d starts came to serve before their kill; the slowest start took %s", served, kills, slowest.Round(time.Millisecond))
	if slowest > restartMax {
		t.Errorf("a start took %s, want %s at most", slowest, restartMax)
	}
	equalsReference(t, warehouse, until)
}

// A service that was stopped while another took its warehouse writes nothing when it wakes up, and ends saying why.
func TestServiceThatWasReplacedWritesNothing(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	const until = "2013-01-03 00:00:00"
	warehouse, other := filepath.Join(t.TempDir(), "demo"), t.TempDir()
	old := start(t, "quickstart", "--warehouse", warehouse, "--listen", "127.0.0.1:0", "--until", until, "--epoch", "100ms", "--speed", "40000")
	time.Sleep(2 * time.Second)
	old.signal(t, syscall.SIGSTOP)
	heir := start(t, "serve", "--warehouse", warehouse, "--data", other, "--listen", "127.0.0.1:0", "--epoch", "100ms")
	time.Sleep(time.Second)
	old.signal(t, syscall.SIGCONT)
	if code := old.code(t, 30*time.Second); code != exitFailed || !strings.Contains(old.errs.String(), "taken") {
		t.Errorf("exit %d, %q", code, old.errs.String())
	}
	settled(t, heir.url, other, time.Minute)
	heir.signal(t, syscall.SIGTERM)
	if code := heir.code(t, 30*time.Second); code != exitDone {
		t.Errorf("exit %d: %s", code, heir.errs.String())
	}
	equalsReference(t, warehouse, until)
}
