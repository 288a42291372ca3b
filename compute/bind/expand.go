package bind

import (
	"context"

	"github.com/weir-lake/weir/compute/sql"
)

// Expand returns the query's text with every * replaced by the columns it stands for
// now, so that a stored definition (a view, a job) does not change when a column is
// added to a table. A * whose columns cannot be told apart by name stays.
func Expand(ctx context.Context, cat Catalog, text string, opts Options) (string, error) {
	q, err := sql.ParseQuery(text)
	if err != nil {
		return "", err
	}
	b := newBinder(ctx, cat, text, opts)
	b.expanded = map[*sql.Select][]sql.SelectItem{}
	if _, _, err := b.query(q, nil, nil, true); err != nil {
		return "", err
	}
	for s, items := range b.expanded {
		s.Items = items
	}
	return sql.FormatQuery(q), nil
}

// recordStars notes the select list with its stars resolved. Selects of views are not
// noted: their text is the view's.
func (sb *selectBinder) recordStars() {
	if sb.b.expanded == nil || len(sb.b.views) > 0 {
		return
	}
	var items []sql.SelectItem
	for _, it := range sb.s.Items {
		star, ok := it.Expr.(*sql.Star)
		if !ok {
			items = append(items, it)
			continue
		}
		refs := sb.starRefs(star)
		if refs == nil {
			return
		}
		items = append(items, refs...)
	}
	sb.b.expanded[sb.s] = items
}

// starRefs are the columns of a star as names; nil if a name would be ambiguous.
func (sb *selectBinder) starRefs(star *sql.Star) []sql.SelectItem {
	var out []sql.SelectItem
	add := func(parts ...string) bool {
		n := make(sql.Name, len(parts))
		for i, p := range parts {
			n[i] = sql.Ident{Text: p, At: star.At}
		}
		out = append(out, sql.SelectItem{Expr: &sql.ColumnRef{Name: n}})
		f, err := sb.b.resolveIn(sb.scope, n)
		return err == nil && f.col != nil && f.used == len(n)
	}
	if star.Qualifier == nil {
		for _, m := range sb.scope.merged {
			if !add(m.name) {
				return nil
			}
		}
	}
	for _, r := range sb.scope.rels {
		if star.Qualifier != nil && !r.matches(star.Qualifier) {
			continue
		}
		for i, c := range r.cols {
			if star.Qualifier == nil && r.hidden != nil && r.hidden[i] {
				continue
			}
			parts := []string{r.alias, c.Name}
			if r.alias == "" {
				parts = parts[1:]
			}
			if !add(parts...) {
				return nil
			}
		}
	}
	return out
}
