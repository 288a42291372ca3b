package auth

import (
	"slices"
	"strings"

	"github.com/weir-lake/weir/internal/errkind"
)

// Role is what a caller may do. Each role may do all that those before it may.
type Role string

// The roles, least first.
const (
	Reader   Role = "reader"   // read tables, run queries
	Writer   Role = "writer"   // push and insert rows
	Operator Role = "operator" // define tables, run jobs, compact, repair
	Admin    Role = "admin"    // users, tokens, audit
)

// Roles are all roles, least first.
func Roles() []Role { return []Role{Reader, Writer, Operator, Admin} }

// ErrForbidden: the caller is known, and may not do this.
var ErrForbidden = errkind.New(errkind.Denied, "auth: not allowed")

// ParseRole reads a role's name.
func ParseRole(s string) (Role, error) {
	if r := Role(s); slices.Contains(Roles(), r) {
		return r, nil
	}
	names := make([]string, 0, len(Roles()))
	for _, r := range Roles() {
		names = append(names, string(r))
	}
	return "", errkind.Errorf(errkind.Invalid, "role %q: want one of %s", s, strings.Join(names, ", "))
}

// Includes reports whether a caller of role r may do what asks for role least. An unknown role may do nothing.
func (r Role) Includes(least Role) bool {
	have, want := slices.Index(Roles(), r), slices.Index(Roles(), least)
	return have >= 0 && want >= 0 && have >= want
}
