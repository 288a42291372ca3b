// Package auth says who calls, and what they may do.
//
// Callers prove themselves by a token: 160 random bits, of which the database holds only a hash. A token has
// a role and may expire; people can be users with a password, whose login makes a token for half a day.
// web checks the token of every request and web/api its role, by what each route and each SQL statement
// asks for. Passwords are hashed with argon2id, which costs some 20 MB and 20 ms: few are hashed at once, and
// tries to log in are bounded. The lost database loses users and tokens, but for the first token, which is
// in a file of the data folder.
package auth
