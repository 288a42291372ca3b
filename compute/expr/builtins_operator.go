package expr

import "github.com/weir-lake/weir/table/schema"

// operatorBuiltins are comparison, logic and arithmetic.
func operatorBuiltins() []builtin {
	return []builtin{
		{sig: "=(ANY, ANY) BOOLEAN", prep: prepCompare, total: true, bind: bindCompare},
		{sig: "<>(ANY, ANY) BOOLEAN", prep: prepCompare, total: true, aliases: []string{"!="}, bind: bindCompare},
		{sig: "<(ANY, ANY) BOOLEAN", prep: prepCompare, total: true, bind: bindOrder},
		{sig: "<=(ANY, ANY) BOOLEAN", prep: prepCompare, total: true, bind: bindOrder},
		{sig: ">(ANY, ANY) BOOLEAN", prep: prepCompare, total: true, bind: bindOrder},
		{sig: ">=(ANY, ANY) BOOLEAN", prep: prepCompare, total: true, bind: bindOrder},
		{sig: "IS_DISTINCT_FROM(ANY, ANY) BOOLEAN", prep: prepDistinct, bind: bindDistinct, nulls: true},
		{sig: "IS_NOT_DISTINCT_FROM(ANY, ANY) BOOLEAN", prep: prepDistinct, bind: bindDistinct, nulls: true},
		{sig: "IN(ANY, ANY...) BOOLEAN", prep: prepIn, bind: bindIn, nulls: true},
		{sig: "AND(BOOLEAN, BOOLEAN...) BOOLEAN", bind: bindLogic, nulls: true},
		{sig: "OR(BOOLEAN, BOOLEAN...) BOOLEAN", bind: bindLogic, nulls: true},
		{sig: "NOT(BOOLEAN) BOOLEAN", prep: run(evalNot), total: true},
		{sig: "IS_NULL(ANY) BOOLEAN", prep: prepIsNull, total: true, nulls: true},
		{sig: "IS_NOT_NULL(ANY) BOOLEAN", prep: prepIsNull, total: true, nulls: true},
		{sig: "IS_TRUE(BOOLEAN) BOOLEAN", prep: prepIsTrue, total: true, nulls: true},
		{sig: "IS_NOT_TRUE(BOOLEAN) BOOLEAN", prep: prepIsTrue, total: true, nulls: true},
		{sig: "IS_FALSE(BOOLEAN) BOOLEAN", prep: prepIsTrue, total: true, nulls: true},
		{sig: "IS_NOT_FALSE(BOOLEAN) BOOLEAN", prep: prepIsTrue, total: true, nulls: true},
		{sig: "+(ANY, ANY) -", prep: prepArith, bind: bindPlus},
		{sig: "-(ANY, ANY) -", prep: prepArith, bind: bindMinus},
		{sig: "*(ANY, ANY) -", prep: prepArith, bind: bindTimes},
		{sig: "/(ANY, ANY) -", prep: prepArith, bind: bindDivide},
		{sig: "%(NUMERIC, NUMERIC) -", prep: prepArith, aliases: []string{"MOD"}, bind: bindModulo},
		{sig: "NEG(ANY) -", prep: prepNegate, bind: bindNegate},
	}
}

func allNotNull(args []schema.Type) bool {
	for _, a := range args {
		if !a.NotNull {
			return false
		}
	}
	return true
}

func bindCompare(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	t, ok := ComparableType(args[0], args[1])
	if !ok {
		return schema.Type{}, nil, false
	}
	want := []schema.Type{t.WithNotNull(args[0].NotNull), t.WithNotNull(args[1].NotNull)}
	return schema.TBoolean.WithNotNull(allNotNull(args)), want, true
}

// bindOrder is bindCompare for types which have an order: maps have none.
func bindOrder(args []schema.Type, lits []*Literal) (schema.Type, []schema.Type, bool) {
	ret, want, ok := bindCompare(args, lits)
	return ret, want, ok && hasOrder(want[0])
}

func hasOrder(t schema.Type) bool {
	switch t.Kind {
	case schema.Map, schema.Multiset, schema.Variant, schema.Blob:
		return false
	case schema.Array:
		return hasOrder(*t.Elem)
	case schema.Row:
		for _, f := range t.Fields {
			if !hasOrder(f.Type) {
				return false
			}
		}
	}
	return true
}

func bindDistinct(args []schema.Type, lits []*Literal) (schema.Type, []schema.Type, bool) {
	ret, want, ok := bindCompare(args, lits)
	return ret.WithNotNull(true), want, ok
}

