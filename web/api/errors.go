package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/rowjson"
	"github.com/weir-lake/weir/web/auth"
)

// Problem is an error as RFC 9457 has it, with what weir knows of its place.
type Problem struct {
	Type   string `json:"type" doc:"always about:blank: kind tells problems apart"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail" doc:"what is wrong, where, and what to do"`
	Kind   string `json:"kind" enum:"invalid,not_found,exists,denied,conflict,exhausted,unavailable,corrupt,bug,canceled"`

	Line   int    `json:"line,omitempty" doc:"of the SQL text, from 1"`
	Column int    `json:"column,omitempty" doc:"of the SQL text, in characters from 1"`
	Hint   string `json:"hint,omitempty" doc:"what to do about the SQL"`

	Row       *int   `json:"row,omitempty" doc:"index of the refused row, from 0"`
	RowColumn string `json:"row_column,omitempty" doc:"column of the refused row"`
	Reason    string `json:"reason,omitempty" doc:"why the row is refused"`

	Errors []FieldProblem `json:"errors,omitempty" doc:"what does not fit of the request itself"`
}

// FieldProblem is something in a request that its contract does not allow.
type FieldProblem struct {
	Location string `json:"location,omitempty" doc:"such as body.name or query.limit"`
	Message  string `json:"message"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// statusClientGone is nginx's status for a caller who gave up: nobody sees it but logs and metrics.
const statusClientGone = 499

// statuses is the one table of kinds and HTTP statuses.
var statuses = map[errkind.Kind]int{
	errkind.Invalid: http.StatusBadRequest, errkind.NotFound: http.StatusNotFound,
	errkind.Exists: http.StatusConflict, errkind.Conflict: http.StatusConflict,
	errkind.Denied: http.StatusForbidden, errkind.Exhausted: http.StatusTooManyRequests,
	errkind.Unavailable: http.StatusServiceUnavailable, errkind.Corrupt: http.StatusInternalServerError,
	errkind.Bug: http.StatusInternalServerError, errkind.Canceled: statusClientGone,
}

// asProblem turns the errors of the framework, which come before a handler runs, into problems.
func asProblem(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := &Problem{Type: "about:blank", Title: e.Title, Status: e.Status, Detail: e.Detail, Kind: kindOf(e.Status).String()}
	for i, d := range e.Errors {
		p.Errors = append(p.Errors, FieldProblem{d.Location, d.Message})
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		p.Detail += sep + strings.TrimPrefix(d.Location+": ", ": ") + d.Message
	}
	return p, nil
}

// kindOf is the kind of a status that the framework chose.
func kindOf(status int) errkind.Kind {
	switch {
	case status == http.StatusNotFound:
		return errkind.NotFound
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return errkind.Denied
	case status == http.StatusTooManyRequests:
		return errkind.Exhausted
	case status < http.StatusInternalServerError:
		return errkind.Invalid
	}
	return errkind.Bug
}

// problem turns an error into what the caller gets. A nil error stays nil.
func problem(err error) error {
	if err == nil {
		return nil
	}
	return ProblemOf(err)
}

// ProblemOf turns an error into what the caller gets.
func ProblemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	kind := errkind.Of(err)
	p = &Problem{Type: "about:blank", Status: statuses[kind], Detail: err.Error(), Kind: kind.String()}
	var se *sql.Error
	if errors.As(err, &se) {
		p.Line, p.Column, p.Hint = se.At.Line, se.At.Col, se.Hint
		if kind == errkind.Bug { // every error at a place of a statement is the statement's
			p.Kind, p.Status = errkind.Invalid.String(), http.StatusBadRequest
		}
	}
	var re *rowjson.RowError
	if errors.As(err, &re) {
		p.Status, p.Row, p.RowColumn = http.StatusUnprocessableEntity, &re.Row, re.Column
		p.Reason = "expected " + re.Expected + ", found " + re.Found
	}
	if errors.Is(err, auth.ErrDenied) || errors.Is(err, auth.ErrLogin) {
		p.Status = http.StatusUnauthorized // who calls is not known; 403 is for those who are
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errTimeout) {
		p.Status = http.StatusGatewayTimeout
	}
	p.Title = http.StatusText(p.Status)
	if p.Title == "" {
		p.Title = "Canceled"
	}
	return p
}

// errTimeout ends a request that took longer than it may.
var errTimeout = errkind.New(errkind.Canceled, "the request's time limit was reached")

// WriteProblem answers a request with an error, outside of the handlers.
func WriteProblem(w http.ResponseWriter, err error) {
	p := ProblemOf(err)
	w.Header().Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	if err := json.NewEncoder(w).Encode(p); err != nil {
		slog.Debug("problem_unsent", "error", err) // the caller has gone
	}
}
