package duck

import (
	"context"
	"fmt"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/errkind"
)

// Print turns a bound plan into DuckDB SQL with its inputs, without running it.
func Print(_ context.Context, root plan.Node, _ Resolver, _ ExecOptions) (Query, error) {
	return Query{}, errkind.Wrap(errkind.Bug, fmt.Errorf("print %T: operator is not known", root))
}
