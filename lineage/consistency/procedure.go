package consistency

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/schema"
)

// Names of the procedures that Procedures gives.
const (
	createCutTag = "create_cut_tag"
	deleteCutTag = "delete_cut_tag"
)

// Procedures are what CALL sys.* does with cuts:
//
//	sys.create_cut_tag(tag [, tables => 'db.t, ..'] [, time_retained => '30 d'])
//	sys.delete_cut_tag(tag)
func Procedures(jobs *job.Manager) map[string]session.Procedure {
	return map[string]session.Procedure{
		createCutTag: procedure{createCutTag, []string{"tag", "tables", "time_retained"}, func(ctx context.Context, user string, a map[string]string) (string, error) {
			q := job.CutRequest{Name: a["tag"], By: user}
			for name := range strings.SplitSeq(a["tables"], ",") {
				if name = strings.TrimSpace(name); name == "" {
					continue
				}
				id, err := catalog.ParseIdentifier(name, catalog.DefaultDatabase)
				if err != nil {
					return "", err
				}
				q.Tables = append(q.Tables, id)
			}
			if text := a["time_retained"]; text != "" {
				d, err := schema.ParseDuration(text)
				if err != nil {
					return "", fmt.Errorf("time_retained: %w", err)
				}
				q.Retained = d
			}
			r, err := jobs.MakeCut(ctx, q)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("cut %s: epoch %d, %d tables", r.Name, r.Epoch, len(r.Tables)), nil
		}},
		deleteCutTag: procedure{deleteCutTag, []string{"tag"}, func(ctx context.Context, _ string, a map[string]string) (string, error) {
			return fmt.Sprintf("cut %s deleted", a["tag"]), jobs.RemoveCut(ctx, a["tag"])
		}},
	}
}

// procedure is one whose arguments are strings, the first of which is needed, and whose answer is a sentence.
type procedure struct {
	name   string
	params []string
	run    func(ctx context.Context, user string, args map[string]string) (string, error)
}

// Call implements session.Procedure.
func (p procedure) Call(ctx context.Context, user string, args []expr.Literal, named map[string]expr.Literal) (session.Rows, error) {
	given, err := p.arguments(args, named)
	if err != nil {
		return nil, err
	}
	said, err := p.run(ctx, user, given)
	if err != nil {
		return nil, err
	}
	cols := []plan.Column{{Name: "result", Type: schema.TString}}
	sc, err := schema.ArrowSchema([]schema.Field{{Name: cols[0].Name, Type: cols[0].Type}})
	if err != nil {
		return nil, err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, sc)
	defer b.Release()
	b.Field(0).(*array.StringBuilder).Append(said)
	return session.NewStaticRows(cols, b.NewRecordBatch()), nil
}

func (p procedure) arguments(args []expr.Literal, named map[string]expr.Literal) (map[string]string, error) {
	usage := func(what string) error {
		return errkind.Errorf(errkind.Invalid, "sys.%s: %s; it takes %s, as strings", p.name, what, strings.Join(p.params, ", "))
	}
	if len(args) > len(p.params) {
		return nil, usage("too many arguments")
	}
	all := map[string]expr.Literal{}
	for i, l := range args {
		all[p.params[i]] = l
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if _, twice := all[name]; twice || !slices.Contains(p.params, name) {
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
	if out[p.params[0]] == "" {
		return nil, usage(p.params[0] + " is missing")
	}
	return out, nil
}
