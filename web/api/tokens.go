package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/web/auth"
)

// NewToken asks for a token.
type NewToken struct {
	Name    string    `json:"name" minLength:"1" maxLength:"100" doc:"who or what will use it"`
	Role    auth.Role `json:"role,omitempty" enum:"reader,writer,operator,admin" default:"reader" doc:"what it may do"`
	Expires string    `json:"expires,omitempty" maxLength:"40" doc:"a duration like 720h; default: it is good until it is revoked"`
}

// CreatedToken is a token with its secret, which is told this once.
type CreatedToken struct {
	auth.Token
	Secret string `json:"token"`
}

func (a *API) tokens() (*auth.Store, error) {
	if a.opts.Tokens == nil {
		return nil, unavailable("tokens")
	}
	return a.opts.Tokens, nil
}

func (a *API) tokenRoutes(h huma.API) {
	huma.Register(h, as(auth.Admin, a.op(h, http.MethodGet, "/v1/tokens", "list-tokens", "List tokens and logins, without their secrets")),
		limited(func(ctx context.Context, _ *struct{}) (*body[list[auth.Token]], error) {
			s, err := a.tokens()
			if err != nil {
				return nil, err
			}
			ts, err := s.List(ctx)
			return listing(ts), err
		}))
	create := as(auth.Admin, a.op(h, http.MethodPost, "/v1/tokens", "create-token", "Make a token"))
	create.DefaultStatus = http.StatusCreated
	huma.Register(h, create, limited(func(ctx context.Context, in *struct{ Body NewToken }) (*body[CreatedToken], error) {
		s, err := a.tokens()
		if err != nil {
			return nil, err
		}
		expires, err := lifetime(in.Body.Expires)
		if err != nil {
			return nil, err
		}
		secret, t, err := s.Create(ctx, auth.Grant{Name: in.Body.Name, Role: in.Body.Role, Expires: expires})
		return answer(CreatedToken{t, secret}), err
	}))
	huma.Register(h, as(auth.Admin, a.op(h, http.MethodDelete, "/v1/tokens/{id}", "revoke-token", "End a token or a login")),
		limited(func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"64"`
		},
		) (*struct{}, error) {
			s, err := a.tokens()
			if err != nil {
				return nil, err
			}
			return nil, s.Revoke(ctx, in.ID)
		}))
}

// lifetime reads how long a token is good for; empty: until it is revoked.
func lifetime(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, errkind.Errorf(errkind.Invalid, "expires %q: want a duration like 720h", text)
	}
	return d, nil
}
