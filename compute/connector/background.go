package connector

import (
	"context"
	"maps"
	"time"
)

// pollWait is how long a Poll waits for its answer: enough for a broker nearby, little
// enough that a coordinator which asks all sources in turn keeps its pace.
const pollWait = 10 * time.Millisecond

// Background makes Poll of a source return soon, whatever it has to wait for: a broker that
// does not answer, a query whose rows are replayed. An answer that is not there in time is
// given at the next Poll; until then there is nothing new. Jobs' sources are wrapped so;
// batch reads, which have nothing else to do, are not.
//
// Unlike other sources the result may be polled by one goroutine while another one reads.
func Background(src Source) Source {
	b := &background{src: src, wait: pollWait, turn: make(chan struct{}, 1)}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

type background struct {
	src    Source
	wait   time.Duration
	turn   chan struct{}   // held by whoever uses src
	ctx    context.Context // of polls that outlive their caller; ends at Close
	cancel context.CancelFunc
	flight *answer // of the last Poll, if it was not given yet; only Poll uses it
}

// answer is what a poll found, once done is closed.
type answer struct {
	from, to Offsets
	end      bool
	err      error
	done     chan struct{}
}

// take waits for the turn to use the source.
func (b *background) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case b.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *background) give() { <-b.turn }

// Redecode implements Redecoder.
func (b *background) Redecode(ctx context.Context, d DeadLetter) (Chunk, error) {
	r, ok := b.src.(Redecoder)
	if !ok {
		return Chunk{}, ErrOtherTable
	}
	if err := b.take(ctx); err != nil {
		return Chunk{}, err
	}
	defer b.give()
	return r.Redecode(ctx, d)
}

// Behind implements Lagging.
func (b *background) Behind() int64 {
	if l, ok := b.src.(Lagging); ok {
		return l.Behind()
	}
	return -1
}

// Poll implements Source.
func (b *background) Poll(ctx context.Context, from Offsets, maxRows int) (Offsets, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	if b.flight != nil && !maps.Equal(b.flight.from, from) {
		select {
		case <-b.flight.done: // an answer to another question: the engine went back
			b.flight = nil
		default:
			return from, false, nil
		}
	}
	if b.flight == nil {
		b.flight = &answer{from: from.Clone(), done: make(chan struct{})}
		go b.ask(b.flight, maxRows)
	}
	t := time.NewTimer(b.wait)
	defer t.Stop()
	a := b.flight
	select {
	case <-a.done:
		b.flight = nil
		if maps.Equal(a.to, a.from) {
			a.to = from
		}
		return a.to, a.end, a.err
	case <-t.C:
		return from, false, nil
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

func (b *background) ask(a *answer, maxRows int) {
	defer close(a.done)
	if a.err = b.take(b.ctx); a.err != nil {
		return
	}
	defer b.give()
	a.to, a.end, a.err = b.src.Poll(b.ctx, a.from, maxRows)
}

// Read implements Source.
func (b *background) Read(ctx context.Context, from, to Offsets, fn func(Chunk) error) error {
	if err := b.take(ctx); err != nil {
		return err
	}
	defer b.give()
	return b.src.Read(ctx, from, to, fn)
}

// Commit implements Source.
func (b *background) Commit(ctx context.Context, upTo Offsets) error {
	if err := b.take(ctx); err != nil {
		return err
	}
	defer b.give()
	return b.src.Commit(ctx, upTo)
}

// Close implements Source: it ends a poll under way and waits for it.
func (b *background) Close() error {
	b.cancel()
	b.turn <- struct{}{}
	defer b.give()
	return b.src.Close()
}
