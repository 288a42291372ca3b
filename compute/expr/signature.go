package expr

import (
	"strings"

	"github.com/weir-lake/weir/table/schema"
)

// signature is one way to call a function, parsed from text such as
// "SUBSTRING(STRING, INTEGER [, INTEGER]) STRING". See parseSignatures.
type signature struct {
	name     string
	params   []string
	optional int  // how many trailing params may be left out
	variadic bool // the last param may be repeated
	ret      string
	nullable bool // may be NULL though no argument is
}

// parseSignatures parses signatures separated by " | ". Each is NAME(params) RETURN.
// A parameter is one of
//
//	STRING, BYTES, BOOLEAN, DOUBLE: values of that type, implicitly cast
//	INTEGER: any integer type, cast to BIGINT
//	NUMERIC: any number, kept as it is
//	DATE, TIME, TIMESTAMP, LTZ: that kind at any precision, kept; TIMESTAMP takes DATE too
//	DATETIME: DATE, TIMESTAMP or TIMESTAMP_LTZ, kept
//	INTERVAL, ARRAY, MAP, ROW: that kind, kept; COLLECTION: ARRAY, MAP or MULTISET
//	ANY: anything, kept;  SAME: all SAME params are cast to their common type
//	SYMBOL: a keyword, as a string literal
//
// "[, X]" makes params optional and "..." after the last repeats it. RETURN is a type
// name, ARGn, SAME or "-" (the builtin's bind decides); "?" after it says that the
// result may be NULL even when no argument is.
func parseSignatures(text string) []signature {
	var out []signature
	for part := range strings.SplitSeq(text, " | ") {
		open, end := strings.IndexByte(part, '('), strings.LastIndex(part, ") ")
		s := signature{name: part[:open], ret: part[end+2:]}
		params := part[open+1 : end]
		if i := strings.IndexByte(params, '['); i >= 0 {
			s.optional = strings.Count(params[i:], ",")
			if i == 0 {
				s.optional++
			}
			params = strings.NewReplacer("[", "", "]", "").Replace(params)
		}
		if strings.HasSuffix(params, "...") {
			s.variadic = true
			params = strings.TrimSuffix(params, "...")
		}
		for p := range strings.SplitSeq(params, ",") {
			if p = strings.TrimSpace(p); p != "" {
				s.params = append(s.params, p)
			}
		}
		s.ret, s.nullable = strings.CutSuffix(s.ret, "?")
		out = append(out, s)
	}
	return out
}

// signatureText is a declaration for people: "or" between signatures, types as SQL writes them.
func signatureText(sig string) string {
	return strings.NewReplacer(" | ", " or ", " TIMESTAMP3", " TIMESTAMP(3)", " LTZ3", " TIMESTAMP_LTZ(3)",
		" STRINGS", " ARRAY<STRING>", " STRINGMAP", " MAP<STRING, STRING>").Replace(sig)
}

// match returns the types the arguments are to be cast to, or false if they do not fit.
func (s *signature) match(args []schema.Type) ([]schema.Type, bool) {
	if len(args) < len(s.params)-s.optional || (len(args) > len(s.params) && !s.variadic) {
		return nil, false
	}
	want := make([]schema.Type, len(args))
	var same []schema.Type
	for i, a := range args {
		p := s.params[min(i, len(s.params)-1)]
		if p == "SAME" {
			same = append(same, a)
			continue
		}
		t, ok := paramType(p, a)
		if !ok {
			return nil, false
		}
		want[i] = t.WithNotNull(a.NotNull)
	}
	if same == nil {
		return want, true
	}
	common, ok := CommonType(same...)
	if !ok {
		return nil, false
	}
	for i, a := range args {
		if s.params[min(i, len(s.params)-1)] == "SAME" {
			want[i] = common.WithNotNull(a.NotNull)
		}
	}
	return want, true
}

// result is the return type by the notation; strict functions are NOT NULL when all arguments are.
func (s *signature) result(want, args []schema.Type, nulls bool) schema.Type {
	var t schema.Type
	switch s.ret {
	case "SAME":
		for i := range want {
			if s.params[min(i, len(s.params)-1)] == "SAME" {
				t = want[i]
				break
			}
		}
	case "ARG0":
		t = want[0]
	case "ARG1":
		t = want[1]
	case "-":
		return schema.Type{}
	default:
		t = namedType(s.ret)
	}
	notNull := !s.nullable
	if !nulls {
		for _, a := range args {
			notNull = notNull && a.NotNull
		}
	}
	return t.WithNotNull(notNull)
}

func namedType(name string) schema.Type {
	switch name {
	case "STRING":
		return schema.TString
	case "BYTES":
		return schema.TBytes
	case "BOOLEAN":
		return schema.TBoolean
	case "INT":
		return schema.TInt
	case "BIGINT":
		return schema.TBigInt
	case "DOUBLE":
		return schema.TDouble
	case "DATE":
		return schema.TDate
	case "TIME":
		return schema.TTime(0)
	case "TIMESTAMP3":
		return schema.TTimestamp(3)
	case "LTZ3":
		return schema.TTimestampLTZ(3)
	case "STRINGS":
		return schema.TArray(schema.TString)
	case "STRINGMAP":
		return schema.TMap(schema.TString, schema.TString)
	default:
		panic("expr: no type is called " + name)
	}
}

// paramType returns what an argument of type a becomes for the parameter class p.
func paramType(p string, a schema.Type) (schema.Type, bool) {
	null := a.Kind == schema.Null
	switch p {
	case "STRING", "SYMBOL":
		if a.IsString() {
			return a, true
		}
		return schema.TString, null
	case "BYTES":
		return schema.TBytes, null || a.IsBinary()
	case "BOOLEAN":
		return schema.TBoolean, null || a.Kind == schema.Boolean
	case "INTEGER":
		return schema.TBigInt, null || a.IsInteger()
	case "DOUBLE":
		return schema.TDouble, null || a.IsNumeric()
	case "NUMERIC":
		if null {
			return schema.TInt, true
		}
		return a, a.IsNumeric()
	case "DATE":
		return schema.TDate, null || a.Kind == schema.Date
	case "TIME":
		if null {
			return schema.TTime(0), true
		}
		return a, a.Kind == schema.Time
	case "ANY":
		return a, true
	}
	return keptParam(p, a, null)
}

// keptParam covers the classes whose arguments keep their type.
func keptParam(p string, a schema.Type, null bool) (schema.Type, bool) {
	switch p {
	case "TIMESTAMP":
		if null || a.Kind == schema.Date {
			return schema.TTimestamp(3), true
		}
		return a, a.IsTimestamp()
	case "LTZ":
		if null {
			return schema.TTimestampLTZ(3), true
		}
		return a, a.Kind == schema.TimestampLTZ
	case "DATETIME":
		if null {
			return schema.TTimestamp(3), true
		}
		return a, a.IsTimestamp() || a.Kind == schema.Date
	case "INTERVAL":
		return a, a.Kind == schema.IntervalDayTime || a.Kind == schema.IntervalYearMonth
	case "ARRAY":
		return a, a.Kind == schema.Array
	case "MAP":
		return a, a.Kind == schema.Map
	case "ROW":
		return a, a.Kind == schema.Row
	case "COLLECTION":
		return a, a.Kind == schema.Array || a.Kind == schema.Map || a.Kind == schema.Multiset
	default:
		panic("expr: no parameter class is called " + p)
	}
}
