package expr

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/table/schema"
)

// Each line of testdata/*.txt is "expression => value" or "expression => value :: TYPE", or
// "expression => error: part of the message". Every expression is evaluated three ways: as
// constants, row by row with literals turned into columns, and under a selection.
func TestBuiltins(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i, line := range strings.Split(string(data), "\n") {
				if line == "" || line[0] == '#' {
					continue
				}
				where := fmt.Sprintf("%s:%d", file, i+1)
				text, want, ok := strings.Cut(line, " => ")
				if !ok {
					t.Fatalf("%s: no => in %q", where, line)
				}
				want, typ, _ := strings.Cut(want, " :: ")
				checkLine(t, where, text, want, typ)
			}
		})
	}
}

func testEnv() *Env {
	mark := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	return &Env{Clock: time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC), Watermark: &mark}
}

func checkLine(t *testing.T, where, text, want, typ string) {
	e, err := parseExpr(text, nil)
	if err == nil {
		if got := e.Type().WithNotNull(false).String(); typ != "" && got != typ {
			t.Errorf("%s: %s has type %s, want %s", where, text, got, typ)
		}
		for _, form := range []string{"constant", "columns", "selected"} {
			got, err := evalForm(t, form, e)
			if err != nil {
				got = "error: " + err.Error()
			}
			if strings.HasPrefix(want, "error: ") {
				if !strings.HasPrefix(got, "error: ") || !strings.Contains(got, want[len("error: "):]) {
					t.Errorf("%s: %s as %s is %s, want %s", where, text, form, got, want)
				}
			} else if got != want {
				t.Errorf("%s: %s as %s is %q, want %q", where, text, form, got, want)
			}
		}
		return
	}
	if !strings.HasPrefix(want, "error: ") || !strings.Contains(err.Error(), want[len("error: "):]) {
		t.Errorf("%s: %s: %v", where, text, err)
	}
}

func evalForm(t *testing.T, form string, e Expr) (string, error) {
	in := oneRow()
	row := 0
	switch form {
	case "columns":
		e, in = literalsToColumns(t, e, 3)
		in = in.NewSlice(1, 3) // arrays with an offset
		row = 1
	case "selected":
		// The error of a row nobody wants must not come out: the second row only is wanted.
		x, b := literalsToColumns(t, e, 2)
		e, in = selectSecond(t, x, b)
		row = 1
	}
	a, err := Eval(e, in, testEnv())
	if err != nil {
		return "", err
	}
	defer a.Release()
	if a.Len() != int(in.NumRows()) {
		return "", fmt.Errorf("%d values for %d rows", a.Len(), in.NumRows())
	}
	if form == "selected" && a.DataType().ID() != arrow.NULL && a.IsValid(0) {
		t.Errorf("%s: row 0 was not to be computed", e)
	}
	return valueText(t, a, e.Type(), row), nil
}

// literalsToColumns replaces the literals of e, as far as functions take values there, by
// columns of n equal rows.
func literalsToColumns(t *testing.T, e Expr, n int) (Expr, arrow.RecordBatch) {
	var fields []arrow.Field
	var arrays []arrow.Array
	var walk func(e Expr, keep bool) Expr
	walk = func(e Expr, keep bool) Expr {
		switch e := e.(type) {
		case *Literal:
			if keep || e.T.Kind == schema.Null {
				return e
			}
			v, err := literalVec(e)
			if err != nil {
				t.Fatal(err)
			}
			a, err := arrayOf(v, e.T, n)
			if err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("c%d", len(arrays))
			fields = append(fields, arrow.Field{Name: name, Type: a.DataType(), Nullable: true})
			arrays = append(arrays, a)
			return &Column{Index: len(arrays) - 1, Name: name, T: e.T}
		case *Call:
			out := &Call{Fn: e.Fn, T: e.T}
			for i, a := range e.Args {
				out.Args = append(out.Args, walk(a, literalOnly(e, i)))
			}
			return out
		}
		return e
	}
	out := walk(e, false)
	return out, array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, int64(n))
}

// literalOnly reports arguments that are keywords.
func literalOnly(c *Call, i int) bool {
	switch c.Fn {
	case "EXTRACT", "TIMESTAMPADD", "TIMESTAMPDIFF":
		return i == 0
	case "TRIM":
		return i == 0 && len(c.Args) == 3
	case "FLOOR", "CEIL", "FIELD":
		return i == 1
	case "JSON_VALUE", "JSON_QUERY", "JSON_EXISTS", "IS_JSON":
		return i >= 1
	default:
		return false
	}
}

// selectSecond wraps e so that it is evaluated for the second row only.
func selectSecond(t *testing.T, e Expr, in arrow.RecordBatch) (Expr, arrow.RecordBatch) {
	b := array.NewBooleanBuilder(memory.DefaultAllocator)
	b.AppendValues([]bool{false, true}, nil)
	flag := b.NewArray()
	fields := append(append([]arrow.Field(nil), in.Schema().Fields()...), arrow.Field{Name: "want", Type: flag.DataType()})
	batch := array.NewRecordBatch(arrow.NewSchema(fields, nil), append(append([]arrow.Array(nil), in.Columns()...), flag), 2)
	typ := e.Type().WithNotNull(false)
	return &Call{Fn: "CASE", T: typ, Args: []Expr{
		&Column{Index: len(fields) - 1, Name: "want", T: schema.TBoolean}, e, &Literal{T: typ},
	}}, batch
}