func bindIn(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	t := args[0]
	for _, a := range args[1:] {
		var ok bool
		if t, ok = ComparableType(t, a); !ok {
			return schema.Type{}, nil, false
		}
	}
	want := make([]schema.Type, len(args))
	for i, a := range args {
		want[i] = t.WithNotNull(a.NotNull)
	}
	return schema.TBoolean.WithNotNull(allNotNull(args)), want, true
}

func bindLogic(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	want := make([]schema.Type, len(args))
	for i, a := range args {
		want[i] = schema.TBoolean.WithNotNull(a.NotNull)
	}
	return schema.TBoolean.WithNotNull(allNotNull(args)), want, true
}

// bindNumbers types l op r for numbers; a NULL literal takes the other's type. Arguments
// of DECIMAL results stay exact numbers of their own scale, others are brought to the result's type.
func bindNumbers(op string, args []schema.Type) (schema.Type, []schema.Type, bool) {
	l, r := args[0], args[1]
	if l.Kind == schema.Null {
		l = r
	}
	if r.Kind == schema.Null {
		r = l
	}
	ret, ok := numericResult(op, l, r)
	if !ok {
		return schema.Type{}, nil, false
	}
	want := []schema.Type{ret, ret}
	switch {
	case ret.Kind == schema.Decimal:
		want = []schema.Type{asDecimal(l), asDecimal(r)}
	case op == "%":
		want[0], _ = CommonType(l, r)
		want[1] = want[0]
	}
	want[0], want[1] = want[0].WithNotNull(args[0].NotNull), want[1].WithNotNull(args[1].NotNull)
	// A DECIMAL result is NULL when it overflows.
	return ret.WithNotNull(allNotNull(args) && ret.Kind != schema.Decimal), want, true
}

func asDecimal(t schema.Type) schema.Type {
	p, s, _ := exactDigits(t)
	return schema.TDecimal(p, s)
}

func isInterval(t schema.Type) bool {
	return t.Kind == schema.IntervalDayTime || t.Kind == schema.IntervalYearMonth
}

// addable are the types an interval can be added to.
func addable(t schema.Type) bool {
	return isDatetime(t) || t.Kind == schema.Time || isInterval(t)
}

func bindPlus(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	l, r := args[0], args[1]
	switch {
	case addable(l) && isInterval(r) && intervalFits(l, r):
		return l.WithNotNull(allNotNull(args)), args, true
	case isInterval(l) && addable(r) && intervalFits(r, l):
		return r.WithNotNull(allNotNull(args)), args, true
	}
	return bindNumbers("+", args)
}

// intervalFits refuses interval + interval of another class and months on a TIME.
func intervalFits(t, interval schema.Type) bool {
	if isInterval(t) {
		return t.Kind == interval.Kind
	}
	return t.Kind != schema.Time || interval.Kind == schema.IntervalDayTime
}

func bindMinus(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	l, r := args[0], args[1]
	if addable(l) && isInterval(r) && intervalFits(l, r) {
		return l.WithNotNull(allNotNull(args)), args, true
	}
	if isDatetime(l) && isDatetime(r) {
		t := commonDatetime(l, r)
		want := []schema.Type{t.WithNotNull(l.NotNull), t.WithNotNull(r.NotNull)}
		return schema.Type{Kind: schema.IntervalDayTime, NotNull: allNotNull(args)}, want, true
	}
	return bindNumbers("-", args)
}

func bindTimes(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	l, r := args[0], args[1]
	switch {
	case isInterval(l) && r.IsNumeric():
		return l.WithNotNull(allNotNull(args)), []schema.Type{l, intervalFactor(r)}, true
	case isInterval(r) && l.IsNumeric():
		return r.WithNotNull(allNotNull(args)), []schema.Type{intervalFactor(l), r}, true
	}
	return bindNumbers("*", args)
}

// intervalFactor is what a number becomes when an interval is multiplied by it.
func intervalFactor(t schema.Type) schema.Type {
	if t.IsInteger() {
		return schema.TBigInt.WithNotNull(t.NotNull)
	}
	return schema.TDouble.WithNotNull(t.NotNull)
}

func bindDivide(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	if isInterval(args[0]) && args[1].IsInteger() {
		want := []schema.Type{args[0], schema.TBigInt.WithNotNull(args[1].NotNull)}
		return args[0].WithNotNull(allNotNull(args)), want, true
	}
	return bindNumbers("/", args)
}

func bindModulo(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	return bindNumbers("%", args)
}

func bindNegate(args []schema.Type, _ []*Literal) (schema.Type, []schema.Type, bool) {
	ok := args[0].IsNumeric() || isInterval(args[0])
	return args[0], args, ok
}
