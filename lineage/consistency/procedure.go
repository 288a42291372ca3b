package consistency

import (
	"context"
	"fmt"
	"strings"

	"github.com/weir-lake/weir/compute/job"
	"github.com/weir-lake/weir/compute/session"
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
		createCutTag: sentence(createCutTag, []string{"tag", "tables", "time_retained"}, func(ctx context.Context, user string, a map[string]string) (string, error) {
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
		}),
		deleteCutTag: sentence(deleteCutTag, []string{"tag"}, func(ctx context.Context, _ string, a map[string]string) (string, error) {
			return fmt.Sprintf("cut %s deleted", a["tag"]), jobs.RemoveCut(ctx, a["tag"])
		}),
	}
}

// sentence is a procedure whose first argument is needed and whose answer is a sentence.
func sentence(name string, params []string, run func(ctx context.Context, user string, args map[string]string) (string, error)) session.Procedure {
	return session.TextProcedure{Name: name, Params: params, Needed: params[:1], Columns: []string{"result"},
		Run: func(ctx context.Context, user string, args map[string]string) ([]string, error) {
			said, err := run(ctx, user, args)
			return []string{said}, err
		}}
}
