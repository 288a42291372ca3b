package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/stream"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/olap"
	"github.com/weir-lake/weir/table/rowjson"
	"github.com/weir-lake/weir/table/schema"
	"github.com/weir-lake/weir/web/audit"
	"github.com/weir-lake/weir/web/auth"
)

// streamChanges sends the changes of a query that never ends as NDJSON: members _epoch and _kind, then
// the columns. It ends with the client, the time limit or the service, or when it is canceled as other queries are.
func (a *API) streamChanges(ctx context.Context, text string, s *job.Stream, bigIntString bool, release func()) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer release()
		ctx, cancel := context.WithCancelCause(ctx)
		stop := func() { cancel(nil) }
		defer stop()
		query := a.opts.Queries.Track(auth.User(ctx), text, engineWeir, cancel)
		go func() {
			select {
			case <-a.closing:
				stop()
			case <-ctx.Done():
			}
		}()
		_, w := humachi.Unwrap(hc)
		w.Header().Set("Content-Type", typeNDJSON)
		w.Header().Set(HeaderChanges, "true")
		w.Header().Set(headerQuery, query.ID())
		w.Header().Set(headerAbout, engineWeir)
		c := &changeWriter{w: w, to: http.NewResponseController(w), query: query}
		err := c.open(s, bigIntString)
		if err == nil {
			err = s.Changelog(ctx, c.epoch)
		}
		if cause := context.Cause(ctx); cause != nil && errkind.Is(cause, errkind.Canceled) {
			err = cause // rather than what that did to the stream
		}
		query.End(err)
		if err != nil && hc.Context().Err() == nil {
			audit.NoteError(ctx, err)
			held := holdBuffer{}
			if out := (&ndjsonWriter{out: &held}); out.fail(ProblemOf(timedOut(ctx, err))) {
				_, _ = held.WriteTo(w) // a client that has gone needs no reason
			}
		}
	}}
}

// changeWriter writes changes as lines.
type changeWriter struct {
	w     http.ResponseWriter
	to    *http.ResponseController
	enc   *rowjson.Encoder
	buf   []byte
	query *olap.Tracked
}

func (c *changeWriter) open(s *job.Stream, bigIntString bool) (err error) {
	var fields []schema.Field
	for i, col := range s.Columns() {
		fields = append(fields, schema.Field{ID: i, Name: col.Name, Type: col.Type})
	}
	c.enc, err = rowjson.NewEncoder(fields, rowjson.EncodeOptions{BigIntString: bigIntString})
	return err
}

func (c *changeWriter) epoch(e int64, changes []stream.RowChanges) error {
	c.buf = c.buf[:0]
	for _, ch := range changes {
		for i, kind := range ch.Kinds {
			c.buf = fmt.Appendf(c.buf, `{"_epoch":%d,"_kind":"%s",`, e, connector.KindText(kind))
			c.buf = append(c.enc.AppendMembers(c.buf, ch.Rows, i), '}', '\n')
		}
	}
	_ = c.to.SetWriteDeadline(time.Now().Add(writeTimeout)) // not supported by recorders in tests
	if _, err := c.w.Write(c.buf); err != nil {
		return fmt.Errorf("send changes: %w", err)
	}
	rows := int64(0)
	for _, ch := range changes {
		rows += int64(len(ch.Kinds))
	}
	c.query.Count(rows, int64(len(c.buf)))
	return c.to.Flush()
}
