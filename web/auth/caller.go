package auth

import "context"

// callerKey marks the context of a request with who makes it.
type callerKey struct{}

// caller is who makes a request, and from where.
type caller struct {
	token  Token
	remote string
}

// WithToken says in ctx who calls.
func WithToken(ctx context.Context, t Token) context.Context {
	c, _ := ctx.Value(callerKey{}).(caller)
	c.token = t
	return context.WithValue(ctx, callerKey{}, c)
}

// WithRemote says in ctx from which address the request comes.
func WithRemote(ctx context.Context, host string) context.Context {
	c, _ := ctx.Value(callerKey{}).(caller)
	c.remote = host
	return context.WithValue(ctx, callerKey{}, c)
}

// TokenOf is the caller's token; the zero Token outside of requests.
func TokenOf(ctx context.Context) Token {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c.token
}

// User is who calls: the user that has logged in, else the name of the token; empty outside of requests.
func User(ctx context.Context) string {
	t := TokenOf(ctx)
	if t.User != "" {
		return t.User
	}
	return t.Name
}

// RoleOf is what the caller may do; empty, which is nothing, outside of requests.
func RoleOf(ctx context.Context) Role { return TokenOf(ctx).Role }

// Remote is the address from which the request comes.
func Remote(ctx context.Context) string {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c.remote
}
