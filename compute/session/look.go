package session

import (
	"context"
	"fmt"

	"github.com/weir-lake/weir/compute/bind"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/table/catalog"
)

// Look binds a statement for one who only wants to know what it reads and writes: an INSERT (of a job or a batch), or
// a query. Nothing is created by it, so a source whose landing table is not there stands for itself.
func (svc *Services) Look(ctx context.Context, database, text string, options map[string]string) (plan.Node, error) {
	s := New(svc, Options{Database: database, Variables: options})
	s.looking = true
	st, err := sql.Parse(text)
	if err != nil {
		return nil, err
	}
	switch st := st.(type) {
	case *sql.QueryStatement:
		return s.bindQuery(ctx, text, st.Query, Params{})
	case *sql.Insert:
		sink, err := s.bindInsert(ctx, text, st, Params{})
		if err != nil {
			return nil, err
		}
		sink.Input, err = s.land(ctx, sink.Input)
		return sink, err
	default:
		return nil, sql.NewError(text, st.Pos(), errUnsupported, "want an INSERT or a query", "")
	}
}

// optReplay is the query whose rows a replay source plays.
const optReplay = "replay.query"

// LookReplay binds the query that a replay source plays as if it were inserted into the source's columns; nil for
// any other table.
func (svc *Services) LookReplay(ctx context.Context, id catalog.Identifier) (*plan.Sink, error) {
	s := New(svc, Options{})
	r, err := s.Relation(ctx, id.Database, id.Table)
	if err != nil {
		return nil, err
	}
	if r == nil || r.Table == nil || r.Table.Options[optReplay] == "" {
		return nil, nil
	}
	text := r.Table.Options[optReplay]
	q, err := sql.ParseQuery(text)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", optReplay, id, err)
	}
	root, err := s.bindQuery(ctx, text, q, Params{})
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", optReplay, id, err)
	}
	t := *r.Table
	t.Columns = nil
	for _, c := range r.Table.Columns {
		if c.Computed == nil && c.Metadata == "" {
			t.Columns = append(t.Columns, c)
		}
	}
	return bind.Sink(&t, root)
}
