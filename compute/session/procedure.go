package session

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

// TextProcedure is a Procedure whose arguments are strings and whose answer is one row of strings.
type TextProcedure struct {
	Name    string   // without "sys."
	Params  []string // in the order of arguments without name
	Needed  []string // parameters that must be given, and not empty
	Columns []string // of the answer
	Run     func(ctx context.Context, user string, args map[string]string) ([]string, error)
}

// Call implements Procedure.
func (p TextProcedure) Call(ctx context.Context, user string, args []expr.Literal, named map[string]expr.Literal) (Rows, error) {
	given, err := p.arguments(args, named)
	if err != nil {
		return nil, err
	}
	said, err := p.Run(ctx, user, given)
	if err != nil {
		return nil, err
	}
	cols := make([]plan.Column, len(p.Columns))
	for i, n := range p.Columns {
		cols[i] = plan.Column{Name: n, Type: schema.TString}
	}
	sc, err := arrowSchema(cols)
	if err != nil {
		return nil, err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	defer b.Release()
	for i, text := range said {
		b.Field(i).(*array.StringBuilder).Append(text)
	}
	return NewStaticRows(cols, b.NewRecordBatch()), nil
}

func (p TextProcedure) arguments(args []expr.Literal, named map[string]expr.Literal) (map[string]string, error) {
	usage := func(what string) error {
		return errkind.Errorf(errkind.Invalid, "sys.%s: %s; it takes %s, as strings", p.Name, what, strings.Join(p.Params, ", "))
	}
	if len(args) > len(p.Params) {
		return nil, usage("too many arguments")
	}
	all := map[string]expr.Literal{}
	for i, l := range args {
		all[p.Params[i]] = l
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if _, twice := all[name]; twice || !slices.Contains(p.Params, name) {
			return nil, usage(fmt.Sprintf("argument %s is unknown or given twice", name))
		}
		all[name] = named[name]
	}
	out := map[string]string{}
	for name, l := range all {
		text, ok := l.Value.(string)
		if !ok {
			return nil, usage(fmt.Sprintf("argument %s is no string", name))
		}
		out[name] = text
	}
	for _, name := range p.Needed {
		if out[name] == "" {
			return nil, usage(name + " is missing")
		}
	}
	return out, nil
}
