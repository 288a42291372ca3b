package session

import (
	"context"
	"fmt"
	"strings"

	"github.com/weir-lake/weir/compute/bind"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/internal/errkind"
)

// Plan binds and rewrites a statement without running it: a query, an INSERT or a CREATE MATERIALIZED TABLE,
// or an EXPLAIN of one. stream says whether it would keep running, or its table would be kept.
func (s *Session) Plan(ctx context.Context, text string, st sql.Statement, p Params) (root plan.Node, stream bool, err error) {
	switch st := st.(type) {
	case *sql.Explain:
		return s.Plan(ctx, text, st.Statement, p)
	case *sql.QueryStatement:
		if root, err = s.bindQuery(ctx, text, st.Query, p); err != nil {
			return nil, false, err
		}
		return root, s.streams(root), nil
	case *sql.Insert:
		sink, err := s.bindInsert(ctx, text, st, p)
		if err != nil {
			return nil, false, err
		}
		return sink, s.streams(sink.Input), nil
	case *sql.CreateMaterializedTable:
		root, err = s.bindQuery(ctx, text, st.As, p)
		return root, true, err
	}
	return nil, false, sql.NewError(text, st.Pos(), errUnsupported, "EXPLAIN takes a query, an INSERT or a CREATE MATERIALIZED TABLE", "")
}

// streams reports whether the session would run the query as a stream.
func (s *Session) streams(root plan.Node) bool {
	return s.mode() == modeStreaming || (s.mode() == modeAuto && s.unbounded(root))
}

// DDL is the statement that makes a table or view like the named one.
func (s *Session) DDL(ctx context.Context, database, name string) (string, error) {
	r, err := s.Relation(ctx, database, name)
	if err != nil {
		return "", err
	}
	if r == nil {
		return "", errkind.Errorf(errkind.NotFound, "table or view %s.%s does not exist", database, name)
	}
	return ddlText(database, name, r), nil
}

func ddlText(database, name string, r *bind.Relation) string {
	if r.View == nil {
		return createText(r.Table)
	}
	cols := ""
	if len(r.View.Columns) > 0 {
		cols = " (" + strings.Join(quoted(r.View.Columns), ", ") + ")"
	}
	return fmt.Sprintf("CREATE VIEW %s.%s%s AS\n%s", sql.QuoteIdent(database), sql.QuoteIdent(name), cols, r.View.Text)
}

// WatermarkText is the event-time column of a stored table and the expression of its watermark, as the
// options of its schema keep them; empty for a table without one.
func WatermarkText(options map[string]string) (column, expression string) {
	return options[optWatermarkTime], options[optWatermarkExpr]
}

// Columns are those of a table or view, with their types.
func (s *Session) Columns(ctx context.Context, database, name string) ([]plan.Column, error) {
	r, err := s.Relation(ctx, database, name)
	switch {
	case err != nil:
		return nil, err
	case r == nil:
		return nil, errkind.Errorf(errkind.NotFound, "table or view %s.%s does not exist", database, name)
	case r.View == nil:
		out := make([]plan.Column, 0, len(r.Table.Columns))
		for _, c := range r.Table.Columns {
			out = append(out, c.Column)
		}
		return out, nil
	}
	text := "SELECT * FROM " + sql.QuoteIdent(database) + "." + sql.QuoteIdent(name)
	q, err := sql.ParseQuery(text)
	if err != nil {
		return nil, err
	}
	root, err := s.bindQuery(ctx, text, q, Params{})
	if err != nil {
		return nil, err
	}
	return root.Columns(), nil
}
