package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/web/audit"
	"github.com/weir-lake/weir/web/auth"
)

// LoginRequest proves who somebody is.
type LoginRequest struct {
	Name     string `json:"name" minLength:"1" maxLength:"100"`
	Password string `json:"password" minLength:"1" maxLength:"256" format:"password"`
}

// LoginAnswer is a token for a while.
type LoginAnswer struct {
	Secret  string    `json:"token"`
	User    string    `json:"user"`
	Role    auth.Role `json:"role" enum:"reader,writer,operator,admin"`
	Expires time.Time `json:"expires"`
}

// Me is who calls.
type Me struct {
	Name    string     `json:"name"`
	Role    auth.Role  `json:"role" enum:"reader,writer,operator,admin"`
	User    bool       `json:"user" doc:"a user who has logged in; else a token"`
	Expires *time.Time `json:"expires,omitempty" doc:"when the token ends"`
}

// NewUser asks for a user.
type NewUser struct {
	Name     string    `json:"name" minLength:"1" maxLength:"100"`
	Password string    `json:"password" minLength:"10" maxLength:"256" format:"password"`
	Role     auth.Role `json:"role,omitempty" enum:"reader,writer,operator,admin" default:"reader"`
}

// NewPassword replaces a user's password.
type NewPassword struct {
	Password string `json:"password" minLength:"10" maxLength:"256" format:"password"`
}

// OwnPassword replaces the caller's password.
type OwnPassword struct {
	Old      string `json:"old" minLength:"1" maxLength:"256" format:"password"`
	Password string `json:"password" minLength:"10" maxLength:"256" format:"password"`
}

// NewRole gives a user another role.
type NewRole struct {
	Role auth.Role `json:"role" enum:"reader,writer,operator,admin"`
}

// UserPath names a user in a route.
type UserPath struct {
	Name string `path:"name" maxLength:"100"`
}

func (a *API) userRoutes(h huma.API) {
	login := as(anybody, a.op(h, http.MethodPost, "/v1/login", "login", "Get a token for a name and a password"))
	login.Description = "The token is good for 12 hours. A name or an address that tries too often is answered 429."
	huma.Register(h, login, limited(a.login))
	huma.Register(h, as(auth.Reader, a.op(h, http.MethodPost, "/v1/logout", "logout", "End the token of this request, if a login made it")), limited(a.logout))
	huma.Register(h, a.op(h, http.MethodGet, "/v1/me", "show-me", "Who calls, and what the caller may do"),
		limited(func(ctx context.Context, _ *struct{}) (*body[Me], error) {
			t := auth.TokenOf(ctx)
			return answer(Me{auth.User(ctx), t.Role, t.User != "", t.Expires}), nil
		}))
	huma.Register(h, as(auth.Reader, a.op(h, http.MethodPut, "/v1/me/password", "change-password", "Replace the caller's own password; all logins end")), limited(a.changeOwn))
	a.accountRoutes(h)
}

// accountRoutes are for those who look after users.
func (a *API) accountRoutes(h huma.API) {
	huma.Register(h, as(auth.Admin, a.op(h, http.MethodGet, "/v1/users", "list-users", "List users")),
		limited(func(ctx context.Context, _ *struct{}) (*body[list[auth.Account]], error) {
			s, err := a.tokens()
			if err != nil {
				return nil, err
			}
			us, err := s.Users(ctx)
			return listing(us), err
		}))
	create := as(auth.Admin, a.op(h, http.MethodPost, "/v1/users", "create-user", "Make a user"))
	create.DefaultStatus = http.StatusCreated
	huma.Register(h, create, limited(func(ctx context.Context, in *struct{ Body NewUser }) (*body[auth.Account], error) {
		s, err := a.tokens()
		if err != nil {
			return nil, err
		}
		u, err := s.CreateUser(ctx, in.Body.Name, in.Body.Password, in.Body.Role)
		return answer(u), err
	}))
	type passwordInput struct {
		UserPath
		Body NewPassword
	}
	type roleInput struct {
		UserPath
		Body NewRole
	}
	huma.Register(h, as(auth.Admin, a.op(h, http.MethodDelete, "/v1/users/{name}", "delete-user", "Remove a user; the user's logins end")),
		onUsers(a, func(ctx context.Context, s *auth.Store, in *UserPath) error { return s.DeleteUser(ctx, in.Name) }))
	huma.Register(h, as(auth.Admin, a.op(h, http.MethodPut, "/v1/users/{name}/password", "set-password", "Replace a user's password; the user's logins end")),
		onUsers(a, func(ctx context.Context, s *auth.Store, in *passwordInput) error {
			return s.SetPassword(ctx, in.Name, in.Body.Password)
		}))
	huma.Register(h, as(auth.Admin, a.op(h, http.MethodPut, "/v1/users/{name}/role", "set-role", "Give a user another role; the user's logins end")),
		onUsers(a, func(ctx context.Context, s *auth.Store, in *roleInput) error {
			return s.SetRole(ctx, in.Name, in.Body.Role)
		}))
}

// onUsers makes a handler without an answer of something done to users.
func onUsers[I any](a *API, fn func(context.Context, *auth.Store, *I) error) func(context.Context, *I) (*struct{}, error) {
	return limited(func(ctx context.Context, in *I) (*struct{}, error) {
		s, err := a.tokens()
		if err != nil {
			return nil, err
		}
		return nil, fn(ctx, s, in)
	})
}

func (a *API) login(ctx context.Context, in *struct{ Body LoginRequest }) (*body[LoginAnswer], error) {
	s, err := a.tokens()
	if err != nil {
		return nil, err
	}
	audit.NoteUser(ctx, in.Body.Name)
	secret, t, err := s.Login(ctx, in.Body.Name, in.Body.Password, auth.Remote(ctx))
	if err != nil {
		return nil, err
	}
	return answer(LoginAnswer{secret, t.User, t.Role, *t.Expires}), nil
}

func (a *API) logout(ctx context.Context, _ *struct{}) (*struct{}, error) {
	s, err := a.tokens()
	if err != nil {
		return nil, err
	}
	t := auth.TokenOf(ctx)
	if !t.Session {
		return nil, errkind.New(errkind.Invalid, "logout: this token was not made by a login; revoke it by its id")
	}
	return nil, s.Revoke(ctx, t.ID)
}

func (a *API) changeOwn(ctx context.Context, in *struct{ Body OwnPassword }) (*struct{}, error) {
	s, err := a.tokens()
	if err != nil {
		return nil, err
	}
	t := auth.TokenOf(ctx)
	if t.User == "" {
		return nil, errkind.New(errkind.Invalid, "password: this token belongs to no user; log in first")
	}
	return nil, s.ChangeOwn(ctx, t.User, in.Body.Old, in.Body.Password, auth.Remote(ctx))
}
