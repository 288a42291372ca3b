package stream

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
)

// naive evaluates plans from scratch, row by row, over whole inputs. It shares no code with
// the operators or the expression evaluator.
type naive struct {
	inputs    map[*plan.Scan]relation
	clock     int64  // milliseconds
	watermark *int64 // milliseconds
}

func (n *naive) eval(node plan.Node) relation {
	switch p := node.(type) {
	case *plan.Scan:
		return n.inputs[p]
	case *plan.Values:
		return n.mapRows(relation{"": {tuple{}, 1}}, func(tuple) []tuple {
			var out []tuple
			for _, row := range p.Rows {
				var r tuple
				for _, e := range row {
					r = append(r, naiveExpr(e, nil))
				}
				out = append(out, r)
			}
			return out
		})
	case *plan.Filter:
		return n.mapRows(n.eval(p.Input), func(r tuple) []tuple {
			if naiveExpr(p.Pred, r) == true {
				return []tuple{r}
			}
			return nil
		})
	case *plan.Project:
		return n.mapRows(n.eval(p.Input), func(r tuple) []tuple {
			var out tuple
			for _, e := range p.Exprs {
				out = append(out, naiveExpr(e, r))
			}
			return []tuple{out}
		})
	case *plan.SetOp:
		return n.setOp(p)
	case *plan.Aggregate:
		return n.aggregate(p)
	case *plan.Join:
		return n.join(p)
	case *plan.Window:
		return n.window(p)
	case *plan.TopN:
		return n.topN(p)
	case *plan.Sort:
		if p.Limit < 0 {
			return n.eval(p.Input)
		}
		return n.topN(&plan.TopN{Input: p.Input, OrderBy: p.Keys, Limit: p.Limit, Offset: p.Offset})
	case *plan.Over:
		return n.over(p)
	case *plan.ClockFilter:
		return n.clockFilter(p)
	default:
		panic(fmt.Sprintf("naive: %T", node))
	}
}

func (n *naive) mapRows(in relation, fn func(tuple) []tuple) relation {
	out := relation{}
	for _, c := range in {
		for _, r := range fn(c.row) {
			out.add(r, c.n)
		}
	}
	return out
}

func naiveExpr(e expr.Expr, row tuple) any {
	switch e := e.(type) {
	case *expr.Column:
		return row[e.Index]
	case *expr.Literal:
		return e.Value
	case *expr.Call:
		args := make([]any, len(e.Args))
		for i, a := range e.Args {
			if args[i] = naiveExpr(a, row); args[i] == nil {
				return nil // none of the functions used sees NULL
			}
		}
		switch e.Fn {
		case "=":
			return compareValues(args[0], args[1]) == 0
		case "<":
			return compareValues(args[0], args[1]) < 0
		case "+":
			return args[0].(int64) + args[1].(int64)
		}
	}
	panic("naive: expression " + e.String())
}

func (n *naive) setOp(p *plan.SetOp) relation {
	left, out := n.eval(p.Input[0]), relation{}
	right := relation{}
	for _, in := range p.Input[1:] {
		for _, c := range n.eval(in) {
			right.add(c.row, c.n)
		}
	}
	count := func(r relation, key string) int64 {
		if c := r[key]; c != nil {
			return c.n
		}
		return 0
	}
	both := relation{}
	for _, r := range []relation{left, right} {
		for _, c := range r {
			both.add(c.row, c.n)
		}
	}
	for key, c := range both {
		l, r := count(left, key), count(right, key)
		switch {
		case p.Kind == plan.Union && p.All:
			out.add(c.row, l+r)
		case p.Kind == plan.Union:
			out.add(c.row, 1)
		case p.Kind == plan.Intersect && p.All:
			out.add(c.row, min(l, r))
		case p.Kind == plan.Intersect && l > 0 && r > 0:
			out.add(c.row, 1)
		case p.Kind == plan.Except && p.All && l > r:
			out.add(c.row, l-r)
		case p.Kind == plan.Except && !p.All && l > 0 && r == 0:
			out.add(c.row, 1)
		}
	}
	return out
}

