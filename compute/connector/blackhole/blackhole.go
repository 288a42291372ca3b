package blackhole

import (
	"context"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/plan"
)

// Factory opens tables with 'connector' = 'blackhole'.
func Factory() connector.Factory {
	return connector.Factory{
		Name:     "blackhole",
		Validate: func(t *plan.Table) error { return connector.ReadOptions(t.Options).Done() },
		OpenSink: func(_ context.Context, c connector.Context) (connector.Sink, error) {
			return &sink{}, connector.ReadOptions(c.Options).Done()
		},
	}
}

type sink struct{ last connector.Progress }

// Progress implements connector.Sink: the last epoch swallowed by this process.
func (s *sink) Progress(context.Context) (connector.Progress, error) { return s.last, nil }

// Write implements connector.Sink.
func (s *sink) Write(ctx context.Context, at connector.Progress, _ []connector.Chunk) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if at.Epoch > s.last.Epoch {
		s.last = at
	}
	return nil
}

// Guarantee implements connector.Sink.
func (s *sink) Guarantee() string { return connector.ExactlyOnce }

// Close implements connector.Sink.
func (s *sink) Close() error { return nil }
