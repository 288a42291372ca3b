package revision

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weir-lake/weir/compute/bind"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/schema"
)

// Request asks for a revision: either of a range by a query, or the undoing of an earlier one.
type Request struct {
	Table  string `json:"table,omitempty" doc:"table or database.table"`
	From   string `json:"from,omitempty" doc:"first moment of the range, in UTC: 2013-07-01 or 2013-07-01 06:00:00"`
	To     string `json:"to,omitempty" doc:"end of the range, which does not belong to it"`
	Column string `json:"column,omitempty" doc:"column of the range; default: the table's watermark column"`
	SQL    string `json:"sql,omitempty" doc:"one SELECT over the table by its own name that gives the corrected rows of the range"`
	Why    string `json:"why,omitempty"`
	Undo   string `json:"undo,omitempty" doc:"id of the revision to undo, in the place of table, range and query"`
}

// target is the table and range of a request.
type target struct {
	id     catalog.Identifier
	table  *plan.Table
	stored []int // columns of the table that rows have
	column schema.Field
	rng    job.RevisionRange
	from   time.Time
	to     time.Time
}

// names of the stored columns.
func (t *target) names() []string {
	out := make([]string, len(t.stored))
	for i, c := range t.stored {
		out[i] = t.table.Columns[c].Name
	}
	return out
}

// fields of the stored columns.
func (t *target) fields() []schema.Field {
	out := make([]schema.Field, len(t.stored))
	for i, c := range t.stored {
		out[i] = schema.Field{Name: t.table.Columns[c].Name, Type: t.table.Columns[c].Type}
	}
	return out
}

// resolve finds the table and reads the range.
func (s *Service) resolve(ctx context.Context, r Request) (*target, error) {
	t, err := s.lookup(ctx, r.Table)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(r.SQL) == "" {
		return nil, errkind.New(errkind.Invalid, "revise: there is no query: give one SELECT over the table that yields the corrected rows of the range")
	}
	name := r.Column
	if name == "" {
		if t.table.Watermark == nil {
			return nil, errkind.Errorf(errkind.Invalid, "revise %s: the table has no watermark column: name the column of the range (column)", t.id)
		}
		name = t.table.Columns[t.table.Watermark.Column].Name
	}
	i := slices.Index(t.names(), name)
	if i < 0 {
		return nil, errkind.Errorf(errkind.Invalid, "revise %s: there is no stored column %s; the table has %s", t.id, name, strings.Join(t.names(), ", "))
	}
	t.column = t.fields()[i]
	if t.from, err = moment("from", r.From); err != nil {
		return nil, fmt.Errorf("revise %s: %w", t.id, err)
	}
	if t.to, err = moment("to", r.To); err != nil {
		return nil, fmt.Errorf("revise %s: %w", t.id, err)
	}
	if !t.from.Before(t.to) {
		return nil, errkind.Errorf(errkind.Invalid, "revise %s: the range from %s to %s is empty: to must be later than from", t.id, r.From, r.To)
	}
	t.rng.Column = name
	if t.rng.From, err = storedMoment(t.column, t.from); err == nil {
		t.rng.To, err = storedMoment(t.column, t.to)
	}
	if err != nil {
		return nil, fmt.Errorf("revise %s: %w", t.id, err)
	}
	return t, nil
}

// lookup finds a table and refuses those that cannot be revised, or not followed.
func (s *Service) lookup(ctx context.Context, name string) (*target, error) {
	id, err := catalog.ParseIdentifier(name, catalog.DefaultDatabase)
	if err != nil {
		return nil, fmt.Errorf("revise: %w", err)
	}
	if id.Database == catalog.SystemDatabase {
		return nil, errkind.Errorf(errkind.Invalid, "revise %s: the tables of database sys are kept by weir itself", id)
	}
	rel, err := session.New(s.opts.Services, session.Options{}).Relation(ctx, id.Database, id.Table)
	if err != nil {
		return nil, err
	}
	switch {
	case rel == nil:
		return nil, errkind.Errorf(errkind.NotFound, "revise: there is no table %s", id)
	case rel.Table == nil:
		return nil, errkind.Errorf(errkind.Invalid, "revise %s: it is a view: revise the table below it", id)
	case rel.Table.Connector() != "":
		return nil, errkind.Errorf(errkind.Invalid, "revise %s: its rows are behind connector '%s', not in the warehouse", id, rel.Table.Connector())
	}
	jobs := s.jobs(ctx)
	if err := jobs.revisable(id.String()); err != nil {
		return nil, err
	}
	if err := jobs.follow(id.String()); err != nil {
		return nil, err
	}
	t := &target{id: id, table: rel.Table}
	for i, c := range rel.Table.Columns {
		if c.Computed == nil && !c.Virtual {
			t.stored = append(t.stored, i)
		}
	}
	return t, nil
}

