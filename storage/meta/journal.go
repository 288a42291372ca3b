package meta

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
)

const (
	// journalQueueMax bounds the rows that wait to be written: some seconds of a busy service, in a few MB.
	journalQueueMax = 4096
	// journalBatchMax bounds the rows of one transaction, which others wait for.
	journalBatchMax = 512
	// journalEvery is how long a row may wait to be written together with others: one sync for all of them.
	journalEvery = 200 * time.Millisecond
	// journalTrimEvery is how many rows are written between two looks for old ones.
	journalTrimEvery = 1000
	// journalWriteTimeout bounds one transaction.
	journalWriteTimeout = 15 * time.Second
)

// JournalOptions of a Journal. Insert is needed.
type JournalOptions[T any] struct {
	Name   string // for log lines
	Insert func(ctx context.Context, tx *sql.Tx, row T) error
	// Trim deletes what is too old or too much; nil: nothing is.
	Trim   func(ctx context.Context, tx *sql.Tx) error
	Logger *slog.Logger
}

// Journal writes rows of one kind in the background, so that whoever adds them does not wait for the disk. What
// was added in the last moment before a crash is lost; so is what is added faster than the database takes it,
// which is counted. It is safe for concurrent use.
type Journal[T any] struct {
	db      *DB
	opts    JournalOptions[T]
	queue   chan T
	flush   chan chan error
	stop    chan struct{}
	ended   chan struct{}
	once    sync.Once
	dropped atomic.Int64
	written int // since the last Trim; the writer's
}

// NewJournal starts the writer. Stop it before the database is closed.
func NewJournal[T any](db *DB, o JournalOptions[T]) *Journal[T] {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	j := &Journal[T]{db: db, opts: o, queue: make(chan T, journalQueueMax), flush: make(chan chan error),
		stop: make(chan struct{}), ended: make(chan struct{}), written: journalTrimEvery}
	go j.run()
	return j
}

// Add hands a row over. It never waits.
func (j *Journal[T]) Add(row T) {
	select {
	case j.queue <- row:
	default:
		j.dropped.Add(1)
	}
}

// Dropped is how many rows could not be kept.
func (j *Journal[T]) Dropped() int64 { return j.dropped.Load() }

// Flush returns when what was added before is written.
func (j *Journal[T]) Flush(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case j.flush <- done:
	case <-j.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("write %s: %w", j.opts.Name, context.Cause(ctx))
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("write %s: %w", j.opts.Name, context.Cause(ctx))
	}
}

// Stop writes what is left and waits. It may be called twice.
func (j *Journal[T]) Stop() {
	j.once.Do(func() { close(j.stop) })
	<-j.ended
}

func (j *Journal[T]) run() {
	defer close(j.ended)
	var batch []T
	tick := time.NewTicker(journalEvery)
	defer tick.Stop()
	for {
		select {
		case row := <-j.queue:
			if batch = append(batch, row); len(batch) < journalBatchMax {
				continue
			}
		case <-tick.C:
		case done := <-j.flush:
			done <- j.write(j.drain(batch))
			batch = nil
			continue
		case <-j.stop:
			_ = j.write(j.drain(batch)) // logged
			return
		}
		if len(batch) > 0 {
			_ = j.write(batch) // logged
			batch = nil
		}
	}
}

// drain adds what waits.
func (j *Journal[T]) drain(batch []T) []T {
	for {
		select {
		case row := <-j.queue:
			batch = append(batch, row)
		default:
			return batch
		}
	}
}

// write stores rows, a bounded number a transaction. What cannot be stored is dropped: keeping it would only
// pile up more.
func (j *Journal[T]) write(rows []T) error {
	var all error
	for len(rows) > 0 {
		n := min(len(rows), journalBatchMax)
		if err := j.writeOnce(rows[:n]); err != nil {
			j.dropped.Add(int64(n))
			j.opts.Logger.Error("journal_lost", "journal", j.opts.Name, "rows", n, "error", err)
			all = errors.Join(all, err)
		}
		rows = rows[n:]
	}
	return all
}

func (j *Journal[T]) writeOnce(rows []T) error {
	ctx, cancel := context.WithTimeout(context.Background(), journalWriteTimeout)
	defer cancel()
	trim := j.opts.Trim != nil && j.written+len(rows) >= journalTrimEvery
	err := j.db.Write(ctx, func(tx *sql.Tx) error {
		for _, r := range rows {
			if err := j.opts.Insert(ctx, tx, r); err != nil {
				return err
			}
		}
		if trim {
			return j.opts.Trim(ctx, tx)
		}
		return nil
	})
	if err != nil {
		return errkind.Errorf(errkind.Unavailable, "write %s: %w", j.opts.Name, err)
	}
	j.written += len(rows)
	if trim {
		j.written = 0
	}
	return nil
}