func (n *naive) aggregate(p *plan.Aggregate) relation {
	sets := p.Sets
	if sets == nil {
		sets = [][]int{nil}
		for i := range p.GroupBy {
			sets[0] = append(sets[0], i)
		}
	}
	out := relation{}
	rows := n.eval(p.Input).rows()
	for _, set := range sets {
		groups := map[string][]tuple{}
		keys := map[string]tuple{}
		for _, r := range rows {
			var key tuple
			for i, g := range p.GroupBy {
				if slices.Contains(set, i) {
					key = append(key, naiveExpr(g, r))
				} else {
					key = append(key, nil)
				}
			}
			k := fmt.Sprintf("%#v", key)
			groups[k], keys[k] = append(groups[k], r), key
		}
		if len(set) == 0 && len(rows) == 0 {
			groups[""], keys[""] = nil, make(tuple, len(p.GroupBy))
		}
		for k, members := range groups {
			row := slices.Clone(keys[k])
			for i := range p.Aggs {
				if p.Aggs[i].Fn == "GROUPING_ID" {
					row = append(row, groupingID(len(p.GroupBy), set))
					continue
				}
				row = append(row, naiveAgg(&p.Aggs[i], members))
			}
			if p.WindowEnd < 0 || n.watermark == nil || row[p.WindowEnd].(int64)-1 <= *n.watermark {
				out.add(row, 1)
			}
		}
	}
	return out
}

func groupingID(columns int, set []int) any {
	id := int64(0)
	for i := range columns {
		id <<= 1
		if !slices.Contains(set, i) {
			id |= 1
		}
	}
	return id
}

// naiveAgg computes an aggregate over rows in canonical order.
func naiveAgg(a *plan.AggCall, rows []tuple) any {
	if a.Filter != nil {
		rows = slices.DeleteFunc(slices.Clone(rows), func(r tuple) bool { return naiveExpr(a.Filter, r) != true })
	}
	if len(a.Args) == 0 {
		return int64(len(rows))
	}
	rows = orderRows(rows, a.OrderBy)
	var vals []any
	for _, r := range rows {
		if v := naiveExpr(a.Args[0], r); v != nil {
			vals = append(vals, v)
		}
	}
	if a.Distinct {
		slices.SortStableFunc(vals, compareValues)
		vals = slices.CompactFunc(vals, func(x, y any) bool { return compareValues(x, y) == 0 })
	}
	if a.Fn == "COUNT" {
		return int64(len(vals))
	}
	if len(vals) == 0 {
		return nil
	}
	switch a.Fn {
	case "MIN":
		return slices.MinFunc(vals, compareValues)
	case "MAX":
		return slices.MaxFunc(vals, compareValues)
	case "FIRST_VALUE":
		return vals[0]
	case "LAST_VALUE":
		return vals[len(vals)-1]
	case "LISTAGG":
		var parts []string
		for _, v := range vals {
			parts = append(parts, v.(string))
		}
		return strings.Join(parts, ",")
	}
	if _, ok := vals[0].(float64); ok {
		sum := naiveFloatSum(vals)
		if a.Fn == "AVG" {
			sum /= float64(len(vals))
		}
		return sum
	}
	sum := int64(0)
	for _, v := range vals {
		sum += v.(int64)
	}
	if a.Fn == "AVG" {
		return sum / int64(len(vals))
	}
	return sum
}

// naiveFloatSum adds with more bits than there are and rounds once.
func naiveFloatSum(vals []any) float64 {
	sum, special := new(big.Float).SetPrec(2400), 0.0
	for _, v := range vals {
		if x := v.(float64); math.IsNaN(x) || math.IsInf(x, 0) {
			special += x
		} else {
			sum.Add(sum, new(big.Float).SetFloat64(x))
		}
	}
	if special != 0 {
		return special
	}
	x, _ := sum.Float64()
	return x
}

// orderRows sorts by the keys, ties by the canonical order.
func orderRows(rows []tuple, keys []plan.SortKey) []tuple {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b tuple) int {
		if c := compareKeys(a, b, keys); c != 0 {
			return c
		}
		return compareTuples(a, b)
	})
	return rows
}

