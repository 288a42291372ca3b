package expr

import (
	"strings"
	"testing"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

func TestLookupTypes(t *testing.T) {
	n := func(t schema.Type) schema.Type { return t.WithNotNull(true) }
	dec := schema.TDecimal
	for _, c := range []struct {
		fn   string
		args []schema.Type
		ret  string
		want string // argument types, "; " between
	}{
		{"+", []schema.Type{n(schema.TInt), n(schema.TBigInt)}, "BIGINT NOT NULL", "BIGINT NOT NULL; BIGINT NOT NULL"},
		{"+", []schema.Type{schema.TTinyInt, schema.TTinyInt}, "TINYINT", "TINYINT; TINYINT"},
		{"/", []schema.Type{n(schema.TInt), n(schema.TInt)}, "INT NOT NULL", "INT NOT NULL; INT NOT NULL"},
		{"+", []schema.Type{dec(10, 2), dec(5, 4)}, "DECIMAL(13, 4)", "DECIMAL(10, 2); DECIMAL(5, 4)"},
		{"*", []schema.Type{dec(38, 10), dec(38, 10)}, "DECIMAL(38, 6)", "DECIMAL(38, 10); DECIMAL(38, 10)"},
		{"/", []schema.Type{dec(10, 2), schema.TInt}, "DECIMAL(21, 13)", "DECIMAL(10, 2); DECIMAL(10, 0)"},
		{"+", []schema.Type{dec(10, 2), schema.TDouble}, "DOUBLE", "DOUBLE; DOUBLE"},
		{"%", []schema.Type{schema.TBigInt, schema.TInt}, "INT", "BIGINT; BIGINT"},
		{"mod", []schema.Type{dec(10, 2), dec(5, 1)}, "DECIMAL(6, 2)", "DECIMAL(10, 2); DECIMAL(5, 1)"},
		{"+", []schema.Type{schema.TTimestamp(6), {Kind: schema.IntervalDayTime}}, "TIMESTAMP(6)", ""},
		{"-", []schema.Type{schema.TTimestamp(6), schema.TDate}, "INTERVAL DAY TO SECOND(3)", "TIMESTAMP(6); TIMESTAMP(6)"},
		{"=", []schema.Type{schema.TString, schema.TInt}, "BOOLEAN", "INT; INT"},
		{"<", []schema.Type{schema.TDate, schema.TTimestamp(3)}, "BOOLEAN", "TIMESTAMP(3); TIMESTAMP(3)"},
		{"IS_DISTINCT_FROM", []schema.Type{schema.TInt, schema.TNull}, "BOOLEAN NOT NULL", ""},
		{"COALESCE", []schema.Type{schema.TInt, n(schema.TBigInt)}, "BIGINT NOT NULL", "BIGINT; BIGINT NOT NULL"},
		{"CASE", []schema.Type{schema.TBoolean, n(schema.TInt), schema.TNull}, "INT", "BOOLEAN; INT NOT NULL; INT"},
		{"substr", []schema.Type{n(schema.TString), n(schema.TInt)}, "STRING", "STRING NOT NULL; BIGINT NOT NULL"},
		{"Upper", []schema.Type{n(schema.Type{Kind: schema.VarChar, Length: 3})}, "STRING NOT NULL", "VARCHAR(3) NOT NULL"},
		{"ARRAY", []schema.Type{n(schema.TInt), schema.TBigInt}, "ARRAY<BIGINT> NOT NULL", ""},
		{"ITEM", []schema.Type{schema.TMap(schema.TString, schema.TInt), {Kind: schema.Char, Length: 1}}, "INT", ""},
		{"FLOOR", []schema.Type{schema.TTimestamp(3), schema.TString}, "TIMESTAMP(3)", ""},
		{"FLOOR", []schema.Type{dec(10, 3)}, "DECIMAL(10, 0)", ""},
		{"INSTR", []schema.Type{schema.TString, schema.TString, schema.TInt, schema.TInt}, "INT", "STRING; STRING; BIGINT; BIGINT"},
		{"PI", nil, "DOUBLE NOT NULL", ""},
		{"ARRAY_CONTAINS", []schema.Type{schema.TArray(schema.TBigInt), schema.TInt}, "BOOLEAN", "ARRAY<BIGINT>; BIGINT"},
	} {
		r, err := Lookup(c.fn, c.args)
		if err != nil {
			t.Errorf("%s: %v", c.fn, err)
			continue
		}
		if r.Ret.String() != c.ret {
			t.Errorf("%s%v returns %s, want %s", c.fn, c.args, r.Ret, c.ret)
		}
		var texts []string
		for _, a := range r.ArgTypes {
			texts = append(texts, a.String())
		}
		if got := strings.Join(texts, "; "); c.want != "" && got != c.want {
			t.Errorf("%s%v wants %s, expected %s", c.fn, c.args, got, c.want)
		}
	}
}

func TestLookupErrors(t *testing.T) {
	for _, c := range []struct {
		fn   string
		args []schema.Type
		want string
	}{
		{"SUBSTRNG", nil, "there is no function SUBSTRNG; did you mean SUBSTRING"},
		{"UPPER", []schema.Type{schema.TInt}, "UPPER cannot be applied to (INT); it is UPPER(STRING) STRING"},
		{"UPPER", nil, "UPPER cannot be applied to ()"},
		{"+", []schema.Type{schema.TInt, schema.TString}, "+ cannot be applied to (INT, STRING)"},
		{"<", []schema.Type{schema.TMap(schema.TInt, schema.TInt), schema.TMap(schema.TInt, schema.TInt)}, "< cannot be applied"},
		{"LOG", []schema.Type{schema.TString}, "LOG(DOUBLE) DOUBLE or LOG(DOUBLE, DOUBLE) DOUBLE"},
	} {
		_, err := Lookup(c.fn, c.args)
		if err == nil || !strings.Contains(err.Error(), c.want) || !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%s%v: error %v (kind %v), want %q of kind invalid", c.fn, c.args, err, errkind.Of(err), c.want)
		}
	}
}

