package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/examples/flights"
)

const (
	batchRows = 500 // of a push
	carriers  = 40  // each batch changes the flights of one
	// warmUp is not counted: the first queries start workers and the first epochs make files.
	warmUp = 3 * time.Second
	// lastWait bounds the wait for the last batches.
	lastWait = 30 * time.Second
	// readPause between two queries of the reader adds at most as much to a figure.
	readPause = 10 * time.Millisecond
)

// setting is a way to run the service.
type setting struct{ epoch, freshness time.Duration }

// freshness sends changes to flight_events and looks for them in flights, with both settings.
func freshness(ctx context.Context, o options, out io.Writer) error {
	for _, s := range []setting{{time.Second, time.Second}, {200 * time.Millisecond, 200 * time.Millisecond}} {
		r, err := measure(ctx, o, s)
		if err != nil {
			return fmt.Errorf("epochs of %s: %w", s.epoch, err)
		}
		fmt.Fprintf(out, "epochs of %-5s  %d changes, %.0f/s: visible after p50 %s, p99 %s, at most %s; a query takes p50 %s\n", s.epoch,
			len(r.visible)*batchRows, r.perSec, percentile(r.visible, 50), percentile(r.visible, 99), percentile(r.visible, 100), percentile(r.query, 50))
	}
	return nil
}

// result of one setting: a batch's rows become visible together.
type result struct {
	visible []time.Duration // by batch, from before it was sent until a query that shows it was answered
	query   []time.Duration
	perSec  float64
}

// percentile sorts and rounds.
func percentile(d []time.Duration, p int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return d[(len(d)-1)*p/100].Round(time.Millisecond)
}

func measure(ctx context.Context, o options, at setting) (result, error) {
	s, err := startService(ctx, o.binary, at.epoch)
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	if err := s.prepare(ctx, at.freshness); err != nil {
		return result{}, err
	}
	l := &load{service: s, sent: map[int]time.Time{}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 2)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { failed <- l.send(ctx, o, done) })
	wg.Go(func() { failed <- l.look(ctx, done) })
	err = errors.Join(<-failed)
	if err != nil {
		cancel() // the other one need not go on
	}
	err = errors.Join(err, <-failed)
	wg.Wait()
	l.result.perSec = float64(len(l.result.visible)*batchRows) / (o.duration - warmUp).Seconds()
	return l.result, err
}

// prepare creates the example's tables and the job that keeps flights.
func (s *service) prepare(ctx context.Context, freshness time.Duration) error {
	vars := map[string]string{"pipeline.name": "flights", "execution.runtime-mode": "streaming", "weir.freshness": freshness.String()}
	for _, name := range []string{"3_events.sql", "4_flights.sql"} {
		text, err := fs.ReadFile(flights.Files, name)
		if err != nil {
			return err
		}
		parts, err := sql.Split(string(text))
		if err != nil {
			return err
		}
		for _, p := range parts {
			st, err := p.Parse()
			if err != nil {
				return err
			}
			switch st := st.(type) {
			case *sql.CreateTable:
				if name := st.Name.Last(); name != "flight_events" && name != "flights" {
					continue
				}
			case *sql.Insert:
				if st.Table.Last() != "flights" {
					continue
				}
			default:
				continue
			}
			if err := s.query(ctx, statement{SQL: p.Text(), Variables: vars}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// load is changes under way.
type load struct {
	service *service
	mu      sync.Mutex
	sent    map[int]time.Time // batches not seen yet; guarded by mu
	result  result
}

// send pushes a batch at each tick, whether or not the earlier ones were acknowledged.
func (l *load) send(ctx context.Context, o options, done chan<- struct{}) error {
	defer close(done)
	tick := time.NewTicker(time.Second * batchRows / time.Duration(o.rows))
	defer tick.Stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	failed := make(chan error, 1)
	begin := time.Now()
	for b := 1; time.Since(begin) < o.duration; b++ {
		body := batch(b)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-failed:
			return err
		case <-tick.C:
		}
		if time.Since(begin) > warmUp {
			l.mu.Lock()
			l.sent[b] = time.Now()
			l.mu.Unlock()
		}
		wg.Go(func() {
			if err := l.service.post(ctx, "/v1/tables/default/flight_events/rows", body, nil); err != nil {
				select {
				case failed <- fmt.Errorf("batch %d: %w", b, err):
				default: // one reason is enough
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// batch is the departure of all flights of a carrier, with the batch's number as its delay.
func batch(b int) []byte {
	var out strings.Builder
	for f := range batchRows {
		fmt.Fprintf(&out, `{"time_hour":"2013-01-01 10:00:00","carrier":"%s","flight":%d,"event_time":"2013-01-01 10:00:00","event":"departed","scheduled":"2013-01-01 10:00:00","departed":"2013-01-01 10:00:00","dep_delay":%d}`+"\n",
			carrier(b), f, b)
	}
	return []byte(out.String())
}

func carrier(b int) string { return fmt.Sprintf("C%02d", b%carriers) }

// look asks how far flights is until everything sent was seen.
func (l *load) look(ctx context.Context, done <-chan struct{}) error {
	const text = "SELECT carrier, MIN(dep_delay) AS b FROM flights GROUP BY carrier"
	var end <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			return fmt.Errorf("%d batches were not visible %s after the last was acknowledged", l.waiting(), lastWait)
		case <-done:
			end, done = time.After(lastWait), nil
		case <-time.After(readPause):
		}
		var answer struct {
			Data []struct {
				Carrier string      `json:"carrier"`
				B       json.Number `json:"b"`
			} `json:"data"`
		}
		asked := time.Now()
		if err := l.service.query(ctx, statement{SQL: text, Consistency: "latest"}, &answer); err != nil {
			return err
		}
		seen := map[string]int{}
		for _, row := range answer.Data {
			b, err := row.B.Int64()
			if err != nil {
				return fmt.Errorf("the answer to %s: %w", text, err)
			}
			seen[row.Carrier] = int(b)
		}
		l.see(seen, asked)
		if done == nil && l.waiting() == 0 {
			return nil
		}
	}
}

// see takes the batches off that an answer shows.
func (l *load) see(seen map[string]int, asked time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.result.query = append(l.result.query, time.Since(asked))
	for b, at := range l.sent {
		if seen[carrier(b)] >= b {
			l.result.visible = append(l.result.visible, time.Since(at))
			delete(l.sent, b)
		}
	}
}

func (l *load) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sent)
}
