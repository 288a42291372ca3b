package session

import (
	"context"
	"strings"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/internal/errkind"
)

// Action is what a statement does, as far as somebody may be kept from it.
type Action string

// The actions. Each is more than the one before it.
const (
	Read   Action = "read"   // queries, SHOW, DESCRIBE, EXPLAIN, and the session's own variables
	Write  Action = "write"  // rows into tables, by a statement that ends
	Manage Action = "manage" // definitions, jobs, procedures
)

// ActionOf is what a statement does at least. An INSERT that turns out to be a stream starts a job, which is Manage.
func ActionOf(st sql.Statement) Action {
	switch st.(type) {
	case *sql.QueryStatement, *sql.Show, *sql.Describe, *sql.Explain, *sql.Use, *sql.Set, *sql.Reset:
		return Read
	case *sql.Insert, *sql.StatementSet:
		return Write
	}
	return Manage
}

// allowed asks whether the session may do something.
func (s *Session) allowed(a Action) error {
	if s.allow == nil {
		return nil
	}
	return s.allow(a)
}

// harmlessHints begin the names of options that everybody may set for one reading: which version, from where on.
const harmlessHints = "scan."

// guard keeps those who may not define tables from reading and writing elsewhere by hints: OPTIONS('path' = ..)
// makes another table of one behind a connector.
func (s *Session) guard(ctx context.Context, root plan.Node) error {
	denied := s.allowed(Manage)
	if denied == nil {
		return nil
	}
	var err error
	plan.Walk(root, func(n plan.Node) {
		var t *plan.Table
		switch n := n.(type) {
		case *plan.Scan:
			t = n.Table
		case *plan.Sink:
			t = n.Table
		}
		if t == nil || t.Connector() == "" || t.Connector() == connectorSystem || err != nil {
			return
		}
		err = s.guardTable(ctx, t, denied)
	})
	return err
}

func (s *Session) guardTable(ctx context.Context, t *plan.Table, denied error) error {
	r, err := s.Relation(ctx, t.Database, t.Name)
	if err != nil {
		return err
	}
	for k, v := range t.Options {
		if strings.HasPrefix(k, harmlessHints) {
			continue
		}
		if r == nil || r.Table == nil || r.Table.Options[k] != v {
			return errkind.Errorf(errkind.Denied, "option '%s' of %s.%s is changed by a hint, which is as defining another table: %w", k, t.Database, t.Name, denied)
		}
	}
	return nil
}
