package bindtest

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/weir-lake/weir/compute/bind"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/sql"
)

// Catalog holds tables and views by "database.name". It is used by one goroutine.
type Catalog struct {
	relations map[string]*bind.Relation
	// Opts are used for every statement.
	Opts bind.Options
}

// New makes a catalog from a script of CREATE TABLE and CREATE VIEW statements.
func New(script string) (*Catalog, error) {
	c := &Catalog{relations: map[string]*bind.Relation{}}
	return c, c.Exec(script)
}

// Relation implements bind.Catalog.
func (c *Catalog) Relation(_ context.Context, database, name string) (*bind.Relation, error) {
	return c.relations[database+"."+name], nil
}

// Relations implements bind.Catalog.
func (c *Catalog) Relations(_ context.Context, database string) ([]string, error) {
	var out []string
	for key := range c.relations {
		if len(key) > len(database) && key[:len(database)+1] == database+"." {
			out = append(out, key[len(database)+1:])
		}
	}
	sort.Strings(out)
	return out, nil
}

// Exec adds the tables and views of a script.
func (c *Catalog) Exec(script string) error {
	frags, err := sql.Split(script)
	if err != nil {
		return err
	}
	for _, f := range frags {
		text := f.Text()
		s, err := sql.Parse(text)
		if err != nil {
			return err
		}
		if err := c.define(text, s); err != nil {
			return err
		}
	}
	return nil
}

func (c *Catalog) define(text string, s sql.Statement) error {
	ctx := context.Background()
	switch s := s.(type) {
	case *sql.CreateTable:
		var like *plan.Table
		if s.Like != nil {
			r := c.relations["default."+s.Like.Table.Last()]
			if r == nil {
				return fmt.Errorf("no table %s", s.Like.Table)
			}
			like = r.Table
		}
		var t *plan.Table
		var err error
		if s.As != nil {
			t, _, err = bind.TableAs(ctx, c, text, s, c.Opts)
		} else {
			t, err = bind.Table(ctx, text, s, like, c.Opts)
		}
		if err != nil {
			return err
		}
		c.relations[t.Database+"."+t.Name] = &bind.Relation{Table: t}
	case *sql.CreateMaterializedTable:
		t, _, err := bind.MaterializedTable(ctx, c, text, s, c.Opts)
		if err != nil {
			return err
		}
		c.relations[t.Database+"."+t.Name] = &bind.Relation{Table: t}
	case *sql.CreateView:
		v := &bind.View{Database: "default", Text: text[s.As.At.Offset:s.As.End.Offset]}
		for _, id := range s.Columns {
			v.Columns = append(v.Columns, id.Text)
		}
		if _, err := bind.Query(ctx, c, text, s.As, c.Opts); err != nil {
			return err
		}
		c.relations["default."+s.Name.Last()] = &bind.Relation{View: v}
	default:
		return fmt.Errorf("bindtest defines tables and views, not %T", s)
	}
	return nil
}

// Bind binds a query or an INSERT, without rewriting it.
func (c *Catalog) Bind(text string) (plan.Node, error) {
	s, err := sql.Parse(text)
	if err != nil {
		return nil, err
	}
	switch s := s.(type) {
	case *sql.QueryStatement:
		return bind.Query(context.Background(), c, text, s.Query, c.Opts)
	case *sql.Insert:
		n, err := bind.Insert(context.Background(), c, text, s, c.Opts)
		if err != nil {
			return nil, err
		}
		return n, nil
	case *sql.CreateTable:
		if s.As == nil {
			return nil, errors.New("bindtest binds CREATE TABLE .. AS only")
		}
		_, n, err := bind.TableAs(context.Background(), c, text, s, c.Opts)
		if err != nil {
			return nil, err
		}
		return n, nil
	case *sql.CreateMaterializedTable:
		_, n, err := bind.MaterializedTable(context.Background(), c, text, s, c.Opts)
		if err != nil {
			return nil, err
		}
		return n, nil
	}
	return nil, fmt.Errorf("bindtest binds queries and INSERT, not %T", s)
}

// Plan binds and rewrites a query or an INSERT.
func (c *Catalog) Plan(text string) (plan.Node, error) {
	n, err := c.Bind(text)
	if err != nil {
		return nil, err
	}
	return plan.Optimize(n), nil
}