func TestLookupAgg(t *testing.T) {
	for _, c := range []struct {
		fn   string
		args []schema.Type
		want string
	}{
		{"count", nil, "COUNT BIGINT NOT NULL"},
		{"COUNT", []schema.Type{schema.TString}, "COUNT BIGINT NOT NULL"},
		{"SUM", []schema.Type{schema.TInt.WithNotNull(true)}, "SUM INT"},
		{"SUM", []schema.Type{schema.TDecimal(10, 2)}, "SUM DECIMAL(38, 2)"},
		{"$SUM0", []schema.Type{schema.TBigInt}, "SUM0 BIGINT NOT NULL"},
		{"AVG", []schema.Type{schema.TInt}, "AVG INT"},
		{"AVG", []schema.Type{schema.TDecimal(10, 2)}, "AVG DECIMAL(38, 6)"},
		{"MAX", []schema.Type{schema.TTimestamp(3).WithNotNull(true)}, "MAX TIMESTAMP(3)"},
		{"STDDEV", []schema.Type{schema.TDouble}, "STDDEV_SAMP DOUBLE"},
		{"ROW_NUMBER", nil, "ROW_NUMBER BIGINT NOT NULL"},
		{"LISTAGG", []schema.Type{schema.TString}, "LISTAGG STRING"},
		{"LAG", []schema.Type{schema.TInt, schema.TInt, schema.TInt.WithNotNull(true)}, "LAG INT"},
		{"COLLECT", []schema.Type{schema.TInt}, "COLLECT MULTISET<INT>"},
	} {
		r, err := LookupAgg(c.fn, c.args, false)
		if err != nil {
			t.Errorf("%s: %v", c.fn, err)
		} else if got := r.Fn + " " + r.Ret.String(); got != c.want {
			t.Errorf("%s%v is %s, want %s", c.fn, c.args, got, c.want)
		}
	}
	for _, bad := range []string{"SUM", "NO_SUCH", "COLECT"} {
		if _, err := LookupAgg(bad, []schema.Type{schema.TString}, false); !errkind.Is(err, errkind.Invalid) {
			t.Errorf("%s(STRING): %v", bad, err)
		}
	}
	if _, err := LookupAgg("ROW_NUMBER", nil, true); err == nil {
		t.Error("ROW_NUMBER(DISTINCT) was accepted")
	}
}

// Every signature of the tables must parse and name only known classes and types.
func TestSignaturesAreWellFormed(t *testing.T) {
	for name, b := range registry {
		for i := range b.signatures {
			s := &b.signatures[i]
			for _, p := range s.params {
				if p != "SAME" {
					paramType(p, schema.TInt)
				}
			}
			if s.ret != "-" && s.ret != "SAME" && !strings.HasPrefix(s.ret, "ARG") {
				namedType(s.ret)
			}
			if s.ret == "-" && b.bind == nil {
				t.Errorf("%s has no return type", name)
			}
			if len(s.params) < s.optional {
				t.Errorf("%s: %d optional of %d parameters", name, s.optional, len(s.params))
			}
		}
	}
}
