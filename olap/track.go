package olap

import (
	"context"

	"github.com/google/uuid"
)

// Tracked is a query that something else answers: a stream. It is listed, remembered and canceled like the others,
// and takes no slot.
type Tracked struct {
	r   *registry
	rec *record
}

// Track lists a query that has begun. Cancel is called with the reason when somebody cancels it; whoever answers it
// calls End.
func (s *Service) Track(user, sql, engine string, cancel context.CancelCauseFunc) *Tracked {
	rec := s.queries.add(Info{ID: uuid.NewString(), User: user, SQL: sql, Engine: engine}, cancel)
	s.queries.running(rec)
	return &Tracked{s.queries, rec}
}

// ID names the query for Show and Cancel.
func (t *Tracked) ID() string { return t.rec.info.ID }

// Count adds to what the query has handed out.
func (t *Tracked) Count(rows, bytes int64) { t.r.count(t.rec, rows, bytes) }

// End says how it ended; the first call decides.
func (t *Tracked) End(err error) { t.r.end(t.rec, err) }
