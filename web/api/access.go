package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/web/audit"
	"github.com/weir-lake/weir/web/auth"
)

// extRole is the member of an operation in the contract with the least role that may call it.
const extRole = "x-weir-role"

// anybody marks operations that need no token.
const anybody auth.Role = "none"

// as sets the least role of an operation that is not what op says.
func as(least auth.Role, op huma.Operation) huma.Operation {
	op.Extensions = map[string]any{extRole: least}
	if least == anybody {
		op.Security = []map[string][]string{{}}
	}
	return op
}

// guard is before every operation: it asks for the role that the contract declares, and has what changes something
// remembered with how it ended.
func (a *API) guard(hc huma.Context, next func(huma.Context)) {
	op := hc.Operation()
	least, _ := op.Extensions[extRole].(auth.Role)
	ctx := hc.Context()
	begin := a.opts.Now()
	watched := a.opts.Audit != nil && op.Method != http.MethodGet
	var done func() audit.Entry
	if watched {
		t := auth.TokenOf(ctx)
		ctx, done = audit.With(ctx, audit.Entry{At: begin.UTC(), User: auth.User(ctx), TokenID: t.ID, Role: string(t.Role),
			Operation: op.OperationID, Method: op.Method, Path: hc.URL().Path, Remote: auth.Remote(ctx)})
		hc = huma.WithContext(hc, ctx)
	}
	status := 0
	if least == anybody || auth.RoleOf(ctx).Includes(least) {
		next(hc)
		status = hc.Status()
	} else {
		err := forbidden(auth.RoleOf(ctx), least, "this")
		audit.NoteError(ctx, err)
		_, w := humachi.Unwrap(hc)
		WriteProblem(w, err)
		status = http.StatusForbidden
	}
	if watched {
		e := done()
		e.Status, e.Millis = status, float64(a.opts.Now().Sub(begin))/float64(time.Millisecond)
		if e.Status == 0 {
			e.Status = http.StatusOK // of an answer that was streamed
		}
		e.Outcome = outcome(e.Status)
		if e.Outcome == audit.OK && e.Error != "" {
			e.Outcome = audit.Refused // after its status was sent
		}
		a.opts.Audit.Add(e)
	}
}

// noted is problem, with the error told to the audit log.
func noted(ctx context.Context, err error) error {
	if err != nil {
		audit.NoteError(ctx, err)
	}
	return problem(err)
}

// outcome says in a word how a request ended.
func outcome(status int) string {
	switch {
	case status < http.StatusBadRequest:
		return audit.OK
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return audit.Denied
	case status < http.StatusInternalServerError || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout:
		return audit.Refused
	}
	return audit.Failed
}

func forbidden(have, least auth.Role, what string) error {
	return fmt.Errorf("%w: %s asks for the role %s, and yours is %s: ask an administrator for another token", auth.ErrForbidden, what, least, have)
}

// rolesOfActions are the least roles of what statements do.
var rolesOfActions = map[session.Action]auth.Role{session.Read: auth.Reader, session.Write: auth.Writer, session.Manage: auth.Operator}

// allow is what a session of a role may do.
func allow(role auth.Role) func(session.Action) error {
	return func(act session.Action) error {
		if least := rolesOfActions[act]; !role.Includes(least) {
			return forbidden(role, least, "this statement")
		}
		return nil
	}
}
