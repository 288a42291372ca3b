package openlineage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
)

const (
	// queueMax bounds the events that wait: at some KiB each they are no burden, and a receiver that is away for long
	// learns the state anew with the next RUNNING of each job.
	queueMax = 1024
	// triesMax bounds how often an event is tried; with the pauses between them, half a minute.
	triesMax   = 6
	pauseFirst = 500 * time.Millisecond
	pauseMax   = 10 * time.Second
	// sendTimeout bounds one try.
	sendTimeout = 10 * time.Second
	// defaultPath is where OpenLineage receivers listen when an address has no path.
	defaultPath = "/api/v1/lineage"
)

// Counts are what became of events.
type Counts struct{ Sent, Dropped, Retried int64 }

// sender delivers events in order, one at a time.
type sender struct {
	deliver func(ctx context.Context, event []byte) error
	close   func() error
	log     *slog.Logger
	queue   chan []byte
	counts  struct{ sent, dropped, retried atomic.Int64 }
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// newSender opens a target: http(s)://host[:port][/path], or a file, to which lines are appended.
func newSender(target, key string, log *slog.Logger) (*sender, error) {
	s := &sender{log: log, queue: make(chan []byte, queueMax), close: func() error { return nil }}
	if strings.HasPrefix(target, "http://") || strings.HasPrefix(target, "https://") {
		u, err := url.Parse(target)
		if err != nil || u.Host == "" {
			return nil, errkind.Errorf(errkind.Invalid, "openlineage: %q is no address: want http://host:port[/path], or the name of a file", target)
		}
		if u.Path == "" || u.Path == "/" {
			u.Path = defaultPath
		}
		s.deliver = post(&http.Client{Timeout: sendTimeout}, u.String(), key)
		return s, nil
	}
	f, err := os.OpenFile(strings.TrimPrefix(target, "file://"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, errkind.Errorf(errkind.Invalid, "openlineage: %w: want http://host:port[/path], or the name of a file that can be written", err)
	}
	s.close = f.Close
	s.deliver = func(_ context.Context, event []byte) error {
		_, err := f.Write(append(event, '\n'))
		return err
	}
	return s, nil
}

// errRefused: the receiver does not want the event, and would not want it later.
var errRefused = errors.New("refused")

// post sends an event to an HTTP endpoint.
func post(client *http.Client, target, key string) func(context.Context, []byte) error {
	return func(ctx context.Context, event []byte) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(event))
		if err != nil {
			return fmt.Errorf("%w: %w", errRefused, err)
		}
		req.Header.Set("Content-Type", "application/json")
		if key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		said, err := io.ReadAll(io.LimitReader(res.Body, 1<<10)) // enough to tell why
		if err != nil {
			return err
		}
		switch {
		case res.StatusCode < 300:
			return nil
		case res.StatusCode >= 500, res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusRequestTimeout:
			return fmt.Errorf("%s: %s", res.Status, said)
		}
		return fmt.Errorf("%w: %s: %s", errRefused, res.Status, said)
	}
}

func (s *sender) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		for event := range s.queue {
			s.send(ctx, event)
		}
	}()
}

// send tries an event until it is delivered, refused, or not worth more.
func (s *sender) send(ctx context.Context, event []byte) {
	pause := pauseFirst
	for n := 1; ; n++ {
		err := s.deliver(ctx, event)
		if err == nil {
			s.counts.sent.Add(1)
			return
		}
		if n == triesMax || ctx.Err() != nil || errors.Is(err, errRefused) {
			s.counts.dropped.Add(1)
			s.log.Warn("openlineage_event_dropped", "tries", n, "error", err)
			return
		}
		s.counts.retried.Add(1)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, pauseMax)
	}
}

// put queues an event; with the queue full it is dropped.
func (s *sender) put(e Event) {
	data, err := json.Marshal(e)
	if err != nil {
		s.counts.dropped.Add(1)
		s.log.Warn("openlineage_event_dropped", "error", err)
		return
	}
	select {
	case s.queue <- data:
	default:
		s.counts.dropped.Add(1)
		s.log.Warn("openlineage_event_dropped", "error", "the queue is full")
	}
}

// end delivers what is queued, as long as ctx lets it; the rest is dropped. No event may be put after it.
func (s *sender) end(ctx context.Context) error {
	close(s.queue)
	if s.stop == nil {
		return s.close()
	}
	ended := make(chan struct{})
	go func() {
		s.done.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		s.stop()
		<-ended
	}
	s.stop()
	return s.close()
}