func compareKeys(a, b tuple, keys []plan.SortKey) int {
	for _, k := range keys {
		x, y := naiveExpr(k.Expr, a), naiveExpr(k.Expr, b)
		if (x == nil) != (y == nil) {
			if (x == nil) == k.NullsFirst {
				return -1
			}
			return 1
		}
		c := compareValues(x, y)
		if k.Desc {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

func (n *naive) join(p *plan.Join) relation {
	left, right, out := n.eval(p.Left).rows(), n.eval(p.Right).rows(), relation{}
	// verdict is TRUE, FALSE or NULL (nil) of the whole condition.
	verdict := func(l, r tuple) any {
		var result any = true
		for i := range p.LeftKeys {
			x, y := naiveExpr(p.LeftKeys[i], l), naiveExpr(p.RightKeys[i], r)
			safe := p.NullSafe != nil && p.NullSafe[i]
			switch {
			case safe && compareValues(x, y) == 0:
			case !safe && (x == nil || y == nil):
				result = nil
			case compareValues(x, y) != 0:
				return false
			}
		}
		if p.Residual != nil {
			if v := naiveExpr(p.Residual, append(slices.Clone(l), r...)); v != true {
				return v
			}
		}
		return result
	}
	padL, padR := make(tuple, len(p.Left.Columns())), make(tuple, len(p.Right.Columns()))
	matchedRight := make([]bool, len(right))
	for _, l := range left {
		matches, unknown := 0, 0
		for i, r := range right {
			switch verdict(l, r) {
			case true:
				matches++
				matchedRight[i] = true
				if p.Kind < plan.Semi {
					out.add(append(slices.Clone(l), r...), 1)
				}
			case nil:
				unknown++
			}
		}
		switch {
		case matches == 0 && (p.Kind == plan.Left || p.Kind == plan.Full):
			out.add(append(slices.Clone(l), padR...), 1)
		case matches > 0 && p.Kind == plan.Semi,
			matches == 0 && p.Kind == plan.Anti,
			matches == 0 && unknown == 0 && p.Kind == plan.NullAwareAnti:
			out.add(l, 1)
		}
	}
	for i, r := range right {
		if !matchedRight[i] && (p.Kind == plan.Right || p.Kind == plan.Full) {
			out.add(append(slices.Clone(padL), r...), 1)
		}
	}
	return out
}

func (n *naive) window(p *plan.Window) relation {
	in, out := n.eval(p.Input), relation{}
	if p.Kind == plan.Session {
		return n.sessions(p, in)
	}
	size, slide := p.Size.Milliseconds(), p.Slide.Milliseconds()
	for _, c := range in {
		t, ok := c.row[p.Time].(int64)
		if !ok {
			continue
		}
		emit := func(start, end int64) { out.add(append(slices.Clone(c.row), start, end, end-1), c.n) }
		// Try every window that could hold t, one by one.
		step := slide
		if p.Kind != plan.Hop {
			step = size
		}
		first := int64(math.Floor(float64(t)/float64(step)))*step - 2*size - 2*step
		first -= first % step
		for start := first; start <= t; start += step {
			switch p.Kind {
			case plan.Cumulate:
				for end := start + slide; end <= start+size; end += slide {
					if t >= start && t < end {
						emit(start, end)
					}
				}
			default:
				if t >= start && t < start+size {
					emit(start, start+size)
				}
			}
		}
	}
	return out
}

func (n *naive) sessions(p *plan.Window, in relation) relation {
	out, parts := relation{}, map[string][]tuple{}
	for _, r := range in.rows() {
		if r[p.Time] == nil {
			continue
		}
		var key tuple
		for _, c := range p.PartitionBy {
			key = append(key, r[c])
		}
		k := fmt.Sprintf("%#v", key)
		parts[k] = append(parts[k], r)
	}
	gap := p.Size.Milliseconds()
	for _, rows := range parts {
		slices.SortStableFunc(rows, func(a, b tuple) int { return compareValues(a[p.Time], b[p.Time]) })
		for i := 0; i < len(rows); {
			j := i + 1
			for j < len(rows) && rows[j][p.Time].(int64)-rows[j-1][p.Time].(int64) <= gap {
				j++
			}
			start, end := rows[i][p.Time].(int64), rows[j-1][p.Time].(int64)+gap
			for ; i < j; i++ {
				out.add(append(slices.Clone(rows[i]), start, end, end-1), 1)
			}
		}
	}
	return out
}

// partitionsOf returns the rows of each partition in order.
func (n *naive) partitionsOf(in plan.Node, by []expr.Expr, order []plan.SortKey) [][]tuple {
	parts := map[string][]tuple{}
	for _, r := range n.eval(in).rows() {
		var key tuple
		for _, e := range by {
			key = append(key, naiveExpr(e, r))
		}
		k := fmt.Sprintf("%#v", key)
		parts[k] = append(parts[k], r)
	}
	var out [][]tuple
	for _, rows := range parts {
		out = append(out, orderRows(rows, order))
	}
	return out
}

func (n *naive) topN(p *plan.TopN) relation {
	out := relation{}
	for _, rows := range n.partitionsOf(p.Input, p.PartitionBy, p.OrderBy) {
		for i, r := range rows {
			if int64(i) < p.Offset || int64(i) >= p.Offset+p.Limit {
				continue
			}
			if p.Rank != "" {
				r = append(slices.Clone(r), int64(i)+1)
			}
			out.add(r, 1)
		}
	}
	return out
}

func (n *naive) over(p *plan.Over) relation {
	out := relation{}
	for _, rows := range n.partitionsOf(p.Input, p.PartitionBy, p.OrderBy) {
		for i, r := range rows {
			row := slices.Clone(r)
			for _, c := range p.Calls {
				row = append(row, naiveOver(p, &c, rows, i))
			}
			out.add(row, 1)
		}
	}
	return out
}

func naiveOver(p *plan.Over, c *plan.OverCall, rows []tuple, i int) any {
	peer := func(j int) bool { return compareKeys(rows[i], rows[j], p.OrderBy) == 0 }
	switch c.Fn {
	case "ROW_NUMBER":
		return int64(i) + 1
	case "RANK", "DENSE_RANK":
		rank, dense := int64(1), int64(1)
		for j := range i {
			if !peer(j) {
				rank++
				if compareKeys(rows[j], rows[j+1], p.OrderBy) != 0 {
					dense++
				}
			}
		}
		if c.Fn == "RANK" {
			return rank
		}
		return dense
	case "LAG", "LEAD":
		j := i - 1
		if c.Fn == "LEAD" {
			j = i + 1
		}
		if j < 0 || j >= len(rows) {
			return nil
		}
		return naiveExpr(c.Args[0], rows[j])
	}
	var frame []tuple
	for j := range rows {
		var in bool
		if c.Rows {
			in = (c.Lower == nil || int64(j-i) >= *c.Lower) && (c.Upper == nil || int64(j-i) <= *c.Upper)
		} else {
			in = (c.Lower == nil || naiveRange(p, rows[i], rows[j]) >= *c.Lower) &&
				(c.Upper == nil || naiveRange(p, rows[i], rows[j]) <= *c.Upper)
		}
		if in {
			frame = append(frame, rows[j])
		}
	}
	return naiveAgg(&plan.AggCall{Fn: c.Fn, Args: c.Args, OrderBy: p.OrderBy}, frame)
}

// naiveRange is how far other is behind row in the order: in the key's unit where both
// have one, else only its sign is meant.
func naiveRange(p *plan.Over, row, other tuple) int64 {
	c := compareKeys(other, row, p.OrderBy)
	if c == 0 {
		return 0
	}
	x, y := naiveExpr(p.OrderBy[0].Expr, row), naiveExpr(p.OrderBy[0].Expr, other)
	from, ok1 := x.(int64)
	to, ok2 := y.(int64)
	if !ok1 || !ok2 {
		return int64(c) * math.MaxInt32
	}
	diff := to - from
	if p.OrderBy[0].Desc {
		return -diff
	}
	return diff
}

func (n *naive) clockFilter(p *plan.ClockFilter) relation {
	return n.mapRows(n.eval(p.Input), func(r tuple) []tuple {
		now := n.clock
		if p.Watermark {
			if n.watermark == nil {
				if p.NullClock {
					return []tuple{r}
				}
				return nil
			}
			now = *n.watermark
		}
		if p.From != nil {
			if v, ok := naiveExpr(p.From, r).(int64); !ok || v > now {
				return nil
			}
		}
		if p.Until != nil {
			if v, ok := naiveExpr(p.Until, r).(int64); !ok || v <= now {
				return nil
			}
		}
		return []tuple{r}
	})
}

func millis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
