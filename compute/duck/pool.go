package duck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
)

// Options configure a Pool. The zero value works.
type Options struct {
	// Workers is the number of processes, and so of queries that run at once.
	// Zero means one more than the cores: a query that waits for its
	// reader leaves a core to another.
	Workers int
	// MemoryBytes bounds the data of one worker process. Zero means 1 GiB. DuckDB
	// gets part of it and spills above that.
	MemoryBytes int64
	// Threads is the number of DuckDB's threads in a worker. Zero means the cores.
	Threads int
	// TempDir is where workers spill, each in a directory of its own that is removed
	// with it. Empty means the system's directory for temporary files.
	TempDir string
	// TempBytesMax bounds what one worker spills. Zero means 16 GiB.
	TempBytesMax int64
	// Dirs are the directories (warehouse, file cache) whose files queries usually
	// read. Workers keep a database open for them; a query with files elsewhere opens
	// one of its own, which takes some 7 ms more.
	Dirs []string
	// Command starts a worker. Empty means this executable with WorkerCommand.
	Command []string
	// Env is added to the worker's environment, which is otherwise empty but for
	// PATH, HOME and TZ: a worker needs no secrets of its parent.
	Env []string
	// CancelGrace is how long an interrupted query may take to end before its
	// worker is killed. Zero means 2 s.
	CancelGrace time.Duration
}

// WorkerCommand is the subcommand of the binary that runs worker.Main.
const WorkerCommand = "__duck-worker"

const (
	defaultMemoryBytes  = 1 << 30
	minMemoryBytes      = 128 << 20 // the process and DuckDB's tables need about 60 MB
	defaultTempBytesMax = 16 << 30
	defaultCancelGrace  = 2 * time.Second
)

func (o Options) withDefaults() (Options, error) {
	cores := runtime.NumCPU()
	if o.Workers == 0 {
		o.Workers = cores + 1
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = defaultMemoryBytes
	}
	if o.Threads == 0 {
		o.Threads = cores
	}
	if o.TempDir == "" {
		o.TempDir = os.TempDir()
	}
	if o.TempBytesMax == 0 {
		o.TempBytesMax = defaultTempBytesMax
	}
	if o.CancelGrace == 0 {
		o.CancelGrace = defaultCancelGrace
	}
	dirs := make([]string, len(o.Dirs))
	for i, d := range o.Dirs {
		abs, err := filepath.Abs(d)
		if err != nil {
			return o, fmt.Errorf("find directory %s: %w", d, err)
		}
		dirs[i] = abs
	}
	o.Dirs = dirs
	if len(o.Command) == 0 {
		exe, err := thisBinary()
		if err != nil {
			return o, fmt.Errorf("find this executable to start workers: %w", err)
		}
		o.Command = []string{exe, WorkerCommand}
	}
	return o, o.validate()
}

// selfLink is the running binary itself on Linux, also after its file was replaced by another
// version, which would speak another protocol.
const selfLink = "/proc/self/exe"

func thisBinary() (string, error) {
	if _, err := os.Stat(selfLink); err == nil {
		return selfLink, nil
	}
	return os.Executable()
}

func (o Options) validate() error {
	switch {
	case o.Workers < 0 || o.Threads < 0 || o.TempBytesMax < 0 || o.CancelGrace < 0:
		return errkind.Errorf(errkind.Invalid, "duck: workers, threads, temporary bytes and grace must not be negative")
	case o.MemoryBytes < minMemoryBytes:
		return errkind.Errorf(errkind.Invalid, "duck: %d bytes of memory per worker are below the least of %d", o.MemoryBytes, minMemoryBytes)
	}
	return nil
}

// ErrStopped answers queries of a pool that is not started or already stopped.
var ErrStopped = errkind.New(errkind.Unavailable, "duck: the worker pool is not running")

// Pool keeps worker processes and gives each query one of its own.
type Pool struct {
	opts  Options
	slots chan struct{} // one token per query that may run

	mu struct {
		sync.Mutex
		running bool
		idle    []*process // warm, at most opts.Workers
		active  map[*process]struct{}
	}
	wg sync.WaitGroup // processes being watched
}

// NewPool checks the options. It starts nothing.
func NewPool(opts Options) (*Pool, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Pool{opts: o, slots: make(chan struct{}, o.Workers)}
	p.mu.active = make(map[*process]struct{})
	return p, nil
}

// Start makes the pool take queries. It starts and checks one worker, so that a
// binary or limit that cannot work is found now; the others start when needed.
func (p *Pool) Start(ctx context.Context) error {
	p.mu.Lock()
	if p.mu.running {
		p.mu.Unlock()
		return nil
	}
	p.mu.running = true
	p.mu.Unlock()
	w, err := p.take(ctx)
	if err != nil {
		p.Stop()
		return err
	}
	p.give(w, true)
	return nil
}

// Stop kills all workers, and with them running queries, and waits for their end.
// It may be called more than once.
func (p *Pool) Stop() {
	p.mu.Lock()
	p.mu.running = false
	all := p.mu.idle
	p.mu.idle = nil
	for w := range p.mu.active {
		all = append(all, w)
	}
	p.mu.Unlock()
	for _, w := range all {
		w.kill("the pool was stopped")
	}
	p.wg.Wait()
}

// acquire waits for a free slot and returns a worker for one query.
func (p *Pool) acquire(ctx context.Context) (*process, error) {
	select {
	case p.slots <- struct{}{}:
	default:
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a query worker: %w", context.Cause(ctx))
		}
	}
	w, err := p.take(ctx)
	if err != nil {
		<-p.slots
		return nil, err
	}
	return w, nil
}

// release ends the use of a worker; a healthy one is kept warm.
func (p *Pool) release(w *process, healthy bool) {
	p.give(w, healthy)
	<-p.slots
}

// take returns a warm worker or starts one.
func (p *Pool) take(ctx context.Context) (*process, error) {
	for {
		w, err := p.takeIdle()
		if err != nil {
			return nil, err
		}
		if w == nil {
			break
		}
		if w.alive() {
			w.fresh = false
			return w, nil
		}
		p.give(w, false)
	}
	w, err := startProcess(ctx, p.opts)
	if err != nil {
		return nil, err
	}
	w.fresh = true
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.mu.running {
		w.kill("the pool was stopped")
		<-w.exited
		return nil, ErrStopped
	}
	p.mu.active[w] = struct{}{}
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		<-w.exited
	}()
	return w, nil
}

func (p *Pool) takeIdle() (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.mu.running {
		return nil, ErrStopped
	}
	n := len(p.mu.idle)
	if n == 0 {
		return nil, nil
	}
	w := p.mu.idle[n-1]
	p.mu.idle = p.mu.idle[:n-1]
	p.mu.active[w] = struct{}{}
	return w, nil
}

func (p *Pool) give(w *process, healthy bool) {
	p.mu.Lock()
	delete(p.mu.active, w)
	keep := healthy && p.mu.running && w.alive()
	if keep {
		p.mu.idle = append(p.mu.idle, w)
	}
	p.mu.Unlock()
	if !keep {
		w.kill("it is replaced")
	}
}

// Busy returns how many queries run now.
func (p *Pool) Busy() int { return len(p.slots) }

// errorOf turns a context's end into an error that says what was going on.
func errorOf(ctx context.Context, doing string) error {
	err := context.Cause(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return errkind.Errorf(errkind.Canceled, "%s: time limit reached: %w", doing, err)
	}
	return errkind.Errorf(errkind.Canceled, "%s: canceled: %w", doing, err)
}