// momentForms are how the ends of a range may be written.
var momentForms = []string{time.DateOnly, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", time.RFC3339Nano, "2006-01-02 15:04"}

func moment(what, text string) (time.Time, error) {
	for _, form := range momentForms {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errkind.Errorf(errkind.Invalid, "%s = %q is no time: write 2013-07-01 or 2013-07-01 06:00:00, in UTC", what, text)
}

// storedMoment is a moment in the unit that the column's values have.
func storedMoment(f schema.Field, at time.Time) (int64, error) {
	switch f.Type.Kind {
	case schema.Timestamp, schema.TimestampLTZ:
		ts, err := arrow.TimestampFromTime(at, f.Type.TimestampUnit())
		if err != nil {
			return 0, errkind.Errorf(errkind.Invalid, "%s is outside of %s", at, f.Type)
		}
		return int64(ts), nil
	case schema.Date:
		if !at.Equal(at.Truncate(24 * time.Hour)) {
			return 0, errkind.Errorf(errkind.Invalid, "column %s is a DATE, %s is not the beginning of a day", f.Name, at.Format(momentForms[1]))
		}
		return at.Unix() / 86400, nil
	default:
		return 0, errkind.Errorf(errkind.Invalid, "column %s is %s: a range goes by a TIMESTAMP, TIMESTAMP_LTZ or DATE column", f.Name, f.Type)
	}
}

// baseName is what the restricted table is called where it is defined; no user can name a table so.
const baseName = "weir$revised"

// restricted shows the table as it is in the range, under its own name.
type restricted struct {
	bind.Catalog
	t *target
}

// Relation implements bind.Catalog.
func (c restricted) Relation(ctx context.Context, database, name string) (*bind.Relation, error) {
	switch {
	case database == c.t.id.Database && name == c.t.id.Table:
		return &bind.Relation{View: &bind.View{Database: database, Text: c.t.inRange()}}, nil
	case name == baseName:
		return c.Catalog.Relation(ctx, c.t.id.Database, c.t.id.Table)
	}
	return c.Catalog.Relation(ctx, database, name)
}

// inRange is the query of the table's rows in the range.
func (t *target) inRange() string {
	typ := t.column.Type
	typ.NotNull = false
	end := func(at time.Time) string {
		form := "2006-01-02 15:04:05.000000"
		if typ.Kind == schema.Date {
			form = time.DateOnly
		}
		return fmt.Sprintf("CAST('%s' AS %s)", at.UTC().Format(form), typ)
	}
	col := quote(t.column.Name)
	return fmt.Sprintf("SELECT * FROM %s WHERE %s >= %s AND %s < %s", quote(baseName), col, end(t.from), col, end(t.to))
}

func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// bindRows binds a query that gives the table's rows, over the table as it was at snapshot base and restricted to the
// range, and casts what it gives to the table's columns.
func (s *Service) bindRows(ctx context.Context, t *target, text string, base int64) (plan.Node, error) {
	q, err := sql.ParseQuery(text)
	if err != nil {
		return nil, err
	}
	sess := session.New(s.opts.Services, session.Options{Database: t.id.Database})
	root, err := bind.Query(ctx, restricted{sess, t}, text, q, bind.Options{Database: t.id.Database, Zone: time.UTC})
	if err != nil {
		return nil, err
	}
	seen := false
	plan.Walk(root, func(n plan.Node) {
		if sc, ok := n.(*plan.Scan); ok && sc.Table.Path == t.table.Path && sc.AsOf == nil {
			sc.AsOf, seen = &plan.AsOf{Snapshot: base}, true
		}
	})
	if !seen {
		return nil, errkind.Errorf(errkind.Invalid, "revise %s: the query does not read %s: it must give the corrected rows of the table from the table itself", t.id, t.id.Table)
	}
	ordered, err := t.ordered(root)
	if err != nil {
		return nil, err
	}
	to := *t.table
	to.Columns = nil
	for _, c := range t.stored {
		to.Columns = append(to.Columns, t.table.Columns[c])
	}
	sink, err := bind.Sink(&to, ordered)
	if err != nil {
		return nil, err
	}
	return plan.Optimize(sink.Input), nil
}

// ordered brings the query's columns into the table's order, by name.
func (t *target) ordered(root plan.Node) (plan.Node, error) {
	cols := root.Columns()
	at := map[string]int{}
	var unknown, missing []string
	for i, c := range cols {
		if _, twice := at[c.Name]; twice {
			return nil, errkind.Errorf(errkind.Invalid, "revise %s: the query gives column %s twice", t.id, c.Name)
		}
		at[c.Name] = i
		if !slices.ContainsFunc(t.table.Columns, func(tc plan.TableColumn) bool { return tc.Name == c.Name }) {
			unknown = append(unknown, c.Name)
		}
	}
	for _, n := range t.names() {
		if _, ok := at[n]; !ok {
			missing = append(missing, n)
		}
	}
	if len(unknown)+len(missing) > 0 {
		return nil, errkind.Errorf(errkind.Invalid, "revise %s: the query must give the table's columns by name: %s", t.id, misfit(missing, unknown))
	}
	p := &plan.Project{Input: root}
	for _, n := range t.names() {
		p.Exprs, p.Names = append(p.Exprs, plan.Col(root, at[n])), append(p.Names, n)
	}
	return p, nil
}

func misfit(missing, unknown []string) string {
	var parts []string
	if len(missing) > 0 {
		parts = append(parts, "it lacks "+strings.Join(missing, ", "))
	}
	if len(unknown) > 0 {
		parts = append(parts, "the table has no "+strings.Join(unknown, ", "))
	}
	return strings.Join(parts, "; ")
}
