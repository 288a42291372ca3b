package print

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/plan"
)

// Factory opens tables with 'connector' = 'print' that write to out, or to errOut with
// 'standard-error' = 'true'.
func Factory(out, errOut io.Writer) connector.Factory {
	var mu sync.Mutex // several jobs may print at once; lines stay whole
	return connector.Factory{
		Name: "print",
		Validate: func(t *plan.Table) error {
			_, _, err := parse(t.Options)
			return err
		},
		OpenSink: func(_ context.Context, c connector.Context) (connector.Sink, error) {
			prefix, toErr, err := parse(c.Options)
			w := out
			if toErr {
				w = errOut
			}
			return &sink{out: w, mu: &mu, prefix: prefix}, err
		},
	}
}

func parse(opts map[string]string) (prefix string, toErr bool, err error) {
	r := connector.ReadOptions(opts)
	if prefix = r.String("print-identifier", ""); prefix != "" {
		prefix += "> "
	}
	toErr = r.Bool("standard-error", false)
	r.Int("sink.parallelism", 1, 1, 1<<15) // one writer prints whatever it says
	return prefix, toErr, r.Done()
}

type sink struct {
	out    io.Writer
	mu     *sync.Mutex
	prefix string
	last   connector.Progress
}

// Progress implements connector.Sink: the last epoch printed by this process.
func (s *sink) Progress(context.Context) (connector.Progress, error) { return s.last, nil }

// Guarantee implements connector.Sink.
func (s *sink) Guarantee() string { return connector.AtLeastOnce }

// Write implements connector.Sink. A line is Flink's: +I[1, abc].
func (s *sink) Write(ctx context.Context, at connector.Progress, rows []connector.Chunk) error {
	if at.Epoch <= s.last.Epoch {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var line []byte
	for _, c := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i := range int(c.Rows.NumRows()) {
			line = fmt.Appendf(line[:0], "%s%s[", s.prefix, connector.KindText(c.KindAt(i)))
			for j := range int(c.Rows.NumCols()) {
				if j > 0 {
					line = append(line, ", "...)
				}
				if col := c.Rows.Column(j); col.IsNull(i) {
					line = append(line, "null"...)
				} else {
					line = append(line, col.ValueStr(i)...)
				}
			}
			if _, err := s.out.Write(append(line, "]\n"...)); err != nil {
				return fmt.Errorf("print: write line: %w", err)
			}
		}
	}
	s.last = at
	return nil
}

// Close implements connector.Sink.
func (s *sink) Close() error { return nil }
