package job

import (
	"context"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/internal/errkind"
)

// ended reports a source that has given all its rows.
func (in *input) ended() bool { return in.conn != nil && in.conn.ended }

// passEnded lets sources that have ended hold nobody's watermark back: theirs follows that of the others.
func (r *runner) passEnded() {
	var others []*input
	for _, in := range r.inputs {
		if !in.ended() {
			others = append(others, in)
		}
	}
	if low := lowest(others); low != nil {
		for _, in := range r.inputs {
			if in.ended() {
				in.raise(*low)
			}
		}
	}
}

// closeOpen ends the windows that are still open when all sources have given all their rows: no watermark will pass
// them any more. The watermark is taken to the end of the last one, and not beyond, so that a job which is resumed
// with more rows goes on from there. It gives what comes out.
func (r *runner) closeOpen(ctx context.Context, e int64, env *expr.Env, replay bool) (out []stream.Delta, err error) {
	for _, in := range r.inputs {
		if !in.ended() {
			return nil, nil
		}
	}
	defer func() {
		if err != nil {
			release(out)
		}
	}()
	for range len(r.flow.Stats()) + 1 { // a window's rows may open another one
		until, open := r.flow.OpenUntil()
		if !open {
			return out, nil
		}
		for _, in := range r.inputs {
			in.raise(until)
		}
		res, err := r.flow.Step(ctx, r.epochAt(e, env), nil)
		if err != nil {
			return out, err
		}
		out = append(out, res...)
		if replay {
			continue
		}
		r.count(0, res)
		if err := r.takeLate(ctx, e); err != nil {
			return out, err
		}
	}
	return out, errkind.New(errkind.Bug, "a window stays open at the end of its input")
}
