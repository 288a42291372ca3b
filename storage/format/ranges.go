package format

// Range is the rows [From, To) of a file.
type Range struct{ From, To int64 }

// Ranges are disjoint ranges in ascending order.
type Ranges []Range

// Rows is the number of rows covered.
func (r Ranges) Rows() int64 {
	n := int64(0)
	for _, x := range r {
		n += x.To - x.From
	}
	return n
}

func (r Ranges) longest() int64 {
	n := int64(1)
	for _, x := range r {
		n = max(n, x.To-x.From)
	}
	return n
}

// add appends [from, to), which begins at or after the last range's end.
func (r Ranges) add(from, to int64) Ranges {
	if from >= to {
		return r
	}
	if n := len(r); n > 0 && r[n-1].To >= from {
		r[n-1].To = max(r[n-1].To, to)
		return r
	}
	return append(r, Range{from, to})
}

// Intersect is the rows in both.
func (r Ranges) Intersect(o Ranges) Ranges {
	out := Ranges{}
	for i, j := 0, 0; i < len(r) && j < len(o); {
		out = out.add(max(r[i].From, o[j].From), min(r[i].To, o[j].To))
		if r[i].To < o[j].To {
			i++
		} else {
			j++
		}
	}
	return out
}
