package openlineage

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/lineage"
)

const (
	// pollDefault is the pause between two looks at the jobs.
	pollDefault = 2 * time.Second
	// runningDefault is the least time between two RUNNING events of a run.
	runningDefault = time.Minute
	// namespaceDefault is the namespace of jobs.
	namespaceDefault = "weir"
	// batchesSeenMax bounds the batch statements remembered as told: more than a look can show new ones of.
	batchesSeenMax = 100_000
)

// Source tells of runs; lineage.Index implements it.
type Source interface {
	Runs(ctx context.Context) ([]lineage.Run, error)
}

// Options of New. Target is needed.
type Options struct {
	Target    string        // http(s)://host:port[/path], or a file
	Key       string        // sent as bearer token; empty: none
	Namespace string        // of jobs; default "weir"
	Warehouse string        // absolute folder, or s3://bucket/prefix
	Version   string        // of weir
	Poll      time.Duration // pause between looks; default 2 s
	Running   time.Duration // least time between RUNNING events of a run; default 1 min
	Now       func() time.Time
	Logger    *slog.Logger
}

// Emitter watches a Source and sends events.
type Emitter struct {
	opts   Options
	source Source
	build  builder
	sender *sender
	began  int64 // Unix milliseconds; batch statements before it were told by somebody else
	stop   context.CancelFunc
	done   sync.WaitGroup
	once   sync.Once

	// runs and told belong to the goroutine that looks.
	runs map[string]*current // by job id
	told map[string]bool     // commit users of batch statements
}

// current is a run that was told to have started.
type current struct {
	id      string
	since   time.Time // its attempt's start
	version string
	at      time.Time // of the newest event
	last    lineage.Run
}

// New opens the target. Nothing is sent before Start.
func New(source Source, o Options) (*Emitter, error) {
	if o.Namespace == "" {
		o.Namespace = namespaceDefault
	}
	if o.Poll == 0 {
		o.Poll = pollDefault
	}
	if o.Running == 0 {
		o.Running = runningDefault
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := newSender(o.Target, o.Key, o.Logger)
	if err != nil {
		return nil, err
	}
	return &Emitter{opts: o, source: source, sender: s, build: builder{o.Namespace, o.Warehouse, o.Version},
		runs: map[string]*current{}, told: map[string]bool{}}, nil
}

// Counts are what became of the events so far.
func (e *Emitter) Counts() Counts {
	c := &e.sender.counts
	return Counts{Sent: c.sent.Load(), Dropped: c.dropped.Load(), Retried: c.retried.Load()}
}

// Start begins to watch.
func (e *Emitter) Start() {
	e.began = e.opts.Now().UnixMilli()
	ctx, cancel := context.WithCancel(context.Background())
	e.stop = cancel
	e.sender.start()
	e.done.Add(1)
	go func() {
		defer e.done.Done()
		tick := time.NewTicker(e.opts.Poll)
		defer tick.Stop()
		for {
			e.look(ctx)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
}

// Stop looks a last time, which tells of the jobs that have stopped, and delivers what is queued as long as ctx lets
// it. It may be called twice, and without Start.
func (e *Emitter) Stop(ctx context.Context) error {
	var err error
	e.once.Do(func() {
		if e.stop != nil {
			e.stop()
			e.done.Wait()
			e.look(ctx)
		}
		if err = e.sender.end(ctx); err != nil {
			err = fmt.Errorf("openlineage: close %s: %w", e.opts.Target, err)
		}
	})
	return err
}

// look tells what has changed since the last time.
func (e *Emitter) look(ctx context.Context) {
	runs, err := e.source.Runs(ctx)
	if err != nil {
		if ctx.Err() == nil {
			e.opts.Logger.Warn("openlineage_look", "error", err)
		}
		return
	}
	here := map[string]bool{}
	for i := range runs {
		r := &runs[i]
		if r.Job == nil {
			e.batch(r)
			continue
		}
		here[r.Job.ID] = true
		e.job(r)
	}
	for id, c := range e.runs {
		if !here[id] { // dropped
			e.tell(c, &c.last, Complete, "")
			delete(e.runs, id)
		}
	}
}

// job tells of a job's state.
func (e *Emitter) job(r *lineage.Run) {
	c := e.runs[r.Job.ID]
	switch r.Job.State {
	case job.Running:
		if c != nil && !c.since.Equal(r.Job.StateSince) { // it was started again between two looks
			e.tell(c, r, Complete, "")
			c = nil
		}
		if c == nil {
			c = &current{id: uuid.NewString(), since: r.Job.StateSince}
			e.runs[r.Job.ID] = c
			e.tell(c, r, Start, "")
			return
		}
		c.last = *r
		if c.version != r.Output.Version && e.opts.Now().Sub(c.at) >= e.opts.Running {
			e.tell(c, r, Running, "")
		}
	case job.Failing, job.Failed:
		if c == nil && r.Job.State == job.Failed && r.Job.StateSince.UnixMilli() >= e.began {
			c = &current{id: uuid.NewString()} // it failed before it was seen to run
			e.tell(c, r, Start, "")
		}
		if c != nil {
			e.tell(c, r, Fail, r.Job.Error)
			delete(e.runs, r.Job.ID)
		}
	case job.Stopped, job.Finished:
		if c == nil && r.Job.State == job.Finished && r.Job.StateSince.UnixMilli() >= e.began {
			c = &current{id: uuid.NewString()} // it came and ended between two looks
			e.tell(c, r, Start, "")
		}
		if c != nil {
			e.tell(c, r, Complete, "")
			delete(e.runs, r.Job.ID)
		}
	}
}

func (e *Emitter) tell(c *current, r *lineage.Run, what EventType, why string) {
	c.version, c.at, c.last = r.Output.Version, e.opts.Now(), *r
	e.sender.put(e.build.event(r, c.id, what, c.at, why))
}

// batch tells of a batch statement once. Its run is named after its commit user, which it has alone.
func (e *Emitter) batch(r *lineage.Run) {
	id, err := uuid.Parse(r.Writer.ID)
	if err != nil {
		id = uuid.NewSHA1(uuid.NameSpaceURL, []byte(producer+"/"+r.Output.Table+"/"+r.Output.Version+"/"+r.Writer.ID))
	}
	if r.Committed < e.began || e.told[id.String()] {
		return
	}
	if len(e.told) >= batchesSeenMax {
		clear(e.told)
		e.began = r.Committed
	}
	e.told[id.String()] = true
	at := time.UnixMilli(r.Committed)
	e.sender.put(e.build.event(r, id.String(), Start, at, ""))
	e.sender.put(e.build.event(r, id.String(), Complete, at, ""))
}
